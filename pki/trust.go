package pki

import (
	"context"
	"crypto/x509"
	"log/slog"
	"net/http"
	"time"
)

// Anchor is a root (or explicitly trusted CA) and what it vouches for.
type Anchor struct {
	Cert      *x509.Certificate
	Practices []string // practices it vouches for; "*" = all; empty = none
}

// AnchorFile names the PEM file of one or more anchors and the practices they vouch for.
type AnchorFile struct {
	File      string
	Practices []string // as in Anchor
}

// TrustConfig names the files and URLs of a trust store.
type TrustConfig struct {
	Anchors       []AnchorFile     // at least one
	Intermediates []string         // PEM files of issuing CAs, optional (peers send theirs)
	CRLs          []string         // files (PEM or DER), or http:// / https:// URLs. CRLs and ARLs alike.
	State         string           // file that keeps the highest CRLNumber seen of each issuer; "" = memory only
	Production    bool             // refuse CAs whose name begins with TEST
	Clock         func() time.Time // nil = time.Now
	Poll          time.Duration    // how often files are looked at for change; 0 = 1 s
	Fetch         time.Duration    // how often URLs are asked at most rarely; 0 = 5 min
	FetchTimeout  time.Duration    // limit of one fetch; 0 = 10 s
	MaxCRL        int64            // bytes, largest CRL read from a file or URL; 0 = 64 MiB
	HTTP          *http.Client     // for URLs; nil = a client of its own
	Log           *slog.Logger     // nil = discard
}

// Trust is a trust store: anchors, intermediates and revocation data. It is safe for use by many goroutines.
type Trust struct{ cfg TrustConfig }

// OpenTrust loads anchors, intermediates and CRLs. An unreadable anchor is an error; an unreadable or missing CRL
// is logged and means that what needs it is refused (crl_missing, crl_bad …).
func OpenTrust(cfg TrustConfig) (*Trust, error) { return nil, notYet() }

// Run re-reads changed files and fetches URLs before they go stale; it blocks until ctx ends.
func (t *Trust) Run(ctx context.Context) error { return notYet() }

// Reload looks at every CRL file and URL now.
func (t *Trust) Reload() {}

// Changed gives a channel that is closed at the next change of revocation data, a CRL going stale included;
// call again for the next.
func (t *Trust) Changed() <-chan struct{} { return nil }

// Anchors gives the anchors of the store.
func (t *Trust) Anchors() []Anchor { return nil }

func notYet() error { return &Refusal{Reason: HandshakeFailed, Detail: "not implemented"} }
