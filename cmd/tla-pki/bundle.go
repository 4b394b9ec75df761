package main

import (
	"crypto/x509"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"tlagate/bundle"
	"tlagate/ca"
	"tlagate/cmd/internal/cli"
	"tlagate/internal/files"
	"tlagate/internal/stamp"
	"tlagate/keys"
	"tlagate/pemfile"
	"tlagate/pki"
	"tlagate/pki/revocation"
	"tlagate/pki/trust"
	"tlagate/tla/policy"
)

type bundleCmd struct {
	Sign   bundleSignCmd   `cmd:"" help:"Sign the configuration of a device, or of all devices of a practice and role."`
	Show   bundleShowCmd   `cmd:"" help:"Print what a bundle says and who signed it, not whether the signer may."`
	Verify bundleVerifyCmd `cmd:"" help:"Say why a bundle's signer is accepted (exit 0), refused (1), or neither (2)."`
}

type bundleSignCmd struct {
	In      string   `required:"" placeholder:"FILE" help:"${bundle_in}"`
	Cert    cli.Path `required:"" placeholder:"FILE" help:"${bundle_cert}"`
	Key     string   `required:"" placeholder:"KEY" help:"Its key: a file, pkcs11:… or tpm:FILE."`
	Wrap    string   `name:"wrapping-key" placeholder:"FILE" help:"${bundle_wrap}"`
	Out     string   `required:"" short:"o" placeholder:"FILE" help:"${bundle_out}"`
	Version uint64   `name:"bundle-version" placeholder:"N" help:"${bundle_version}"`
}

// order is the content as a person writes it.
type order struct {
	MinVersion uint64         `yaml:"min_version"`
	For        string         `yaml:"for"`
	Issued     time.Time      `yaml:"issued"` // default: now
	ValidUntil time.Time      `yaml:"valid_until"`
	Gateways   cli.Servers    `yaml:"gateways"`
	PdTs       []string       `yaml:"pdts"`
	Access     bundle.Access  `yaml:"access"`
	Anchors    []orderAnchor  `yaml:"anchors"`
	ARLs       []orderFile    `yaml:"arls"`
	Limits     bundle.Limits  `yaml:"limits"`
	Sources    bundle.Sources `yaml:"sources"`
	Crypto     pki.Crypto     `yaml:"crypto"`
	Policy     orderFile      `yaml:"policy"`
	User       bundle.User    `yaml:"user"`
	Persons    orderPersons   `yaml:"persons"`
}

type orderPersons struct {
	Anchors       []orderFile    `yaml:"anchors"`
	Intermediates []cli.Path     `yaml:"intermediates"`
	Sources       bundle.Sources `yaml:"sources"`
	Mapping       bundle.Mapping `yaml:"mapping"`
}

type orderAnchor struct {
	File      cli.Path `yaml:"file"`
	Practices []string `yaml:"practices"`
}

type orderFile struct {
	File cli.Path `yaml:"file"`
}

func (c *bundleSignCmd) Run(app *cli.App) error {
	content, err := c.content()
	if err != nil {
		return err
	}
	id := cli.Identity{Cert: c.Cert, Key: keys.Spec(c.Key), WrappingKey: cli.Path(c.Wrap)}
	pair, err := id.OpenWith(keys.Config{PIN: cli.AskPIN})
	if err != nil {
		return err
	}
	defer pair.Close()
	if err := c.number(content); err != nil {
		return err
	}
	der, err := bundle.Sign(content, pair.Certificate(), time.Now())
	if err != nil {
		return err
	}
	if err := ca.Replace(c.Out, der, 0o644); err != nil {
		return err
	}
	fmt.Fprintf(app.Stdout, "%s: version %d for %s\n", c.Out, content.Version, content.For)
	return nil
}

func (c *bundleSignCmd) content() (*bundle.Content, error) {
	var o order
	if err := cli.LoadYAML(c.In, &o); err != nil {
		return nil, cli.Usage("%w", err)
	}
	content := &bundle.Content{Format: bundle.Format, MinVersion: o.MinVersion, For: o.For,
		Issued: o.Issued, ValidUntil: o.ValidUntil,
		Gateways: o.Gateways.Texts(), PdTs: o.PdTs, Access: o.Access, Limits: o.Limits, Sources: o.Sources,
		Crypto: o.Crypto, User: o.User, Persons: bundle.Persons{Sources: o.Persons.Sources, Mapping: o.Persons.Mapping}}
	if content.Issued.IsZero() {
		content.Issued = time.Now().UTC().Truncate(time.Second)
	}
	for _, add := range []func(*bundle.Content) error{o.addAnchors, o.addARLs, o.addPolicy, o.addPersons} {
		if err := add(content); err != nil {
			return nil, err
		}
	}
	return content, nil
}

