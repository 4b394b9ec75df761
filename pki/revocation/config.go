package revocation

import (
	"cmp"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"tlagate/pki"
)

// Config says where revocation data comes from and where it is kept.
type Config struct {
	CRLs         []string      // files (PEM or DER), or http:// / https:// URLs, of CRLs and ARLs alike
	OCSP         OCSPConfig    // which responders are asked; zero = none
	Fetch        time.Duration // how often URLs are asked; sooner when a CRL ends sooner; 0 = 5 min
	FetchTimeout time.Duration // limit of one fetch; 0 = 10 s
	MaxCRL       int64         // bytes of one file or URL; 0 = 128 MiB, enough for more than a million entries as PEM
	HTTP         *http.Client  // for URLs; nil = NewClient(Crypto)
	Crypto       pki.Crypto    // what fetching an https:// URL takes of TLS

	// DenyList is a file of serials (hexadecimal) and identities, one a line, that are refused whatever the PKI says.
	// "" = none.
	DenyList string

	// Files of what is kept across restarts. "" = in memory only.
	ARL     string // the ARLs that status records bring, read at the start
	State   string // the highest CRLNumber seen of each issuer
	Denials string // the certificates that Deny denied, written while Run runs
	Answers string // OCSP answers, written while Run runs

	// WarnAhead is how long before their end the log warns of revocation data that have not been renewed.
	// 0 = 1/16 of their life, at most 7 days.
	WarnAhead time.Duration

	// RFC5280 judges lists by RFC 5280 alone: deltas revoke, and distribution points may have directory names.
	RFC5280 bool

	// Persons says that the certificates are of persons: no text has their serial numbers, which a public directory may
	// give a name to.
	Persons bool

	Clock func() time.Time // nil = time.Now
	Poll  time.Duration    // how often files are examined for changes; 0 = 1 s
	Log   *slog.Logger     // nil = discard
	Stop  <-chan struct{}  // closed when the program is to end: then Reload and Status stop waiting; nil = never

	// Anchors returns the present anchors: the ARL of a status record must be from one of them. nil = none.
	Anchors func() []*x509.Certificate

	// Issuers returns the configured CAs that may have issued a certificate of our own, for its staple. nil = none.
	Issuers func(cert *x509.Certificate) []*x509.Certificate
}

func (c Config) withDefaults() Config {
	c.Poll = cmp.Or(c.Poll, time.Second)
	c.Fetch = cmp.Or(c.Fetch, 5*time.Minute)
	c.FetchTimeout = cmp.Or(c.FetchTimeout, 10*time.Second)
	c.MaxCRL = cmp.Or(c.MaxCRL, 128<<20)
	c.OCSP = c.OCSP.withDefaults()
	c.Log = cmp.Or(c.Log, slog.New(slog.DiscardHandler))
	c.HTTP = cmp.Or(c.HTTP, NewClient(c.Crypto))
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

// check returns an error that names the URLs that can never be asked or fetched.
func (c Config) check() error { return errors.Join(c.OCSP.check(), checkSources(c.CRLs)) }
