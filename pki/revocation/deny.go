package revocation

import (
	"bufio"
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"strings"
	"sync"
	"time"

	"tlagate/internal/stamp"
	"tlagate/pki"
	"tlagate/pki/crl"
	"tlagate/pki/internal/certutil"
	"tlagate/pki/internal/describe"
)

// Denied is a certificate that is refused at once, before any CRL or OCSP answer says so: the PKI has just revoked it.
type Denied struct {
	IssuerKeyID []byte // subject key identifier of the issuing CA
	Serial      *big.Int
	Reason      int // CRLReason (RFC 5280 section 5.3.1); 0 = unspecified
	At          time.Time
	Ends        time.Time // when the certificate ends, after which it need not be denied; zero = not known
}

// denyList is what is refused here whatever the PKI's CRLs and answers say: what the PKI pushed, and what the operator
// wrote into a file.
type denyList struct {
	*shared

	unsaved chan struct{} // of capacity one; a value in it means that pushed or heard have changed

	mu      sync.RWMutex // protects the rest
	pushed  map[deniedKey]Denied
	heard   map[string]int64 // the last event of each source
	version uint64           // of pushed and heard
	file    deniedLines
	news    chan struct{} // closed at the next new entry of pushed; nil = nothing waits for it

	reading sync.Mutex // one reading at a time; protects the rest
	reader  fileReader
	failure string // of the last reading, so that it is logged once
}

type deniedKey struct{ issuer, serial string }

// deniedLines are the lines of a deny list file.
type deniedLines struct {
	serials    map[string]bool // hexadecimal, without leading zeros
	identities map[string]bool // URNs
}

func keyOfDenied(issuerKeyID []byte, serial *big.Int) deniedKey {
	return deniedKey{string(issuerKeyID), string(serial.Bytes())}
}

// Deny puts a certificate on the local deny list, until Allow releases it, a good CRL has it, or it has ended. With
// Config.Denials it stays there across restarts. Live peers must be rechecked (Changed). An entry without issuer or
// serial is ignored.
func (t *denyList) Deny(d Denied) {
	if t.DenyAgain(d) {
		t.log.Warn("certificate denied", "reason", pki.Revoked, "serial", describe.Cut(d.Serial.Text(16), 42), "why",
			crl.ReasonWord(d.Reason))
	}
}

// DenyAgain is Deny for what is no news, such as what the PKI reads in its own books at each start: it is not logged.
// It reports whether the list did not have it.
func (t *denyList) DenyAgain(d Denied) bool {
	if len(d.IssuerKeyID) == 0 || d.Serial == nil || !t.add(d) {
		return false
	}
	t.tellDenial()
	return true
}

// add returns false when the list has the entry already: the PKI sends entries again after a gap. A hold may become
// final.
func (l *denyList) add(d Denied) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := keyOfDenied(d.IssuerKeyID, d.Serial)
	if known, on := l.pushed[key]; on && (known.Reason == d.Reason || known.Reason != crl.ReasonHold) {
		return false
	}
	if l.pushed == nil {
		l.pushed = map[deniedKey]Denied{}
	}
	l.pushed[key] = d
	l.altered()
	l.announceDenial()
	return true
}

// Allow removes a certificate from the list, and forgets the OCSP answers by which it is on hold. Only certificateHold
// can be lifted: Allow returns false, and does nothing, for a certificate that was denied for another reason. A CRL
// that still has the certificate keeps it out until the next CRL.
func (t *Store) Allow(issuerKeyID []byte, serial *big.Int) bool {
	if !t.AllowAgain(issuerKeyID, serial) {
		return false
	}
	t.log.Info("certificate released from hold", "serial", describe.Cut(serial.Text(16), 42))
	return true
}

// AllowAgain is Allow for what is no news, as DenyAgain is Deny: it is not logged.
func (t *Store) AllowAgain(issuerKeyID []byte, serial *big.Int) bool {
	if !t.lift(keyOfDenied(issuerKeyID, serial)) {
		return false
	}
	t.answers.release(issuerKeyID, certutil.TrimZeros(serial.Bytes()))
	t.tellDenial()
	return true
}

