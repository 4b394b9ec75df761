// Package enrol is what the programs of devices share about their certificates: the command `enroll` with its one-time
// code, and renewal (docs/enrolment.md, sections 2 and 5). Keys are made on the device, and nothing here sends one.
package enrol

import (
	"bytes"
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"tlagate/cmd/internal/cli"
	"tlagate/est"
	"tlagate/pemfile"
	"tlagate/pki"
	"tlagate/pki/trust"
)

// Device says where a program keeps keys, certificates and anchors, as its configuration names them.
type Device struct {
	Dial    est.Dial       // to gateway or PKI; nil = net.Dialer's
	Hybrids *trust.Hybrids // to which gateways hellos go without post-quantum groups; nil = none
	Crypto  pki.Crypto     // what the links of an enrolment take
	Pairs   []Pair         // the client's first: it authenticates the requests for the others
	Trust   cli.Trust      // enrolment writes the first anchor's file and trust.arl
}

// check refuses a configuration that does not name every place.
func (d Device) check() error {
	for _, p := range d.Pairs {
		if err := p.check(); err != nil {
			return err
		}
	}
	switch {
	case len(d.Trust.Anchors) == 0 || d.Trust.Anchors[0].File == "":
		return errors.New("cannot use the configuration: trust.anchors must name the file for the trust anchor, " +
			"which need not be there yet")
	case d.Trust.ARL == "":
		return errors.New("cannot use the configuration: trust.arl must name the file for the ARL, which need not " +
			"be there yet")
	}
	return nil
}

// Finish completes what an interrupted enrolment or renewal has left. Call it before the certificates are opened.
func (d Device) Finish() error {
	for _, p := range d.Pairs {
		if p.check() != nil {
			continue // what needs it will say so
		}
		if err := p.Finish(); err != nil {
			return err
		}
	}
	return nil
}

// Act is one enrolment.
type Act struct {
	Device
	Place   est.Place
	Code    est.Code
	Replace bool                               // even an identity that is still good, or another PKI's anchor
	Confirm func(root *x509.Certificate) error // asked before the code is sent; nil = go on
	Now     func() time.Time                   // nil = time.Now
}

// Done is the identity that the device has now.
type Done struct {
	Identity pki.Identity
	NotAfter time.Time // of the certificate that ends first
}

// Run enrols. After a failure, the next Run finishes, or does again, what this one had begun. The error is a *Failure.
func (a Act) Run(ctx context.Context) (*Done, error) {
	if a.Now == nil {
		a.Now = time.Now
	}
	done, err := a.run(ctx)
	if err != nil {
		return nil, explain(err, a.Place)
	}
	return done, nil
}

func (a Act) run(ctx context.Context) (*Done, error) {
	if err := errors.Join(a.check(), a.Finish()); err != nil {
		return nil, &Failure{Kind: Configuration, Cause: err}
	}
	if err := a.refuseLiving(); err != nil {
		return nil, err
	}
	found, err := a.find(ctx)
	if err != nil {
		return nil, err
	}
	chains, err := a.ask(ctx, found.Trust)
	if err != nil {
		return nil, err
	}
	if err := a.keep(found, chains); err != nil {
		return nil, &Failure{Kind: Files, Cause: err}
	}
	return a.done()
}

// refuseLiving refuses to give up, by mistake, an identity that is complete and still good.
func (a Act) refuseLiving() error {
	var last *x509.Certificate
	for _, p := range a.Pairs {
		if last = p.Living(a.Now()); last == nil || a.Replace {
			return nil
		}
	}
	id, _ := pki.IdentityOf(last)
	return &Failure{Kind: Living, Cause: fmt.Errorf("it is %s until %s", id, last.NotAfter.Format(time.DateOnly))}
}

// find learns which anchor to trust. It refuses one other than the present unless it is to replace that.
func (a Act) find(ctx context.Context) (*est.Anchor, error) {
	t := a.Trust
	found, err := est.Bootstrap{Place: a.Place, Practices: vouched(t.Anchors[0].Practices), Production: t.Production,
		Dial: a.Dial, Hybrids: a.Hybrids, Crypto: a.Crypto, Clock: a.Now}.Find(ctx, a.Code)
	if errors.As(err, new(*trust.Rejected)) { // a server that wants a certificate of us is no EST server
		return nil, &Failure{Kind: NoPKI, Cause: err}
	}
	if err != nil {
		return nil, err
	}
	if has, err := a.hasAnchor(found.Root); err != nil {
		return nil, &Failure{Kind: Files, Cause: err}
	} else if !has && exists(a.anchorFile()) && !a.Replace {
		return nil, &Failure{Kind: ForeignAnchor, Cause: errors.New(a.anchorFile())}
	}
	if a.Confirm != nil {
		return found, a.Confirm(found.Root)
	}
	return found, nil
}

