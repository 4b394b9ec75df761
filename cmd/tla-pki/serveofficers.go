package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os/user"
	"reflect"
	"strconv"
	"time"

	"tlagate/audit"
	"tlagate/ca"
	"tlagate/ca/officers"
	"tlagate/cmd/internal/cli"
	"tlagate/internal/local"
	"tlagate/internal/tcp"
	"tlagate/pki/trust"
)

// officersAt is where the officers' API is: a Unix socket, a TCP listener, or both. Either wants a certificate.
type officersAt struct {
	Socket cli.Path `yaml:"socket"`
	Group  string   `yaml:"group"` // whose members may connect to the socket; "" = the program's own
	Listen string   `yaml:"listen"`
}

// admin is one officer.
type admin struct {
	Identity string   `yaml:"identity"`
	Roles    []string `yaml:"roles"`
}

// checkOfficers says what is wrong with both sections.
func (c *serveConfig) checkOfficers() error {
	var errs []error
	at := c.Officers
	switch {
	case at == officersAt{} && len(c.Admins) > 0:
		errs = append(errs, errors.New("admins are named, but not where they act: write officers: "+
			"{socket: /run/tla-pki/officers.sock}"))
	case at != officersAt{} && at.Socket == "" && at.Listen == "":
		errs = append(errs, errors.New("officers names neither a socket nor an address to listen on"))
	case at != officersAt{} && len(c.Admins) == 0:
		errs = append(errs, errors.New("officers is there, but nobody may act: name them under admins"))
	case at.Group != "" && at.Socket == "":
		errs = append(errs, errors.New("officers.group is of a socket, which is missing"))
	}
	if at.Listen != "" {
		errs = append(errs, cli.CheckListen("officers.listen", at.Listen))
	}
	return errors.Join(append(errs, officers.Check(c.officers()))...)
}

func (c *serveConfig) officers() (list []officers.Officer) {
	for _, a := range c.Admins {
		o := officers.Officer{Identity: a.Identity}
		for _, r := range a.Roles {
			o.Roles = append(o.Roles, officers.Role(r))
		}
		list = append(list, o)
	}
	return list
}

// counter is the officers' API of a running server; the zero value is that of one without.
type counter struct {
	server  *officers.Server
	on      []net.Listener
	release func() error
}

// openCounter reserves the CA for its officers, and listens for them.
func (c serveConfig) openCounter(app *cli.App, authority *ca.CA, party *trust.Party,
	trace *audit.Log) (*counter, error) {
	if c.Officers == (officersAt{}) {
		app.Log.Warn("this CA has no officers: whoever has its account may do all that needs no root; " +
			"name them under admins (SP3)")
		return &counter{}, nil
	}
	server, err := officers.New(officers.Config{CA: authority, Dir: string(c.Dir), Party: party,
		Officers: c.officers(), Log: app.Log, Trace: trace,
		Status:    func(a *ca.CA) (any, error) { return statusIn(string(c.Dir), a, time.Now()) },
		Inventory: func(a *ca.CA) (any, error) { return inventoryOf(a, nil, time.Now()) },
	})
	if err != nil {
		return nil, err
	}
	d := &counter{server: server}
	if d.release, err = authority.Reserve(); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	if err := d.listen(app, c.Officers); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

func (d *counter) listen(app *cli.App, at officersAt) error {
	if at.Socket != "" {
		gid, err := groupID(at.Group)
		if err != nil {
			return err
		}
		l, err := local.Listen(string(at.Socket), gid)
		if err != nil {
			return fmt.Errorf("cannot listen on officers.socket %s: %w", at.Socket, err)
		}
		d.on = append(d.on, l)
		app.Log.Info("officers", "address", "unix:"+string(at.Socket))
	}
	if at.Listen != "" {
		l, err := tcp.Listen(app.Context, at.Listen, false)
		if err != nil {
			return fmt.Errorf("cannot listen on officers.listen %s: %w", at.Listen, err)
		}
		d.on = append(d.on, l)
		app.Log.Info("officers", "address", l.Addr().String())
	}
	return nil
}

// follow returns a function that reads the configuration again, and puts in force what officers may do now, whatever
// else has changed; a running server changes nothing else.
func (d *counter) follow(running serveConfig, file string, changed func() error, log *slog.Logger) func() error {
	return func() error {
		var c serveConfig
		if err := cli.LoadYAML(file, &c, c.check); err != nil {
			return err
		}
		if d.server != nil && !reflect.DeepEqual(c.Admins, running.Admins) {
			if err := d.server.SetOfficers(c.officers()); err != nil {
				return err
			}
			log.Info("roles of officers read again", "officers", len(c.Admins))
			running.Admins = c.Admins
		}
		if !reflect.DeepEqual(c, running) {
			log.Warn("the rest of the configuration has changed too: that takes a restart")
			running = c
		}
		return changed()
	}
}

// groupID returns the number of a group; -1 for "".
func groupID(name string) (int, error) {
	if name == "" {
		return -1, nil
	}
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, fmt.Errorf("cannot use officers.group: %w", err)
	}
	return strconv.Atoi(g.Gid)
}

// beside serves the officers while f runs; when either fails, both end.
func (d *counter) beside(ctx context.Context, f func(context.Context) error) error {
	if d.server == nil {
		return f(ctx)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() {
		defer stop()
		ended <- d.server.Serve(ctx, d.on...)
	}()
	err := f(ctx)
	stop()
	return errors.Join(err, <-ended)
}

// Close closes what listens, and gives the CA free.
func (d *counter) Close() error {
	for _, l := range d.on {
		l.Close()
	}
	if d.server != nil {
		d.server.Close()
	}
	if d.release != nil {
		return d.release()
	}
	return nil
}