func (o order) addAnchors(c *bundle.Content) error {
	for _, a := range o.Anchors {
		certs, err := pki.ReadCertificates(string(a.File))
		if err != nil {
			return err
		}
		for _, cert := range certs {
			c.Anchors = append(c.Anchors, bundle.Anchor{PEM: textOf(cert), Practices: a.Practices})
		}
	}
	return nil
}

func textOf(cert *x509.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: pemfile.Certificate, Bytes: cert.Raw}))
}

// addPersons adds the CAs of persons.
func (o order) addPersons(c *bundle.Content) error {
	add := func(to *[]string, file cli.Path) error {
		certs, err := pki.ReadCertificates(string(file))
		for _, cert := range certs {
			*to = append(*to, textOf(cert))
		}
		return err
	}
	for _, a := range o.Persons.Anchors {
		if err := add(&c.Persons.Anchors, a.File); err != nil {
			return err
		}
	}
	for _, file := range o.Persons.Intermediates {
		if err := add(&c.Persons.Intermediates, file); err != nil {
			return err
		}
	}
	return nil
}

func (o order) addARLs(c *bundle.Content) error {
	for _, a := range o.ARLs {
		text, err := os.ReadFile(string(a.File))
		if err != nil {
			return fmt.Errorf("cannot read the ARL: %w", err)
		}
		lists, err := pemfile.Read(text, pemfile.CRL)
		if err != nil {
			return fmt.Errorf("cannot read the ARL %s: %w", a.File, err)
		}
		for _, l := range lists {
			c.ARLs = append(c.ARLs, string(pem.EncodeToMemory(&pem.Block{Type: pemfile.CRL, Bytes: l.Bytes})))
		}
	}
	return nil
}

func (o order) addPolicy(c *bundle.Content) error {
	if o.Policy.File == "" {
		return nil
	}
	value, err := cli.LoadPlain(string(o.Policy.File))
	if err != nil {
		return fmt.Errorf("cannot read the card policy: %w", err)
	}
	if c.Policy, err = json.Marshal(value, json.Deterministic(true)); err != nil {
		return err
	}
	var table policy.Table
	if err := cli.DecodeYAML(c.Policy, &table); err != nil { // as the terminal does
		return fmt.Errorf("cannot use the card policy %s: %w", o.Policy.File, err)
	}
	if _, err := policy.Compile(table); err != nil {
		return fmt.Errorf("cannot use the card policy %s: %w", o.Policy.File, err)
	}
	return nil
}

// number returns the version, and refuses one that goes back.
func (c *bundleSignCmd) number(content *bundle.Content) error {
	last, err := c.lastVersion(content)
	if err != nil {
		return err
	}
	if content.Version = c.Version; c.Version == 0 {
		content.Version = last + 1
	}
	if content.Version <= last {
		return fmt.Errorf("cannot sign version %d: %d is there already, and devices refuse what is not above it",
			content.Version, last)
	}
	return nil
}

// lastVersion is the highest of the bundles beside the new file that a device of it may have got. The file itself must
// be readable, if it is there.
func (c *bundleSignCmd) lastVersion(content *bundle.Content) (last uint64, err error) {
	beside, err := filepath.Glob(filepath.Join(filepath.Dir(c.Out), "*"+bundle.Ending))
	if err != nil {
		return 0, err
	}
	for _, file := range append(beside, c.Out) {
		b, err := readBundle(file)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil && file == c.Out:
			return 0, fmt.Errorf("cannot tell the last version: %w; remove the file, and give --bundle-version", err)
		case err == nil && b.Overlaps(content):
			last = max(last, b.Version)
		}
	}
	return last, nil
}

func readBundle(file string) (*bundle.Bundle, error) {
	b, err := bundle.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("cannot read the bundle %s: %w", file, err)
	}
	return b, nil
}

type bundleShowCmd struct {
	File string `arg:"" help:"The bundle."`
	JSON bool   `name:"json" help:"The content alone, as it was signed."`
}

