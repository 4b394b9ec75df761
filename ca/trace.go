package ca

import (
	"crypto/x509"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"tlagate/audit"
)

// AuditFile is the trace of the CA in dir (annex codes G2, SA2). Whatever program changes the books, it is written there.
func AuditFile(dir string) string { return filepath.Join(dir, "audit.jsonl") }

// trace records an event of the CA, and which account did it.
func (c *CA) trace(kind audit.Kind, attrs ...audit.Attr) error {
	log, err := audit.Open(audit.Config{File: AuditFile(c.dir), By: or(c.by, "tla-pki"), Clock: c.clock})
	if err != nil {
		return err
	}
	return log.Record(kind, append(attrs, audit.User(account()))...)
}

// account is who runs this program; behind sudo, who called it too.
func account() string {
	who := "uid " + strconv.Itoa(os.Getuid())
	if caller, err := strconv.Atoi(os.Getenv("SUDO_UID")); err == nil {
		who += ", sudo by uid " + strconv.Itoa(caller)
	}
	return who
}

// traceCreated records a new CA: its two keys, and its certificates.
func (c *CA) traceCreated() error {
	for use, cert := range map[string]*x509.Certificate{"root": c.Root, "issuing": c.Issuing} {
		err := c.trace(audit.KeyCreated, audit.Use(use), audit.Store("file"), audit.Fingerprint(cert.RawSubjectPublicKeyInfo))
		if err == nil {
			err = c.trace(audit.CACreated, append(audit.Certificate(cert), audit.Use(use))...)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// traceOrder records what is about to be signed.
func (c *CA) traceOrder(o *order) error {
	return c.trace(audit.CertificateIssued, audit.Serial(o.serial), audit.Identity(o.identity.String()), audit.Profile(o.profile.Name), audit.Until(o.notAfter))
}

// traceRecord records a revocation or release.
func (c *CA) traceRecord(kind audit.Kind, r Record, why string) error {
	return c.trace(kind, audit.SerialText(r.Serial), audit.Identity(r.Identity), audit.Profile(r.Profile), audit.Reason(why))
}

// traceARL records a list of the root's.
func (c *CA) traceARL(list *List) error {
	return c.trace(audit.ARLPublished, audit.Number(list.Number), audit.Count(list.Entries), audit.Until(list.NextUpdate))
}

// keyFailed records that a key of the CA cannot be used. A root's key that is kept elsewhere is no failure.
func (c *CA) keyFailed(use string, err error) error {
	if err == nil || use == "root" && errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return errors.Join(err, c.trace(audit.KeyFailed, audit.Use(use), audit.Reason("it cannot be loaded, or is not the certificate's")))
}
