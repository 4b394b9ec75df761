package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"tlagate/cmd/internal/cli"
	"tlagate/gateway/api/client"
	"tlagate/keys"
	"tlagate/pki/trust"
)

// reach says how a command gets to a gateway's API: through the socket that the configuration names, or with a
// certificate of role admin.
type reach struct {
	Config     string     `short:"c" default:"/etc/tlagate/gateway.yaml" placeholder:"FILE" help:"Configuration of the gateway of this machine; ${default}."`
	Gateway    string     `placeholder:"URL" help:"A gateway elsewhere, https://HOST:PORT; or unix:/PATH, the socket that takes certificates."`
	Operator   string     `placeholder:"FILE" env:"TLAGATE_OPERATOR" help:"Configuration of an operator (YAML): gateway, identity and trust, in place of the options here."`
	Cert       string     `placeholder:"FILE" help:"Our certificate, of role admin."`
	Key        keys.Spec  `placeholder:"KEY" help:"Its key: a file, pkcs11:… or tpm:FILE."`
	Anchor     []cli.Path `placeholder:"FILE" help:"Root of the gateway's certificate; otherwise, as the configuration of this machine says."`
	CRL        []cli.Path `name:"crl" placeholder:"FILE" help:"CRL or ARL, file or URL."`
	Socket     string     `placeholder:"PATH" help:"The socket that gives the role read, if it is not that of the configuration."`
	BreakGlass string     `placeholder:"WHY" help:"As root, over that socket, without a certificate: for an emergency. It raises an alarm."`
}

// operator is the file of an operator.
type operator struct {
	Gateway  string       `yaml:"gateway"`
	Name     string       `yaml:"name"` // DNS name in the gateway's certificate; empty: the host of gateway
	Identity cli.Identity `yaml:"identity"`
	Trust    cli.Trust    `yaml:"trust"`

	cli.Crypto `yaml:",inline"`
}

// remote reports whether a certificate is used.
func (r *reach) remote() bool { return r.Gateway != "" || r.Operator != "" || r.Cert != "" }

// away reports whether the gateway is asked, even where its files could be read.
func (r *reach) away() bool { return r.remote() || r.BreakGlass != "" }

// do calls f with a client of the gateway.
func (r *reach) do(app *cli.App, f func(c *client.Client) error) error {
	if !r.remote() {
		return r.locally(f)
	}
	if r.BreakGlass != "" {
		return cli.Usage("cannot use --break-glass with a certificate: it is for root, over the socket; leave out " +
			"--operator and unset TLAGATE_OPERATOR")
	}
	o, err := r.operator()
	if err != nil {
		return err
	}
	if err := o.Insist(app); err != nil {
		return err
	}
	remote, err := client.ParseRemote(o.Gateway)
	if err != nil {
		return cli.Usage("--gateway: %w", err)
	}
	own, err := o.Identity.OpenWith(keys.Config{PIN: cli.AskPIN})
	if err != nil {
		return cli.Usage("%w", err)
	}
	defer own.Close()
	if err := own.OfAdmin(app.Log); err != nil {
		return cli.Usage("%w", err)
	}
	store, err := trust.Open(o.Trust.Config(o.Demanded(), slog.New(warnings{app.Log.Handler()})))
	if err != nil {
		return cli.Usage("%w", err)
	}
	remote.Name = cmp.Or(o.Name, remote.Name)
	remote.Party = &trust.Party{Trust: store, Certificate: own.Certificate}
	c := client.Mutual(remote)
	defer c.Close()
	return f(c)
}

// warnings is the log of a command: what is meant to happen is not in it.
type warnings struct{ slog.Handler }

// Enabled is of slog.Handler.
func (w warnings) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && w.Handler.Enabled(ctx, level)
}

func (r *reach) locally(f func(c *client.Client) error) error {
	socket := r.Socket
	if socket == "" {
		c, _, err := load(r.Config)
		switch {
		case err != nil && !cli.Usable(err):
			return cli.Usage("%w; or name the socket with --socket, or a gateway with --gateway", err)
		case c.API == nil || c.API.Socket == "":
			return cli.Usage("cannot ask the gateway: %s names no api.socket; name a gateway with --gateway", r.Config)
		}
		socket = string(c.API.Socket)
	}
	c := client.Local(socket, r.BreakGlass)
	defer c.Close()
	return f(c)
}

// operator returns what the options and the operator's file say, and for the rest this machine's configuration.
func (r *reach) operator() (o operator, err error) {
	if r.Operator != "" {
		if _, err := os.Stat(r.Operator); err != nil {
			return o, cli.Usage("cannot read the operator's file: %w; docs/operate.md has one to copy", err)
		}
		if err := cli.LoadYAML(r.Operator, &o); err != nil {
			return o, err
		}
	}
	o.Gateway = cmp.Or(r.Gateway, o.Gateway)
	if r.Cert != "" || r.Key != "" {
		o.Identity = cli.Identity{Cert: cli.Path(r.Cert), Key: r.Key}
	}
	if len(r.Anchor) > 0 {
		o.Trust = cli.Trust{CRLs: r.CRL}
		for _, file := range r.Anchor {
			o.Trust.Anchors = append(o.Trust.Anchors, cli.Anchor{File: file, Practices: []string{"*"}})
		}
	}
	if o.Identity.Cert == "" || o.Identity.Key == "" {
		return o, cli.Usage("cannot ask the gateway: name our certificate with --cert and --key, or all with " +
			"--operator")
	}
	if o.Gateway == "" || len(o.Trust.Anchors) == 0 {
		if err := r.fill(&o); err != nil {
			return o, cli.Usage("%w", err)
		}
	}
	return o, nil
}

// unsaid returns what is missing.
func unsaid(o *operator) string {
	switch {
	case o.Gateway == "" && len(o.Trust.Anchors) == 0:
		return "where the gateway is and whom to trust"
	case o.Gateway == "":
		return "where the gateway is"
	}
	return "whom to trust"
}

// fill adds what is missing from the configuration of this machine's gateway. Its files of state are not ours to write.
func (r *reach) fill(o *operator) error {
	c, _, err := load(r.Config)
	if errors.Is(err, os.ErrNotExist) || err != nil && !cli.Usable(err) {
		why := err.Error()
		if errors.Is(err, os.ErrNotExist) {
			why = r.Config + " is not there"
		}
		return fmt.Errorf("cannot tell %s: name --gateway, --anchor and --crl, or --operator; %s", unsaid(o), why)
	}
	if len(o.Trust.Anchors) == 0 {
		o.Trust, o.Crypto = c.Trust, c.Crypto
		o.Trust.ARL, o.Trust.State, o.Trust.Denials, o.Trust.Answers = "", "", "", ""
	}
	if o.Gateway == "" && c.API != nil && c.API.TLSSocket != "" {
		o.Gateway = "unix:" + string(c.API.TLSSocket)
	}
	if o.Gateway == "" {
		return fmt.Errorf("cannot tell where the gateway is: name --gateway, or api.tls_socket in %s", r.Config)
	}
	return nil
}
