package est

import (
	"cmp"
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"slices"
	"time"

	"tlagate/pki"
	"tlagate/pki/trust"
)

// Profile is a kind of certificate that a component asks for.
type Profile struct {
	Label string // in the request's path; the CA's name of it
	Role  pki.Role
	Usage x509.ExtKeyUsage
}

// The profiles that devices ask for.
var (
	TLA           = Profile{"tla", pki.RoleTLA, x509.ExtKeyUsageClientAuth}
	PdTClient     = Profile{"pdt-client", pki.RolePdT, x509.ExtKeyUsageClientAuth}
	PdTServer     = Profile{"pdt-server", pki.RolePdT, x509.ExtKeyUsageServerAuth}
	GatewayClient = Profile{"gateway-client", pki.RoleGateway, x509.ExtKeyUsageClientAuth}
	GatewayServer = Profile{"gateway-server", pki.RoleGateway, x509.ExtKeyUsageServerAuth}
)

// Client asks an EST server for certificates. It sends nothing before the server has passed every check that a peer
// must pass.
type Client struct {
	Place       Place
	Trust       *trust.Trust
	Certificate func() *tls.Certificate // our client certificate; nil = we have none yet
	Dial        Dial                    // nil = net.Dialer's
	Hybrids     *trust.Hybrids          // where hellos go without post-quantum groups; nil = nowhere
	Timeout     time.Duration           // of one certificate, from a hello that is answered; 0 = 30 s
}

const requestTime = 30 * time.Second

// Enrol asks for a first certificate of a profile: with a code, or (nil) with our client certificate. It returns the
// certificate, then its issuing CA. Key is never sent. The error is *Unreachable, *BadAnswer, *Problem, *pki.Refusal or
// *pki.Rejected.
func (c *Client) Enrol(ctx context.Context, key crypto.Signer, p Profile, code *Code) ([]*x509.Certificate, error) {
	return c.get(ctx, key, p, question{path: pathPrefix + "/" + p.Label + "/simpleenroll", code: code}, nil)
}

// Reenrol asks for the next certificate of a profile, to replace old, with our client certificate.
func (c *Client) Reenrol(ctx context.Context, key crypto.Signer, p Profile,
	old *x509.Certificate) ([]*x509.Certificate, error) {
	return c.get(ctx, key, p, question{path: pathPrefix + "/" + p.Label + "/simplereenroll"}, old)
}

// get repeats an attempt whose hello got no answer, which has told the server nothing.
func (c *Client) get(ctx context.Context, key crypto.Signer, p Profile, q question, old *x509.Certificate) (
	chain []*x509.Certificate, err error) {
	err = c.Hybrids.Retry(c.Place.dialled(), func() (err error) {
		chain, err = c.attempt(ctx, key, p, q, old)
		return err
	})
	return chain, err
}

func (c *Client) attempt(ctx context.Context, key crypto.Signer, p Profile, q question, old *x509.Certificate) (
	[]*x509.Certificate, error) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(c.Timeout, requestTime))
	defer cancel()
	want, err := c.wants(p, old)
	if err != nil {
		return nil, err
	}
	x, err := c.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer x.close()
	cas, err := x.cacerts()
	if err != nil {
		return nil, err
	}
	if q.csr, err = x.newRequest(key, old); err != nil {
		return nil, err
	}
	body, err := x.ask(q)
	if err != nil {
		return nil, err
	}
	chain, err := c.judge(body, cas, key, want)
	if err != nil {
		return nil, &BadAnswer{q.path, err}
	}
	return chain, nil
}

// wants returns what the certificate in the answer has to be: of the profile, and of our identity once we have one.
func (c *Client) wants(p Profile, old *x509.Certificate) (trust.Want, error) {
	want := trust.Want{Usage: p.Usage, Roles: []pki.Role{p.Role}}
	if old == nil && c.Certificate != nil && c.Certificate() != nil {
		old = c.Certificate().Leaf
	}
	if old == nil {
		return want, nil
	}
	var err error
	want.Identity, err = pki.IdentityOf(old)
	return want, err
}

// connect dials the server and has it prove its identity.
func (c *Client) connect(ctx context.Context) (*exchange, error) {
	conn, err := c.Place.dial(ctx, c.Dial)
	if err != nil {
		return nil, err
	}
	party := &trust.Party{Trust: c.Trust, Certificate: c.Certificate, Hybrids: c.Hybrids}
	want := trust.Want{Usage: x509.ExtKeyUsageServerAuth, Roles: []pki.Role{pki.RolePKI}, DNSName: c.Place.Name,
		SNI: c.Place.sni(), Dialled: c.Place.dialled()}
	prove := party.Client
	if c.Certificate == nil {
		prove = party.Anonymous
	}
	over, _, err := prove(ctx, conn, trust.ALPNOuter, want)
	if err != nil {
		return nil, err
	}
	return newExchange(ctx, over, c.Place, party.Explain), nil
}

// newRequest makes a request for this connection alone.
func (x *exchange) newRequest(key crypto.Signer, like *x509.Certificate) ([]byte, error) {
	binding, err := ChannelBinding(x.conn.ConnectionState())
	if err != nil {
		return nil, err
	}
	return newRequest(key, like, binding)
}

// judge returns the certificate for our key from the answer, followed by its issuers, if it is what was asked for.
func (c *Client) judge(body []byte, cas []*x509.Certificate, key crypto.Signer,
	want trust.Want) ([]*x509.Certificate, error) {
	certs, err := parseCertsOnly(body)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(certs, func(cert *x509.Certificate) bool { return isFor(cert, key) })
	if i < 0 {
		return nil, errors.New("it brings no certificate for our key")
	}
	chain := []*x509.Certificate{certs[i]}
	for _, ca := range slices.Concat(certs, cas) {
		if ca.IsCA && !slices.ContainsFunc(chain, ca.Equal) && !isRoot(ca) {
			chain = append(chain, ca)
		}
	}
	verdict, err := c.Trust.VerifyIssued(chain, want)
	if err != nil {
		return nil, err
	}
	return verdict.Path[:max(len(verdict.Path)-1, 1)], nil
}

// isFor reports whether a certificate is for a key.
func isFor(cert *x509.Certificate, key crypto.Signer) bool {
	public, ok := cert.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(key.Public())
}
