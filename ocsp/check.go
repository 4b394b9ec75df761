package ocsp

import (
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"os"

	"tlagate/internal/stamp"
)

// Finding is one thing that Check looked at.
type Finding struct {
	Name   string // configuration, issuer, certificate, status, database
	Detail string // what was found; "" when Err says it all
	Err    error  // why answers are impossible; nil = good
}

// Check looks at everything that Open needs, and goes on when something is wrong.
func Check(cfg Config) []Finding {
	cfg = cfg.withDefaults()
	var found []Finding
	for _, fault := range cfg.faults() {
		found = append(found, Finding{Name: "configuration", Err: fault})
	}
	if err := cfg.checkIssuer(); err != nil {
		return append(found, Finding{Name: "issuer", Err: err}, checkFile(cfg.Database))
	}
	found = append(found, Finding{Name: "issuer", Detail: fmt.Sprintf("%q, until %s", cfg.Issuer.Subject.CommonName,
		stamp.Second(cfg.Issuer.NotAfter))})
	s, finding := checkCertificate(cfg)
	found = append(found, finding)
	b := newBooks(cfg.Database, cfg.Issuer)
	defer b.shut()
	finding = checkBooks(b)
	if finding.Err == nil {
		found = append(found, checkCA(b, cfg.Issuer)...)
	}
	if finding.Err == nil && s != nil {
		found = append(found, checkOwn(b, s))
	}
	return append(found, finding)
}

// checkCA returns a finding when the books say that the CA itself is revoked. Serve answers all the same: it is a list
// of the root that makes relying parties refuse.
func checkCA(b *books, ca *x509.Certificate) []Finding {
	own, err := b.lookupOf(ca.SerialNumber, hex.EncodeToString(ca.AuthorityKeyId))
	if err == nil && own.kind == revoked {
		err = errors.New("it is revoked, so nobody accepts an answer: make a new CA (docs/ca.md, section 5)")
	}
	if err != nil {
		return []Finding{{Name: "issuer", Err: err}}
	}
	return nil
}

// checkCertificate returns nil for a signer that cannot be made.
func checkCertificate(cfg Config) (*signer, Finding) {
	f := Finding{Name: "certificate"}
	var s *signer
	if s, f.Err = newSigner(cfg.Issuer, cfg.Certificate, cfg.Clock()); f.Err != nil {
		return nil, f
	}
	f.Detail = fmt.Sprintf("%x of %s, until %s, OCSPSigning, nocheck", s.cert.SerialNumber, s.cert.Subject.CommonName,
		stamp.Second(s.cert.NotAfter))
	if left := s.cert.NotAfter.Sub(cfg.Clock()); left < endNear {
		f.Detail += ": it ends soon, issue a new one"
	}
	f.Err = s.checkDates(cfg.Clock())
	return s, f
}

func checkBooks(b *books) Finding {
	f := Finding{Name: "database"}
	if _, _, f.Err = b.look(); f.Err != nil {
		return f
	}
	var n int
	n, f.Err = b.issued()
	f.Detail = fmt.Sprintf("%s, read-only, %d certificates of the issuer", b.file, n)
	return f
}

// checkFile checks what can be said of books while their issuer is not known.
func checkFile(file string) Finding {
	f, err := os.Open(file)
	if err != nil {
		return Finding{Name: "database", Err: fmt.Errorf("cannot read the CA's database: %w", err)}
	}
	f.Close()
	return Finding{Name: "database", Detail: file + " is there"}
}

func checkOwn(b *books, s *signer) Finding {
	f := Finding{Name: "status", Detail: "the certificate is in the database, and good"}
	own, err := b.lookup(s.cert.SerialNumber)
	if f.Err = err; err == nil {
		f.Err = s.mayStay(own)
	}
	return f
}
