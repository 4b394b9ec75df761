package main

import (
	"errors"
	"fmt"
	"time"

	"tlagate/ca"
	"tlagate/ca/store"
	"tlagate/cmd/internal/cli"
	"tlagate/pki"
)

type replaceCmd struct {
	acting
	Identity string        `required:"" short:"i" placeholder:"URN" help:"The device to be replaced."`
	Reason   string        `default:"superseded" help:"${replace_reason}"`
	DNS      []string      `name:"dns" placeholder:"NAME" help:"${replace_dns}"`
	TTL      time.Duration `name:"ttl" default:"24h" help:"How long the code is valid; default ${default}."`
	handing
}

// Run revokes what the old device has, and prints a code for the new one.
func (c *replaceCmd) Run(app *cli.App) error {
	reason, err := store.ParseReason(c.Reason)
	if err != nil {
		return cli.Usage("cannot replace: %w", err)
	}
	id, err := pki.ParseIdentity(cli.WholeURN(c.Identity))
	if err != nil {
		return cli.Usage("%w", err)
	}
	if err := c.handing.check(); err != nil {
		return err
	}
	if c.As != "" {
		return c.asOfficer(app, id)
	}
	guest := ca.Guest{Identity: id, DNS: c.DNS, TTL: c.TTL, By: operator()}
	return c.act(app, "replace", func(authority *ca.CA) error {
		return c.replace(app, authority, guest, reason)
	}, c.QROut)
}

func (c *replaceCmd) replace(app *cli.App, authority *ca.CA, guest ca.Guest, reason store.Reason) error {
	revoked, code, err := authority.Invitations.Replace(guest, reason)
	if err == nil {
		app.Log.Info("replaced", "identity", guest.Identity.String(), "by", guest.By, "revoked", len(revoked),
			"reason", reason.String())
		err = c.handing.show(app.Stdout, guest.Identity, c.TTL, code)
	}
	for _, r := range revoked {
		fmt.Fprintf(app.Stdout, "revoked %s certificate %s of %s: %s\n", r.Profile, r.Serial, r.Identity, r.Reason)
	}
	if len(revoked) == 0 {
		return err
	}
	return errors.Join(err, publish(app, authority, false, ""))
}