// vouched returns the practices for which the anchor may vouch during the enrolment. The file of a sealed device names
// none, since its bundle does; the anchor of the code must vouch for the PKI all the same.
func vouched(practices []string) []string {
	if len(practices) == 0 {
		return []string{"*"}
	}
	return practices
}

func (a Act) anchorFile() string { return string(a.Trust.Anchors[0].File) }

func (a Act) hasAnchor(root *x509.Certificate) (bool, error) {
	have, err := pki.ReadCertificates(a.anchorFile())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return slices.ContainsFunc(have, root.Equal), err
}

// ask gets a certificate for each pair: for the client's by the code, unless it is still good; for the others by the
// client's.
func (a Act) ask(ctx context.Context, trust *trust.Trust) (map[int][]*x509.Certificate, error) {
	chains := map[int][]*x509.Certificate{}
	client := &est.Client{Place: a.Place, Trust: trust, Dial: a.Dial, Hybrids: a.Hybrids}
	for i, p := range a.Pairs {
		if p.Living(a.Now()) != nil && !a.Replace {
			continue
		}
		if i > 0 && client.Certificate == nil { // the client's is still good
			own, err := a.Pairs[0].Files.Open()
			if err != nil {
				return nil, err
			}
			defer own.Close()
			client.Certificate = own.Certificate
		}
		key, err := p.nextKey()
		if err != nil {
			return nil, &Failure{Kind: Files, Cause: err}
		}
		defer key.Close()
		if chains[i], err = client.Enrol(ctx, key, p.Profile, a.codeFor(i)); err != nil {
			return nil, err
		}
		if first := pairOf(chains[i], key); i == 0 {
			client.Certificate = func() *tls.Certificate { return first }
		}
	}
	return chains, nil
}

// codeFor returns the code for the client's pair; for the others nil, since it is good for only one certificate.
func (a Act) codeFor(i int) *est.Code {
	if i > 0 {
		return nil
	}
	return &a.Code
}

func pairOf(chain []*x509.Certificate, key crypto.Signer) *tls.Certificate {
	pair := &tls.Certificate{PrivateKey: key, Leaf: chain[0]}
	for _, c := range chain {
		pair.Certificate = append(pair.Certificate, c.Raw)
	}
	return pair
}

// keep writes what came: first which anchor to trust, then our certificates.
func (a Act) keep(found *est.Anchor, chains map[int][]*x509.Certificate) error {
	if has, err := a.hasAnchor(found.Root); err != nil || !has {
		if err := errors.Join(err, write(a.anchorFile(), encode(pemfile.Certificate, found.Root.Raw),
			0o644)); err != nil {
			return err
		}
	}
	if err := write(string(a.Trust.ARL), encode(pemfile.CRL, found.ARL), 0o644); err != nil {
		return err
	}
	for i, p := range a.Pairs {
		if chain, got := chains[i]; got {
			if err := p.install(chain); err != nil {
				return err
			}
		}
	}
	return nil
}

func encode(kind string, der []byte) []byte {
	var out bytes.Buffer
	_ = pem.Encode(&out, &pem.Block{Type: kind, Bytes: der}) // a Buffer takes everything
	return out.Bytes()
}

// done reads everything back as the program will when it runs.
func (a Act) done() (*Done, error) {
	d := new(Done)
	for _, p := range a.Pairs {
		leaf := p.Living(a.Now())
		if leaf == nil {
			return nil, &Failure{Kind: Files, Cause: fmt.Errorf("%s cannot be read back", p.cert())}
		}
		id, err := pki.IdentityOf(leaf)
		if err != nil {
			return nil, err
		}
		if d.Identity = id; d.NotAfter.IsZero() || leaf.NotAfter.Before(d.NotAfter) {
			d.NotAfter = leaf.NotAfter
		}
	}
	return d, nil
}
