package main

import (
	"encoding/json"
	"fmt"

	"tlagate/ca"
	"tlagate/ca/server"
	"tlagate/cmd/internal/cli"
	"tlagate/heads"
	"tlagate/pki"
)

type headsCmd struct {
	Print  headsPrintCmd  `cmd:"" default:"withargs" help:"Print them, a line of JSON each; the default."`
	Forget headsForgetCmd `cmd:"" help:"Forget them, when the trace of a gateway begins anew."`
}

type headsPrintCmd struct {
	caDir
	Gateway string `arg:"" help:"Identity of the gateway: urn:tlagate:…"`
}

// Run prints every head that is kept of a gateway, lowest number first.
func (c *headsPrintCmd) Run(app *cli.App) error {
	id, err := pki.ParseIdentity(c.Gateway)
	if err != nil {
		return cli.Usage("%w", err)
	}
	out := json.NewEncoder(app.Stdout)
	return c.open(app, func(authority *ca.CA) error {
		for from := uint64(0); ; {
			list, err := authority.Heads.Of(id, from, heads.Page)
			if err != nil {
				return err
			}
			for _, h := range list {
				if err := out.Encode(server.Kept(h)); err != nil {
					return err
				}
				from = h.Number + 1
			}
			if len(list) < heads.Page {
				return nil
			}
		}
	})
}

type headsForgetCmd struct {
	caDir
	Gateway string `arg:"" help:"Identity of the gateway: urn:tlagate:…"`
	Reason  string `required:"" placeholder:"TEXT" help:"${heads_reason}"`
}

// Run forgets the heads of a gateway; the CA's trace has who did so, why, and the last head.
func (c *headsForgetCmd) Run(app *cli.App) error {
	id, err := pki.ParseIdentity(c.Gateway)
	if err != nil {
		return cli.Usage("%w", err)
	}
	return c.open(app, func(authority *ca.CA) error {
		last, err := authority.Heads.Forget(id, c.Reason)
		if err != nil {
			return err
		}
		fmt.Fprintf(app.Stdout, "forgotten: the heads of %s; the last one was of line %d, hash %s\n", id, last.Number,
			last.Hash)
		return nil
	})
}
