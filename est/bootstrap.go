package est

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"slices"
	"time"

	"tlagate/pki"
	"tlagate/pki/trust"
)

// Bootstrap configures how a device that trusts nobody yet finds the anchor that its code names.
type Bootstrap struct {
	Place      Place
	Practices  []string         // for which the anchor is to vouch; nil = all
	Production bool             // refuse CAs whose name begins with TEST
	Dial       Dial             // nil = net.Dialer's
	Hybrids    *trust.Hybrids   // where hellos go without post-quantum groups; nil = nowhere
	Crypto     pki.Crypto       // what links take
	Clock      func() time.Time // nil = time.Now
	Log        *slog.Logger     // nil = discard
}

// Anchor is what a code led to.
type Anchor struct {
	Root  *x509.Certificate // the code names it
	ARL   []byte            // DER; it was issued by Root, and is in date
	Trust *trust.Trust      // made of the two, in memory
}

// Find fetches CA certificates and ARL from a server that proves nothing and learns nothing, and returns of these what
// code names (docs/enrolment.md, section 2). The error is ErrAnchor, *Unreachable, *BadAnswer, *Problem, *pki.Refusal
// or *pki.Rejected.
func (b Bootstrap) Find(ctx context.Context, code Code) (*Anchor, error) {
	var certs []*x509.Certificate
	var arl []byte
	err := b.Hybrids.Retry(b.Place.dialled(), func() (err error) {
		certs, arl, err = b.fetch(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(certs, func(c *x509.Certificate) bool { return code.Names(c) && isRoot(c) })
	if i < 0 {
		return nil, ErrAnchor
	}
	found := &Anchor{Root: certs[i], ARL: arl}
	found.Trust, err = trust.Open(trust.Config{
		Known:      []trust.Anchor{{Cert: found.Root, Practices: b.practices()}},
		Production: b.Production, Crypto: b.Crypto, Clock: b.Clock, Log: b.Log})
	if err != nil {
		return nil, err
	}
	return found, found.Trust.AddARL(arl)
}

func (b Bootstrap) practices() []string {
	if b.Practices == nil {
		return []string{"*"}
	}
	return b.Practices
}

func isRoot(c *x509.Certificate) bool {
	return c.IsCA && string(c.RawIssuer) == string(c.RawSubject) && c.CheckSignatureFrom(c) == nil
}

func (b Bootstrap) fetch(ctx context.Context) (certs []*x509.Certificate, arl []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	conn, err := b.Place.dial(ctx, b.Dial)
	if err != nil {
		return nil, nil, err
	}
	nobody := &trust.Party{Hybrids: b.Hybrids, Crypto: b.Crypto}
	over, err := nobody.Unproven(ctx, conn, trust.ALPNOuter, trust.Want{SNI: b.Place.sni(), Dialled: b.Place.dialled()})
	if err != nil {
		return nil, nil, err
	}
	x := newExchange(ctx, over, b.Place, nobody.Explain)
	defer x.close()
	if certs, err = x.cacerts(); err != nil {
		return nil, nil, err
	}
	arl, err = x.ask(question{path: pathARL})
	if err == nil && len(arl) == 0 {
		err = &BadAnswer{pathARL, errors.New("it is empty")}
	}
	return certs, arl, err
}

func (x *exchange) cacerts() ([]*x509.Certificate, error) {
	const path = pathPrefix + "/cacerts"
	body, err := x.ask(question{path: path})
	if err != nil {
		return nil, err
	}
	certs, err := parseCertsOnly(body)
	if err != nil {
		return nil, &BadAnswer{path, err}
	}
	return certs, nil
}
