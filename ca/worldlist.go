package ca

import (
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"os"
	"time"

	"github.com/jmoiron/sqlx"

	"tlagate/pemfile"
	"tlagate/pki/crl"
)

// worldList is a list that somebody may have believed.
type worldList struct {
	List
	source  string
	given   bool // by the operator; else from public/
	issuer  *x509.Certificate
	isARL   bool
	entries []x509.RevocationListEntry
}

// readLists reads the lists given, and those that came with the books: of a list that was signed just after the
// books were copied they know nothing.
func (c *CA) readLists(given []Published) (lists []*worldList, err error) {
	for _, p := range given {
		l, err := c.readList(p)
		if err != nil {
			return nil, fmt.Errorf("cannot use the published list %s: %w", p.Source, err)
		}
		l.given = true
		lists = append(lists, l)
	}
	for _, name := range []string{"crl.der", "arl.der"} {
		der, err := os.ReadFile(c.Public(name))
		if err != nil {
			return nil, fmt.Errorf("cannot read a list of the CA: %w", err)
		}
		l, err := c.readList(Published{c.Public(name), der})
		if err != nil {
			return nil, fmt.Errorf("cannot use the list %s: %w", c.Public(name), err)
		}
		lists = append(lists, l)
	}
	return lists, nil
}

func (c *CA) readList(p Published) (*worldList, error) {
	der, err := pemfile.One(p.Data, pemfile.CRL)
	if err != nil {
		return nil, err
	}
	checked, err := crl.Read(der)
	if err != nil {
		return nil, err
	}
	issuer := c.Issuing
	if checked.CheckSignature(c.Root) == nil {
		issuer = c.Root
	} else if err := checked.CheckSignature(c.Issuing); err != nil {
		return nil, fmt.Errorf("it is not of this CA: %w", err)
	}
	number := checked.Number()
	if !number.IsInt64() || number.Int64() > math.MaxInt64-2*leapNumber {
		return nil, fmt.Errorf("its number %s is too high", number)
	}
	if checked.ThisUpdate().After(c.now().Add(clockAhead)) {
		return nil, fmt.Errorf("it is of %s, and it is %s here: set the clock", checked.ThisUpdate().Format(time.RFC3339), c.now().Format(time.RFC3339))
	}
	parsed, err := x509.ParseRevocationList(der)
	if err != nil {
		return nil, err
	}
	return &worldList{
		List:   List{Number: number.Int64(), ThisUpdate: checked.ThisUpdate(), NextUpdate: checked.NextUpdate(), Entries: checked.Len(), DER: der},
		source: p.Source, issuer: issuer, isARL: issuer == c.Root, entries: parsed.RevokedCertificateEntries,
	}, nil
}

// clockAhead is how far ahead of our clock a list may begin.
const clockAhead = 5 * time.Minute

// revokeAll revokes what is on the list. What is revoked already stays as it is; a hold may become final.
func (l *worldList) revokeAll(tx *sqlx.Tx, caught *Caught) error {
	look, err := tx.Prepare(`SELECT status, reason FROM certificates WHERE serial_number = ? AND authority_key_identifier = ?`)
	if err != nil {
		return err
	}
	defer look.Close()
	for _, entry := range l.entries {
		if err := l.catchUp(tx, look, entry, caught); err != nil {
			return err
		}
	}
	return nil
}

func (l *worldList) catchUp(tx *sqlx.Tx, look *sql.Stmt, e x509.RevocationListEntry, caught *Caught) error {
	var status Status
	var was int
	err := look.QueryRow(e.SerialNumber.String(), keyID(l.issuer)).Scan(&status, &was)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		caught.Lost++
		return errors.Join(l.record(tx, e), l.revoke(tx, e))
	case err != nil:
		return err
	case status == Revoked && (Reason(was) != Hold || Reason(e.ReasonCode) == Hold):
		return nil
	}
	caught.Revoked++
	return l.revoke(tx, e)
}

func (l *worldList) revoke(tx *sqlx.Tx, e x509.RevocationListEntry) error {
	reason := Reason(e.ReasonCode)
	if reason.String() == "" {
		reason = 0
	}
	_, err := tx.Exec(`UPDATE certificates SET status = ?, reason = ?, revoked_at = ? WHERE serial_number = ? AND authority_key_identifier = ?`,
		Revoked, int(reason), e.RevocationTime.UTC(), e.SerialNumber.String(), keyID(l.issuer))
	return err
}

// record enters a serial number that the books have lost, as an intent, so that revoking it makes an event. When its certificate
// ends is not known: no later than its issuer.
func (l *worldList) record(tx *sqlx.Tx, e x509.RevocationListEntry) error {
	profile := profileLost
	if l.isARL {
		profile = profileIssuing // the root signs nothing else
	}
	_, err := tx.Exec(`INSERT INTO certificates (serial_number, authority_key_identifier, ca_label, status, reason, expiry, revoked_at,
			pem, issued_at, not_before, metadata, sans, common_name) VALUES (?, ?, '', ?, 0, ?, ?, '', ?, ?, json_object('profile', ?, 'identity', ?, 'key', ''), '[]', ?)`,
		e.SerialNumber.String(), keyID(l.issuer), Intent, l.issuer.NotAfter.UTC(), time.Time{},
		l.issuer.NotBefore.UTC(), l.issuer.NotBefore.UTC(), profile, profileLost, profileLost)
	return err
}

// profileLost is the profile, and the identity, of a certificate of which the books have the serial number alone.
const profileLost = "lost"

// leap records a number well above the list's, as that of a list made when this one was: the next is numbered after it.
func (l *worldList) leap(tx *sqlx.Tx) error {
	_, err := tx.Exec(`INSERT INTO crls (authority_key_identifier, number, this_update, next_update)
		SELECT ?, max(?, coalesce(max(number), 0)) + ?, ?, ? FROM crls WHERE authority_key_identifier = ?`,
		keyID(l.issuer), l.Number, int64(leapNumber), l.ThisUpdate.UTC(), l.NextUpdate.UTC(), keyID(l.issuer))
	return err
}
