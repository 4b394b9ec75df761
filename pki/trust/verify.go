package trust

import (
	"crypto/x509"
	"fmt"
	"time"

	"tlagate/pki"
	"tlagate/pki/internal/certutil"
	"tlagate/pki/internal/describe"
	"tlagate/pki/rfc5280"
)

// Want describes the peer that we expect at the other end.
type Want struct {
	Usage    x509.ExtKeyUsage   // ClientAuth or ServerAuth: exactly this one EKU
	Roles    []pki.Role         // acceptable roles; empty = any role
	Identity pki.Identity       // not zero: exactly this component (wrong_peer otherwise)
	Practice string             // not "": that practice (wrong_practice otherwise)
	DNSName  string             // not "": must be in the DNS SANs (name_mismatch otherwise)
	SNI      string             // of a client: the name that is sent to the server; "" = DNSName. It proves nothing
	Dialled  string             // of a client: host:port, for Party.Hybrids; "" = nothing is remembered
	Policy   rfc5280.PolicyWant // certificate policies; zero = as the certificates say
}

// Check is one step of a verification.
type Check struct {
	Name    string // stable word: "path", "algorithms", "signatures", "dates" …
	Subject string // which certificate or CRL, when it is about one
	Detail  string // what was found
	Err     error  // nil = passed; else a *Refusal
}

// Verdict is the outcome of a verification, with each check in order (for `tla-pki verify`).
type Verdict struct {
	Identity   pki.Identity
	Path       []*x509.Certificate // leaf first, anchor last
	Checks     []Check
	Revocation []pki.Revocation // one for each certificate below the anchor, leaf first
	NotAfter   time.Time        // earliest end in the path

	person *Person // of the profile Persons
}

// Verify judges a chain, leaf first, as a peer presented it. The error is a *Refusal; the Verdict is never nil and has
// the checks that were made, for people. Only a nil error means that the chain is accepted.
//
// When OCSP responders are configured and no answer is at hand, it asks them and waits, at most OCSPConfig.Timeout for
// each certificate.
func (t *Trust) Verify(chain []*x509.Certificate, want Want) (*Verdict, error) {
	return t.verify(chain, want, circumstances{online: true})
}

// VerifyKnown is Verify with the data at hand: it asks no responder and never waits, so it is fit for checking
// thousands of live peers. What it lacks is fetched in the background (Run).
func (t *Trust) VerifyKnown(chain []*x509.Certificate, want Want) (*Verdict, error) {
	return t.verify(chain, want, circumstances{})
}

// VerifyIssued judges a certificate that a CA has just issued to us: everything but revocation, about which no data can
// be at hand yet.
func (t *Trust) VerifyIssued(chain []*x509.Certificate, want Want) (*Verdict, error) {
	return t.verify(chain, want, circumstances{issued: true})
}

// circumstances are those of a verification.
type circumstances struct {
	standing  string // put before the identity in texts: "claimed "
	online    bool   // OCSP responders may be asked
	handshake bool   // the peer could have stapled an answer
	issued    bool   // the leaf was issued to us just now: revocation is not checked
	staple    []byte // what the peer stapled for its leaf
	kept      *kept  // when what the chain signed was accepted before; nil = it was not
	person    bool   // it is about a person's certificate
}

// Recheck verifies a proven peer again with the present data and time. The error is a *Refusal when the peer would no
// longer be accepted: revoked, expired, CRL stale … Like VerifyKnown it never waits for the network.
func (t *Trust) Recheck(p *Peer) error {
	_, err := t.VerifyKnown(p.Chain, *p.want)
	return err
}

// verify judges each path until one is good; if none is, it returns the verdict on the path that passed the most
// checks.
func (t *Trust) verify(chain []*x509.Certificate, want Want, how circumstances) (*Verdict, error) {
	if refusal := t.apart(chain, how); refusal != nil {
		return &Verdict{Checks: []Check{{Name: "profile", Subject: refusal.Subject, Detail: refusal.Detail,
			Err: refusal}}}, refusal
	}
	r := t.roots.Load()
	paths, refusal := r.findPaths(chain, how)
	if refusal != nil {
		refusal = r.suspect(refusal, chain, want.DNSName)
		return &Verdict{Checks: []Check{{Name: "path", Subject: refusal.Subject, Detail: refusal.Detail,
			Err: refusal}}}, refusal
	}
	best, bestAt := (*verification)(nil), -1
	for _, p := range paths {
		v := &verification{t: t, path: p, want: want, circumstances: how, now: how.kept.moment(t)}
		at := v.run()
		if v.refusal == nil {
			return v.outcome(), nil
		}
		if at > bestAt {
			best, bestAt = v, at
		}
	}
	return best.outcome(), best.refusal
}

// outcome returns a copy of the verdict, which somebody may keep for hours without all that led to it.
func (v *verification) outcome() *Verdict {
	verdict := v.verdict
	return &verdict
}

func (r *roots) findPaths(chain []*x509.Certificate, how circumstances) ([]path, *pki.Refusal) {
	if len(chain) == 0 {
		return nil, &pki.Refusal{Reason: pki.NoCertificate, Detail: "the peer showed no certificate"}
	}
	leaf := chain[0]
	refuse := func(reason pki.Reason, format string, args ...any) ([]path, *pki.Refusal) {
		refusal := &pki.Refusal{Reason: reason, Subject: nameOfLeaf(leaf, how), Detail: fmt.Sprintf(format, args...)}
		if !how.person {
			refusal.Claimed, _ = pki.IdentityOf(leaf)
			refusal.Serial = leaf.SerialNumber
		}
		return nil, refusal
	}
	limits := r.profile.limits()
	if len(chain) > limits.presented {
		return refuse(pki.BadCertificate, "the peer sent %d certificates, want at most %d", len(chain),
			limits.presented)
	}
	b := &pathBuilder{limits: limits, loosely: r.profile == RFC5280, anchors: r.anchors, pool: r.poolWith(chain[1:])}
	b.extend([]*x509.Certificate{leaf})
	last := b.longest[len(b.longest)-1]
	switch {
	case len(b.paths) > 0:
		return b.paths, nil
	case certutil.SelfIssued(leaf):
		return refuse(pki.SelfSigned, "it vouches for itself; a certificate of a CA that is an anchor here is wanted")
	case certutil.SelfIssued(last):
		return refuse(pki.UnknownIssuer, "its chain ends at %s, which is no anchor here",
			describe.Name(last.Subject.String()))
	}
	return refuse(pki.UnknownIssuer, "the issuer %s is neither an anchor here nor in the chain it sent",
		describe.Name(last.Issuer.String()))
}

// poolWith returns the CAs that may be between leaf and anchor.
func (r *roots) poolWith(presented []*x509.Certificate) []*x509.Certificate {
	pool := make([]*x509.Certificate, 0, len(presented)+len(r.intermediates))
	for _, c := range append(append(pool, presented...), r.intermediates...) {
		if !certutil.Contains(pool, c) {
			pool = append(pool, c)
		}
	}
	return pool
}

// moment returns the time to judge at. RFC 5280 knows whole seconds: the second of notAfter is the last good one.
func (t *Trust) moment() time.Time {
	if t.cfg.Profile == RFC5280 {
		return t.now().Truncate(time.Second)
	}
	return t.now()
}
