package revocation

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"time"

	"tlagate/internal/files"
)

// What the PKI pushed is kept in a file across restarts: after a restart the PKI may be out of reach, and the CRL at
// hand older than the revocation. The last event of each source is kept with it, so that releases from hold are not
// missed either.

// denialsFile is the content of the file.
type denialsFile struct {
	Heard  map[string]int64 `json:"heard"` // the last event of each source
	Denied []deniedRecord   `json:"denied"`
}

type deniedRecord struct {
	Issuer string    `json:"issuer"` // subject key identifier of the issuing CA, hexadecimal
	Serial string    `json:"serial"` // hexadecimal
	Reason int       `json:"reason"` // CRLReason
	At     time.Time `json:"at"`
	Ends   time.Time `json:"ends,omitzero"`
}

const (
	maxDenials = 64 << 20         // octets of the file
	keepAgain  = 10 * time.Second // pause after a failure to write it
	afterEnd   = 24 * time.Hour   // how long a denial is kept after the certificate's end: clocks differ
)

// Heard returns the last event that SetHeard recorded for a source of pushed revocations, before a restart too; 0 =
// none.
func (t *denyList) Heard(source string) int64 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.heard[source]
}

// SetHeard records that Deny and Allow have been called for everything up to an event of a source.
func (t *denyList) SetHeard(source string, id int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.heard == nil {
		t.heard = map[string]int64{}
	}
	if t.heard[source] != id {
		t.heard[source] = id
		t.altered()
	}
}

// altered makes the file be written soon; l.mu is locked.
func (l *denyList) altered() {
	l.version++
	select {
	case l.unsaved <- struct{}{}:
	default: // it will be written anyway
	}
}

// openDenials reads the file. If it is missing, this is a first start; if it is unreadable, that is an error, since
// without it a certificate that the PKI has revoked could be let in.
func (t *denyList) openDenials() error {
	t.unsaved = make(chan struct{}, 1)
	found, err := files.Load(t.cfg.Denials, maxDenials, t.parse)
	if err != nil {
		return fmt.Errorf("cannot read the revocations that were pushed, %s: %w; restore it, or remove it to "+
			"start anew", t.cfg.Denials, err)
	}
	if !found {
		return nil
	}
	t.dropEnded(t.now())
	t.log.Info("revocations pushed before are in force", "file", t.cfg.Denials, "certificates", len(t.pushed))
	return nil
}

func (l *denyList) parse(data []byte) error {
	var f denialsFile
	if err := json.Unmarshal(data, &f); err != nil {
		return err
	}
	if f.Heard == nil || f.Denied == nil {
		return errors.New("heard or denied is missing")
	}
	l.heard, l.pushed = f.Heard, make(map[deniedKey]Denied, len(f.Denied))
	for i, r := range f.Denied {
		d, err := r.denied()
		if err != nil {
			return fmt.Errorf("denied[%d]: %w", i, err)
		}
		l.pushed[keyOfDenied(d.IssuerKeyID, d.Serial)] = d
	}
	return nil
}

func (r deniedRecord) denied() (Denied, error) {
	issuer, err := hex.DecodeString(r.Issuer)
	serial, ok := new(big.Int).SetString(r.Serial, 16)
	if err != nil || len(issuer) == 0 || !ok || serial.Sign() <= 0 {
		return Denied{}, errors.New("issuer or serial is no number in hexadecimal")
	}
	return Denied{IssuerKeyID: issuer, Serial: serial, Reason: r.Reason, At: r.At, Ends: r.Ends}, nil
}

// keepDenials writes the file whenever something has changed, until ctx ends. A revocation takes effect without waiting
// for the disk; what a crash in that moment loses, the source sends again.
func (t *denyList) keepDenials(ctx context.Context) {
	if t.cfg.Denials == "" {
		return
	}
	var saved uint64
	for failure := ""; ; {
		var again <-chan time.Time
		err := t.saveDenials(&saved)
		if err != nil {
			again = time.After(keepAgain)
			if err.Error() != failure {
				t.log.Error("cannot keep the revocations that were pushed: after a restart they are in force only "+
					"once the PKI pushes them again or a list has them", "file", t.cfg.Denials, "error", err)
			}
		}
		if failure = ""; err != nil {
			failure = err.Error()
		}
		select {
		case <-t.unsaved:
		case <-again:
		case <-ctx.Done():
			if err := t.saveDenials(&saved); err != nil {
				t.log.Error("cannot keep the revocations that were pushed", "file", t.cfg.Denials, "error", err)
			}
			return
		}
	}
}

// saveDenials writes the file when it is older than the list.
func (t *denyList) saveDenials(saved *uint64) error {
	t.dropEnded(t.now())
	content, version := t.content()
	if version == *saved {
		return nil
	}
	data, err := json.MarshalIndent(content, "", " ")
	if err != nil {
		return err
	}
	if err := files.Replace(t.cfg.Denials, append(data, '\n'), 0o600); err != nil {
		return err
	}
	*saved = version
	return nil
}

func (l *denyList) content() (denialsFile, uint64) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	f := denialsFile{Heard: map[string]int64{}, Denied: make([]deniedRecord, 0, len(l.pushed))}
	maps.Copy(f.Heard, l.heard)
	for _, d := range l.pushed {
		f.Denied = append(f.Denied, deniedRecord{hex.EncodeToString(d.IssuerKeyID), d.Serial.Text(16), d.Reason, d.At,
			d.Ends})
	}
	return f, l.version
}

// dropEnded forgets certificates that have ended: they are refused as expired.
func (l *denyList) dropEnded(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	maps.DeleteFunc(l.pushed, func(_ deniedKey, d Denied) bool {
		return !d.Ends.IsZero() && now.After(d.Ends.Add(afterEnd))
	})
}
