package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/enrol"
	"tlagate/cmd/internal/trail"
	"tlagate/est"
	"tlagate/gateway"
	"tlagate/internal/address"
	"tlagate/pki/trust"
)

// enrolment is the YAML section about the PKI behind us.
type enrolment struct {
	Name        string `yaml:"name"`
	To          string `yaml:"to"`
	Connections int    `yaml:"connections"`
	PerAddress  int    `yaml:"per_address"`
}

func (e *enrolment) check() error {
	if e == nil {
		return nil
	}
	var errs []error
	if e.Connections < 0 || e.PerAddress < 0 {
		errs = append(errs, errors.New("enrolment.connections or enrolment.per_address is negative"))
	}
	if _, err := address.Dial(e.To); err != nil {
		errs = append(errs, fmt.Errorf("cannot use enrolment.to %q: %w; want HOST:PORT of the PKI",
			address.Shown(string(e.To)), err))
	}
	return errors.Join(errs...)
}

func (e *enrolment) gateway() *gateway.Enrolment {
	if e == nil {
		return nil
	}
	return &gateway.Enrolment{Name: e.Name, To: e.To, Connections: e.Connections, PerAddress: e.PerAddress}
}

// ambiguous refuses a name of the PKI that is ours as well: our own peers would be piped to the PKI.
func (e *enrolment) ambiguous(keys *cli.Keys) error {
	if e == nil || e.Name == "" || keys.Certificate().Leaf.VerifyHostname(e.Name) != nil {
		return nil
	}
	return fmt.Errorf("cannot pipe enrolment for %s: it is a name in our own certificate; give the PKI another", e.Name)
}

// pki returns where we ask the PKI for our own certificates; its Address is "" when that is unknown.
func (c config) pki() est.Place {
	if c.Renewal.PKI != "" {
		direct, _ := est.DirectPlace(string(c.Renewal.PKI)) // checked when it is used
		return direct
	}
	if c.Enrolment != nil {
		return est.Place{Address: c.Enrolment.To, Name: c.Enrolment.Name}
	}
	return est.Place{}
}

// device names our certificates. The client certificate authenticates the renewal of both.
func (c config) device() enrol.Device {
	return enrol.Device{Trust: c.Trust, Crypto: c.Demanded(), Pairs: []enrol.Pair{
		{Name: "client", Files: c.Client, Profile: est.GatewayClient},
		{Name: "identity", Files: c.Identity, Profile: est.GatewayServer},
	}}
}

type enrollCmd struct {
	configFlag
	enrol.Command
}

// Run gets our two certificates with a one-time code.
func (e *enrollCmd) Run(app *cli.App) error {
	c, _, err := load(e.Config)
	if err != nil {
		return err
	}
	if err := c.Insist(app); err != nil {
		return err
	}
	if err := c.becomeOwner(e.Config); err != nil {
		return err
	}
	trace, err := trail.OpenKept(app, "tla-gateway enroll", c.Audit)
	if err != nil {
		return err
	}
	device := c.device()
	device.Hybrids = &trust.Hybrids{Without: trace.Hybrids}
	return trace.Enrolment(func() error {
		return e.Command.Run(app, device, c.pki(),
			enrol.English("tla-gateway", "Next: tla-gateway check, then start tla-gateway."))
	})
}

// renewer returns what renews our certificates; nil when no client certificate is configured, or no PKI is known.
func (c config) renewer(trace *trail.Trail, trust *trust.Trust, server *cli.Keys,
	log *slog.Logger) (*enrol.Renewer, error) {
	if c.Client == (cli.Identity{}) || c.pki().Address == "" {
		return nil, nil
	}
	client, err := trace.Keys("client", c.Client)
	if err != nil {
		return nil, err
	}
	pairs := c.device().Pairs
	return &enrol.Renewer{Trust: trust, At: c.Renewal.At, Log: log, Traced: trace.Renewal,
		Held: []enrol.Held{{Pair: pairs[0], Keys: client}, {Pair: pairs[1], Keys: server}}}, nil
}

// renew runs a renewer, if there is one.
func (c config) renew(ctx context.Context, r *enrol.Renewer) {
	if r != nil {
		r.Run(ctx, []est.Place{c.pki()})
	}
}

// keysOf returns the server's keys, and those that a renewer renews.
func keysOf(r *enrol.Renewer, server *cli.Keys) []*cli.Keys {
	if r == nil {
		return []*cli.Keys{server}
	}
	list := []*cli.Keys{server}
	for _, h := range r.Held {
		if !slices.Contains(list, h.Keys) {
			list = append(list, h.Keys)
		}
	}
	return list
}