func (c *bundleShowCmd) Run(app *cli.App) error {
	b, err := readBundle(c.File)
	if err != nil {
		return err
	}
	if !c.JSON {
		printSigner(app.Stdout, b.Chain[0], "bundle")
	}
	return json.MarshalWrite(app.Stdout, b.Content, jsontext.WithIndent("  "))
}

func printSigner(w io.Writer, signer *x509.Certificate, of string) {
	id, _ := pki.IdentityOf(signer)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "signer\t%s (not verified: tla-pki %s verify)\nserial\t%x\nissuer\t%s\nuntil\t%s\n", id, of,
		signer.SerialNumber, signer.Issuer, stamp.Second(signer.NotAfter))
	table.Flush()
}

type bundleVerifyCmd struct {
	signerOptions
	Device string `placeholder:"URN" help:"It must be for this device."`
	File   string `arg:"" help:"The bundle."`
}

func (c *bundleVerifyCmd) Run(app *cli.App) error {
	return c.verify(app, c.File, func(store *trust.Trust, der []byte) error {
		b, err := bundle.Read(der)
		if err != nil {
			return err
		}
		return c.judge(app, store, b)
	})
}

func (c *bundleVerifyCmd) judge(app *cli.App, trust *trust.Trust, b *bundle.Bundle) error {
	lists, err := b.Lists()
	if err != nil {
		return err
	}
	for _, der := range lists {
		if err := trust.AddARL(der); err != nil {
			app.Log.Warn("an ARL of the bundle does not pass", "error", err)
		}
	}
	if err := c.signer(app, trust, b.Chain, b.ValidUntil); err != nil {
		return err
	}
	return c.checkContent(b)
}

func (c *bundleVerifyCmd) checkContent(b *bundle.Bundle) error {
	if c.Device == "" {
		return nil
	}
	id, err := pki.ParseIdentity(c.Device)
	if err == nil && !b.Covers(id) {
		err = fmt.Errorf("it is for %s", b.For)
	}
	return err
}

// signerOptions has the options of verify that matter for who signed a bundle or a manifest.
type signerOptions struct {
	Anchor       []string  `required:"" short:"a" placeholder:"FILE" sep:"none" help:"${bundle_anchor}"`
	CRL          []string  `name:"crl" placeholder:"FILE" sep:"none" help:"${bundle_crl}"`
	OCSP         []string  `name:"ocsp" placeholder:"FILE" sep:"none" help:"OCSP answers, DER; repeat for more."`
	NoRevocation bool      `help:"Do not ask whether the signer is revoked."`
	At           time.Time `placeholder:"TIME" help:"Judge as at that time."`
}

// verify says whether a signed file passes judge.
func (o *signerOptions) verify(app *cli.App, file string, judge func(*trust.Trust, []byte) error) error {
	store, err := o.open()
	if err != nil {
		return cli.Usage("%w", err)
	}
	der, err := files.Read(file, bundle.MaxSigned)
	if err != nil {
		return cli.Usage("cannot read %s: %w", file, err)
	}
	if err := judge(store, der); err != nil {
		return refused(app, err)
	}
	fmt.Fprintln(app.Stdout, "accepted")
	return nil
}

func (o *signerOptions) open() (*trust.Trust, error) {
	cfg := trust.Config{NoRevocation: o.NoRevocation, Clock: o.now, Revocation: revocation.Config{CRLs: o.CRL}}
	for _, file := range o.Anchor {
		cfg.Anchors = append(cfg.Anchors, trust.AnchorFile{File: file, Practices: []string{"*"}})
	}
	return trust.Open(cfg)
}

func (o *signerOptions) now() time.Time {
	if o.At.IsZero() {
		return time.Now()
	}
	return o.At
}

// signer explains why a signer is accepted or refused, for what is valid until then; zero: for ever.
func (o *signerOptions) signer(app *cli.App, store *trust.Trust, chain []*x509.Certificate, until time.Time) error {
	for _, file := range o.OCSP {
		der, err := os.ReadFile(file)
		if err != nil {
			return cli.Usage("cannot read the OCSP answer: %w", err)
		}
		if err := store.AddStatus(der); err != nil {
			app.Log.Warn("an OCSP answer does not pass", "file", file, "error", err)
		}
	}
	verdict, err := store.Verify(chain, bundle.Want)
	explain(app.Stdout, verdict, false)
	if err == nil && !until.IsZero() && o.now().After(until) {
		err = fmt.Errorf("it was valid until %s", stamp.Second(until))
	}
	return err
}
