package main

import (
	"errors"
	"fmt"
	"strings"

	"tlagate/ca"
	"tlagate/ca/store"
	"tlagate/cmd/internal/cli"
	"tlagate/internal/stamp"
	"tlagate/pki"
)

// selection names the certificates to revoke or release.
type selection struct {
	Serial   string `xor:"which" placeholder:"HEX" help:"This certificate; or --cert, or --identity."`
	Cert     string `xor:"which" placeholder:"FILE" help:"The certificate in that file."`
	Identity string `xor:"which" placeholder:"URN" help:"Every valid certificate of that component."`
}

func (s selection) read() (ca.Selection, error) {
	if s == (selection{}) {
		return ca.Selection{}, cli.Usage("cannot tell which certificates: name one of --serial, --cert and --identity")
	}
	which := ca.Selection{Serial: s.Serial, Identity: cli.WholeURN(s.Identity)}
	if s.Cert == "" {
		return which, nil
	}
	certs, err := pki.ReadCertificates(s.Cert)
	if err != nil {
		return which, cli.Usage("%w", err)
	}
	which.Certificate = certs[0]
	return which, nil
}

type revokeCmd struct {
	acting
	selection
	Reason string `required:"" help:"${revoke_reason}"`
	NoCRL  bool   `name:"no-crl" help:"${revoke_no_crl}"`
}

func (c *revokeCmd) Run(app *cli.App) error {
	reason, err := store.ParseReason(c.Reason)
	if err != nil {
		return cli.Usage("cannot revoke: %w", err)
	}
	which, err := c.selection.read()
	if err != nil {
		return err
	}
	if c.As != "" && c.NoCRL {
		return cli.Usage("cannot revoke without a list: the server publishes it; --no-crl goes with --dir")
	}
	if c.As != "" {
		return c.selection.asOfficer(app, c.acting, "revoke", c.Reason)
	}
	return c.act(app, "revoke", func(authority *ca.CA) error { return c.revoke(app, authority, which, reason) })
}

func (c *revokeCmd) revoke(app *cli.App, authority *ca.CA, which ca.Selection, reason store.Reason) error {
	// what is revoked is announced, whatever failed besides
	revoked, failure := authority.Revocations.Revoke(which, reason)
	kinds := map[bool]bool{} // whether the ARL, the CRL has something new to say
	for _, r := range revoked {
		fmt.Fprintf(app.Stdout, "revoked %s certificate %s of %s: %s\n", r.Profile, r.Serial, r.Identity, r.Reason)
		kinds[r.IsCA()] = true
	}
	for arl := range kinds {
		failure = errors.Join(failure, c.announce(app, authority, arl))
	}
	return failure
}

func (c *revokeCmd) announce(app *cli.App, authority *ca.CA, arl bool) error {
	if c.NoCRL {
		fmt.Fprintf(app.Stdout, "not published yet: run tla-pki crl%s\n", map[bool]string{true: " --arl"}[arl])
		return nil
	}
	return publish(app, authority, arl, "")
}

type releaseCmd struct {
	acting
	selection
}

func (c *releaseCmd) Run(app *cli.App) error {
	which, err := c.selection.read()
	if err != nil {
		return err
	}
	if c.As != "" {
		return c.selection.asOfficer(app, c.acting, "release", "")
	}
	return c.act(app, "release", func(authority *ca.CA) error {
		released, err := authority.Revocations.Release(which)
		if err != nil {
			return err
		}
		for _, r := range released {
			fmt.Fprintf(app.Stdout, "released %s certificate %s of %s\n", r.Profile, r.Serial, r.Identity)
		}
		return publish(app, authority, false, "")
	})
}

type crlCmd struct {
	ceremony
	ARL   bool   `name:"arl" help:"The root's list of revoked issuing CAs; needs the root's key."`
	Right bool   `name:"clock-is-right" help:"${revoke_right}"`
	Out   string `short:"o" placeholder:"FILE" help:"${revoke_out}"`
}

func (c *crlCmd) Run(app *cli.App) error {
	return c.act(app, "publish", func(authority *ca.CA) error {
		if c.Right {
			if err := trustClock(app, authority); err != nil {
				return err
			}
		}
		return publish(app, authority, c.ARL, c.Out)
	}, c.Out)
}

// trustClock trusts the clock, and lists what one that ran ahead has left.
func trustClock(app *cli.App, authority *ca.CA) error {
	found, err := authority.Clock.Trust()
	for _, i := range found.Withdrawn {
		fmt.Fprintf(app.Stdout, "withdrawn: invitation %d of %s, made in the future\n", i.ID, i.Identity)
	}
	for _, r := range found.Certificates {
		fmt.Fprintf(app.Stdout, "not good before %s: %s certificate %s of %s; revoke it, and issue or enrol again\n",
			stamp.Second(r.NotBefore), r.Profile, r.Serial, r.Identity)
	}
	return err
}

// publish signs a new list, and copies it to out when that is named.
func publish(app *cli.App, authority *ca.CA, arl bool, out string) error {
	name, sign := "crl", authority.Lists.PublishCRL
	if arl {
		name, sign = "arl", authority.Lists.PublishARL
	}
	list, err := sign()
	if err != nil {
		return err
	}
	if out != "" {
		if err := list.Write(out, !isDER(out)); err != nil {
			return err
		}
	}
	fmt.Fprintf(app.Stdout, "%s: number %d, %d revoked, valid until %s\n",
		authority.Public(name+".pem"), list.Number, list.Entries, list.NextUpdate.Format("2006-01-02 15:04 MST"))
	return nil
}

func isDER(file string) bool {
	return strings.HasSuffix(file, ".der") || strings.HasSuffix(file, ".crl")
}
