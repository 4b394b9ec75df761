package ca

import (
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"time"

	"tlagate/audit"
	"tlagate/ca/store"
)

// AuditFile is the trace of the CA in dir (annex codes G2, SA2). Whatever program changes the books, it is written
// there.
func AuditFile(dir string) string { return filepath.Join(dir, "audit.jsonl") }

// trail records what is done with the CA, and which account did it.
type trail struct {
	file    string
	by      string
	officer bool // by is an officer's identity: the account is that of the server that acts for them
	clock   func() time.Time
}

func (t *trail) record(kind audit.Kind, attrs ...audit.Attr) error {
	log, err := audit.Open(audit.Config{File: t.file, By: t.by, Clock: t.clock})
	if err != nil {
		return err
	}
	if !t.officer {
		attrs = append(attrs, audit.User(account()))
	}
	return log.Record(kind, attrs...)
}

// account is the account that runs this program; behind sudo, the caller's too.
func account() string {
	who := accountName(os.Getuid())
	if caller, err := strconv.Atoi(os.Getenv("SUDO_UID")); err == nil {
		who += ", sudo by " + accountName(caller)
	}
	return who
}

// accountName is the name of an account; "uid 12347" of one that has none.
func accountName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return "uid " + strconv.Itoa(uid)
}

// created records a new CA: its two keys, and its certificates.
func (t *trail) created(authorities ...*issuer) error {
	for _, i := range authorities {
		key := audit.Fingerprint(i.cert.RawSubjectPublicKeyInfo)
		err := t.record(audit.KeyCreated, audit.Use(i.use), audit.Store("file"), key)
		if err == nil {
			err = t.record(audit.CACreated, append(audit.Certificate(i.cert), audit.Use(i.use))...)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// order records what is about to be signed.
func (t *trail) order(o *order) error {
	return t.record(audit.CertificateIssued, audit.Serial(o.serial), audit.Identity(o.identity.String()),
		audit.Profile(o.profile.Name), audit.Until(o.notAfter))
}

// certificate records a revocation or release.
func (t *trail) certificate(kind audit.Kind, r store.Record, why string) error {
	return t.record(kind, audit.SerialText(r.Serial), audit.Identity(r.Identity), audit.Profile(r.Profile),
		audit.Reason(why))
}

// arl records a list of the root's.
func (t *trail) arl(list *List) error {
	return t.record(audit.ARLPublished, audit.Number(list.Number), audit.Count(list.Entries),
		audit.Until(list.NextUpdate))
}

// keyFailed records that a key of the CA cannot be used.
func (t *trail) keyFailed(use string) error {
	return t.record(audit.KeyFailed, audit.Use(use),
		audit.Reason("it cannot be loaded, or is not the certificate's"))
}