// lift returns false when the certificate is denied for another reason than a hold.
func (l *denyList) lift(key deniedKey) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	d, on := l.pushed[key]
	if on && d.Reason != crl.ReasonHold {
		return false
	}
	if on {
		delete(l.pushed, key)
		l.altered()
	}
	return true
}

// denied refuses a certificate that is on the deny list.
func (t *denyList) denied(q Question) *pki.Refusal {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if d, on := t.pushed[keyOfDenied(q.Issuer.SubjectKeyId, q.Cert.SerialNumber)]; on {
		return q.revoked("revoked at %s (%s), says the PKI", stamp.Instant(d.At), crl.ReasonWord(d.Reason))
	}
	if t.file.has(q.Cert) {
		return &pki.Refusal{Reason: pki.OnDenyList, Detail: fmt.Sprintf("it is on the deny list %s", t.cfg.DenyList)}
	}
	return nil
}

func (l deniedLines) has(cert *x509.Certificate) bool {
	if l.serials[cert.SerialNumber.Text(16)] {
		return true
	}
	if len(l.identities) == 0 {
		return false
	}
	id, err := pki.IdentityOf(cert)
	return err == nil && l.identities[id.String()]
}

// parseDenyList reads one serial (hexadecimal, colons allowed) or identity URN from each line; # begins a comment.
func parseDenyList(data []byte) (deniedLines, error) {
	l := deniedLines{serials: map[string]bool{}, identities: map[string]bool{}}
	if bytes.HasPrefix(data, []byte("\ufeff")) {
		return l, errors.New("line 1: it begins with a byte order mark (EF BB BF): save the file as UTF-8 without one")
	}
	lines := bufio.NewScanner(bytes.NewReader(data))
	for n := 1; lines.Scan(); n++ {
		text, _, _ := strings.Cut(lines.Text(), "#")
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		if err := l.add(text); err != nil {
			return l, fmt.Errorf("line %d: %w", n, err)
		}
	}
	return l, lines.Err()
}

func (l deniedLines) add(text string) error {
	if strings.HasPrefix(text, "urn:") {
		id, err := pki.ParseIdentity(text)
		l.identities[id.String()] = true
		return err
	}
	digits := strings.ReplaceAll(text, ":", "")
	serial, ok := new(big.Int).SetString(digits, 16)
	if !ok || serial.Sign() <= 0 || strings.ContainsAny(digits, "+_xX") {
		return fmt.Errorf("%s is neither a serial number in hexadecimal nor an identity urn:tlagate:…",
			describe.Name(text))
	}
	l.serials[serial.Text(16)] = true
	return nil
}

// openDenyList reads the file at the start: if it is configured and cannot be read, that is an error.
func (t *denyList) openDenyList() error {
	if t.cfg.DenyList == "" {
		return nil
	}
	t.reader = fileReader{file: t.cfg.DenyList, cfg: t.cfg}
	if err := t.takeDenyList(true); err != nil {
		return fmt.Errorf("cannot use the deny list %s: %w", t.cfg.DenyList, err)
	}
	return nil
}

// readDenyList reads the file again when it has changed. If it is broken, what was read before stays in force.
func (t *denyList) readDenyList(force bool) {
	if t.cfg.DenyList == "" {
		return
	}
	t.reading.Lock()
	defer t.reading.Unlock()
	err := t.takeDenyList(force)
	if err != nil && err.Error() != t.failure {
		t.log.Error("cannot read the deny list, the one before it stays in force", "file", t.cfg.DenyList, "error", err)
	}
	t.failure = fmt.Sprint(err)
}

// takeDenyList reads the file and puts it in force. It is called with t.reading locked, or before t is shared.
func (t *denyList) takeDenyList(force bool) error {
	ctx, cancel := t.within(t.cfg.FetchTimeout)
	defer cancel()
	data, err := t.reader.read(ctx, asking{force: force})
	if data == nil || err != nil {
		return err
	}
	lines, err := parseDenyList(data)
	if err != nil {
		return err
	}
	t.mu.Lock()
	changed := !maps.Equal(lines.serials, t.file.serials) || !maps.Equal(lines.identities, t.file.identities)
	t.file = lines
	t.mu.Unlock()
	if changed {
		t.log.Info("deny list loaded", "file", t.cfg.DenyList, "serials", len(lines.serials),
			"identities", len(lines.identities))
		t.TellChanged()
	}
	return nil
}
