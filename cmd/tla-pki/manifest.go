package main

import (
	"encoding/json/jsontext"
	"encoding/json/v2"
	"fmt"
	"time"

	"tlagate/bundle"
	"tlagate/ca"
	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/intact"
	"tlagate/integrity"
	"tlagate/internal/files"
	"tlagate/keys"
	"tlagate/pki/trust"
)

type manifestCmd struct {
	List   manifestListCmd   `cmd:"" help:"List files as they are now, for an officer to look through and sign."`
	Sign   manifestSignCmd   `cmd:"" help:"Sign such a list: that makes the manifest."`
	Show   manifestShowCmd   `cmd:"" help:"Print what a manifest says and who signed it, not whether the signer may."`
	Verify manifestVerifyCmd `cmd:"" help:"Say why a manifest's signer is accepted (exit 0), refused (1), or neither (2)."`
}

type manifestListCmd struct {
	Name         string    `required:"" placeholder:"NAME" help:"${manifest_name}"`
	Root         string    `placeholder:"DIR" help:"${manifest_root}"`
	Units        []string  `name:"unit" placeholder:"UNIT" sep:"none" help:"${manifest_unit}"`
	Except       []string  `placeholder:"PATH" sep:"none" help:"${manifest_except}"`
	Owner        string    `placeholder:"USER:GROUP" help:"Owner of everything; default: as it is, with --root any."`
	Version      string    `name:"package-version" placeholder:"VERSION" help:"Version of what it is of."`
	Architecture string    `placeholder:"ARCH" help:"Architecture of what it is of."`
	Number       uint64    `placeholder:"N" help:"${manifest_number}"`
	Made         time.Time `placeholder:"TIME" help:"When it was made, RFC 3339; default: now."`
	ValidUntil   time.Time `placeholder:"TIME" help:"End, RFC 3339; default: none."`
	Out          string    `required:"" short:"o" placeholder:"FILE" help:"Where to write the list, JSON."`
	Paths        []string  `arg:"" optional:"" help:"${manifest_paths}"`
}

// Run lists the files.
func (c *manifestListCmd) Run(app *cli.App) error {
	m, err := c.manifest()
	if err != nil {
		return err
	}
	text, err := m.Text()
	if err != nil {
		return err
	}
	fmt.Fprintf(app.Stdout, "%s: %s, number %d, %d lines\n", c.Out, m.Name, m.Number, len(m.Files))
	return ca.Replace(c.Out, text, 0o644)
}

func (c *manifestListCmd) manifest() (*integrity.Manifest, error) {
	g := integrity.Gathering{Root: c.Root, Paths: c.Paths, Except: c.Except, Owner: c.Owner}
	for _, unit := range c.Units {
		g.Paths = append(g.Paths, integrity.UnitPaths(unit)...)
	}
	list, err := g.Gather()
	if err != nil {
		return nil, err
	}
	for _, unit := range c.Units {
		if !integrity.HasUnit(list, unit) {
			return nil, cli.Usage("cannot list the unit %s: systemd has no file of that name; give it with its "+
				"ending, such as tla-gateway.service", unit)
		}
	}
	m := &integrity.Manifest{Manifest: integrity.Format, Name: c.Name, Number: c.Number, Version: c.Version,
		Architecture: c.Architecture, Made: c.Made, ValidUntil: c.ValidUntil, Files: list}
	if m.Made.IsZero() {
		m.Made = time.Now().UTC().Truncate(time.Second)
	}
	if m.Number == 0 {
		m.Number = uint64(max(0, m.Made.Unix()))
	}
	return m, nil
}

type manifestSignCmd struct {
	In   string   `required:"" placeholder:"FILE" help:"The list, of manifest list."`
	Cert cli.Path `required:"" placeholder:"FILE" help:"${bundle_cert}"`
	Key  string   `required:"" placeholder:"KEY" help:"Its key: a file, pkcs11:… or tpm:FILE."`
	Wrap string   `name:"wrapping-key" placeholder:"FILE" help:"${bundle_wrap}"`
	Out  string   `required:"" short:"o" placeholder:"FILE" help:"Where to write the manifest."`
}

// Run signs the list.
func (c *manifestSignCmd) Run(app *cli.App) error {
	m, err := c.list()
	if err != nil {
		return err
	}
	id := cli.Identity{Cert: c.Cert, Key: keys.Spec(c.Key), WrappingKey: cli.Path(c.Wrap)}
	pair, err := id.OpenWith(keys.Config{PIN: cli.AskPIN})
	if err != nil {
		return err
	}
	defer pair.Close()
	der, err := integrity.Sign(m, pair.Certificate(), time.Now())
	if err != nil {
		return err
	}
	fmt.Fprintf(app.Stdout, "%s: %s, number %d, %d lines\n", c.Out, m.Name, m.Number, len(m.Files))
	return ca.Replace(c.Out, der, 0o644)
}

// list reads the list, and refuses a number that is not above that of the manifest which the new one replaces.
func (c *manifestSignCmd) list() (*integrity.Manifest, error) {
	text, err := files.Read(c.In, bundle.MaxSigned)
	if err != nil {
		return nil, cli.Usage("cannot read the list: %w", err)
	}
	m, err := integrity.Parse(text)
	if err != nil {
		return nil, cli.Usage("cannot sign the list %s: %w", c.In, err)
	}
	old, err := integrity.ReadFile(c.Out)
	if err == nil && old.Name == m.Name && m.Number <= old.Number {
		return nil, fmt.Errorf("cannot sign number %d: %s has %d already, and programs refuse what is not above it",
			m.Number, c.Out, old.Number)
	}
	return m, nil
}

type manifestShowCmd struct {
	File string `arg:"" help:"The manifest."`
	JSON bool   `name:"json" help:"The content alone, as it was signed."`
}

// Run prints it.
func (c *manifestShowCmd) Run(app *cli.App) error {
	m, err := readManifest(c.File)
	if err != nil {
		return err
	}
	if !c.JSON {
		printSigner(app.Stdout, m.Chain[0], "manifest")
	}
	return json.MarshalWrite(app.Stdout, m.Manifest, jsontext.WithIndent("  "))
}

func readManifest(file string) (*integrity.Signed, error) {
	m, err := integrity.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("cannot read the manifest %s: %w", file, err)
	}
	return m, nil
}

// manifestVerifyCmd judges who signed, as programs do; they alone compare files.
type manifestVerifyCmd struct {
	signerOptions
	File string `arg:"" help:"The manifest."`
}

// Run says why the signer is accepted or refused.
func (c *manifestVerifyCmd) Run(app *cli.App) error {
	return c.verify(app, c.File, func(store *trust.Trust, der []byte) error {
		m, err := integrity.Read(der)
		if err != nil {
			return err
		}
		return c.signer(app, store, m.Chain, m.ValidUntil)
	})
}

// served is the configuration of serve.
type served struct {
	Config string `required:"" short:"c" placeholder:"FILE" help:"Configuration file (YAML) of serve."`
}

// Integrity returns what serve compares with manifests.
func (s served) Integrity() (intact.Section, string, cli.Trust, string, error) {
	var c serveConfig
	err := cli.LoadYAML(s.Config, &c, c.check)
	return c.Integrity, s.Config, c.Trust, string(c.trace()), err
}
