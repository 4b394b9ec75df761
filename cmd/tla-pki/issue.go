package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"tlagate/ca"
	"tlagate/cmd/internal/cli"
	"tlagate/internal/stamp"
	"tlagate/pki"
)

type issueCmd struct {
	acting
	Profile  string   `required:"" short:"p" enum:"${profiles}" help:"What the certificate is for: ${enum}."`
	Identity string   `required:"" short:"i" placeholder:"URN" help:"${issue_identity}"`
	DNS      []string `name:"dns" placeholder:"NAME" help:"DNS name of a server; repeat for more."`
	CSR      string   `name:"csr" xor:"key" required:"" placeholder:"FILE" help:"${issue_csr}"`
	NewKey   bool     `xor:"key" required:"" help:"${issue_new_key}"`
	KeyType  string   `enum:"p256,p384,rsa3072,rsa4096" default:"p256" help:"Kind of the new key: ${enum}."`
	Out      string   `required:"" short:"o" placeholder:"PREFIX" help:"${issue_out}"`
	Force    bool     `help:"Replace existing files."`
	Days     int      `help:"Lifetime; default 398, 90 for ocsp."`
}

func (c *issueCmd) Run(app *cli.App) error {
	identity, err := pki.ParseIdentity(c.Identity)
	if err != nil {
		return cli.Usage("%w", err)
	}
	if err := c.targetsFree(); err != nil {
		return err
	}
	if c.As != "" {
		return c.asOfficer(app)
	}
	return c.act(app, "issue", func(authority *ca.CA) error {
		csr, undo, err := c.request()
		if err != nil {
			return err
		}
		issued, err := authority.Certificates.Issue(ca.Request{Profile: c.Profile, Identity: identity, DNS: c.DNS,
			CSR: csr, Days: c.Days})
		if err != nil {
			undo()
			return err
		}
		return c.deliver(app, issued)
	}, c.Out)
}

func (c *issueCmd) deliver(app *cli.App, issued *ca.Issued) error {
	for _, note := range issued.Notes {
		app.Log.Warn(note)
	}
	if err := c.write(c.Out+".crt", issued.Chain, 0o644); err != nil {
		return fmt.Errorf("certificate %s is issued, but: %w", issued.Serial, err)
	}
	fmt.Fprintf(app.Stdout, "%s.crt: %s certificate %s of %s, until %s\n",
		c.Out, issued.Profile, issued.Serial, issued.Identity, stamp.Day(issued.NotAfter))
	return nil
}

// targetsFree reports early what would fail late, after signing.
func (c *issueCmd) targetsFree() error {
	if c.Force {
		return nil
	}
	targets := []string{c.Out + ".crt"}
	if c.NewKey {
		targets = append(targets, c.Out+".key")
	}
	for _, file := range targets {
		if _, err := os.Lstat(file); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("cannot write %s: %w; --force replaces it", file, fs.ErrExist)
		}
	}
	return nil
}

// request returns the certificate request. A new key is on disk before anything is signed for it; undo takes it away.
func (c *issueCmd) request() (csr []byte, undo func(), err error) {
	undo = func() {}
	if !c.NewKey {
		csr, err = os.ReadFile(c.CSR)
		if err != nil {
			return nil, undo, cli.Usage("cannot read the certificate request: %w", err)
		}
		return csr, undo, nil
	}
	key, err := ca.GenerateKey(ca.KeyKind(c.KeyType))
	if err != nil {
		return nil, undo, err
	}
	text, err := ca.MarshalKey(key)
	if err != nil {
		return nil, undo, err
	}
	if csr, err = ca.NewCSR(key); err != nil {
		return nil, undo, err
	}
	return c.keepKey(csr, text)
}

// keepKey writes the key. When it replaces one, undo puts the old one back.
func (c *issueCmd) keepKey(csr, key []byte) ([]byte, func(), error) {
	file := c.Out + ".key"
	old, readErr := os.ReadFile(file)
	if err := c.write(file, key, 0o600); err != nil {
		return nil, func() {}, err
	}
	undo := func() {
		if readErr == nil {
			ca.Replace(file, old, 0o600)
			return
		}
		os.Remove(file)
	}
	return csr, undo, nil
}

func (c *issueCmd) write(file string, data []byte, mode fs.FileMode) error {
	if c.Force {
		return ca.Replace(file, data, mode)
	}
	return ca.WriteNew(file, data, mode)
}
