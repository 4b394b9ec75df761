package revocation

import (
	"cmp"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/http"
	"time"
)

// Config says where revocation data comes from and where it is kept.
type Config struct {
	CRLs         []string      // files (PEM or DER), or http:// / https:// URLs. CRLs and ARLs alike.
	OCSP         OCSPConfig    // which responders are asked; zero = none
	Fetch        time.Duration // how often URLs are asked; sooner when a CRL ends sooner; 0 = 5 min
	FetchTimeout time.Duration // limit of one fetch; 0 = 10 s
	MaxCRL       int64         // bytes, of one file or URL; 0 = 128 MiB, which is a million entries as PEM and more
	HTTP         *http.Client  // for URLs; nil = one of its own, with the system's proxy settings and roots

	// DenyList is a file of serials (hexadecimal) and identities, one a line, that are refused whatever the PKI says.
	// "" = none.
	DenyList string

	// What is kept over a restart. "" = in memory only.
	ARL     string // file of the ARLs that status records bring, read at the start
	State   string // file of the highest CRLNumber seen of each issuer
	Denials string // file of what Deny was told, written while Run runs
	Answers string // file of OCSP answers, written while Run runs

	// WarnAhead is how long before revocation data ends unrenewed the log says so.
	// 0 = 1/16 of its life, at most 7 days.
	WarnAhead time.Duration

	// RFC5280 has lists judged by RFC 5280 alone: deltas revoke, and distribution points may have directory names.
	RFC5280 bool

	Clock func() time.Time // nil = time.Now
	Poll  time.Duration    // how often files are looked at for change; 0 = 1 s
	Log   *slog.Logger     // nil = discard
	Stop  <-chan struct{}  // closed when the program is to end: then Reload and Status wait for nobody; nil = never

	// Anchors returns the anchors of this moment: the ARL of a status record must be of one of them. Nil = none.
	Anchors func() []*x509.Certificate

	// Issuers returns the configured CAs that may have issued a certificate of our own, for its staple. Nil = none.
	Issuers func(cert *x509.Certificate) []*x509.Certificate
}

func (c Config) withDefaults() Config {
	c.Poll = cmp.Or(c.Poll, time.Second)
	c.Fetch = cmp.Or(c.Fetch, 5*time.Minute)
	c.FetchTimeout = cmp.Or(c.FetchTimeout, 10*time.Second)
	c.MaxCRL = cmp.Or(c.MaxCRL, 128<<20)
	c.OCSP = c.OCSP.withDefaults()
	c.Log = cmp.Or(c.Log, slog.New(slog.DiscardHandler))
	c.HTTP = cmp.Or(c.HTTP, &http.Client{CheckRedirect: fewRedirects})
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Anchors == nil {
		c.Anchors = func() []*x509.Certificate { return nil }
	}
	if c.Issuers == nil {
		c.Issuers = func(*x509.Certificate) []*x509.Certificate { return nil }
	}
	return c
}

// check names what can never be asked or fetched.
func (c Config) check() error { return errors.Join(c.OCSP.check(), checkSources(c.CRLs)) }
