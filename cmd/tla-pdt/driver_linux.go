package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"strconv"

	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/doctor"
	"tlagate/pdt"
	"tlagate/pdt/ifd"
	"tlagate/session"
)

// driver says how the readers are shown to programs: by our driver in pcscd (docs/driver.md).
type driver struct {
	Socket cli.Path `yaml:"socket"` // "" = readers.sock beside the status socket
	PCSCD  []string `yaml:"pcscd"`  // accounts as which pcscd may run beside root, names or uids
	Prefix string   `yaml:"prefix"` // of the readers' names; "" = tlagate
}

// withDefaults fills in what depends on the rest of the configuration.
func (d driver) withDefaults(status cli.Path) driver {
	d.Socket = cmp.Or(d.Socket, cli.Path(filepath.Join(filepath.Dir(string(status)), "readers.sock")))
	if whole, err := filepath.Abs(string(d.Socket)); err == nil {
		d.Socket = cli.Path(whole)
	}
	d.Prefix = cmp.Or(d.Prefix, "tlagate")
	return d
}

func (d driver) check() error {
	_, err := d.new(nil)
	return errors.Join(err, ifd.Entry{Name: d.Prefix + " Vitale", Placeholder: true}.Check())
}

// entries returns our readers in pcscd's configuration, if owner runs the program.
func (d driver) entries(owner string) []ifd.Entry {
	socket := string(d.Socket)
	return []ifd.Entry{{Name: d.Prefix + " Vitale", Socket: socket, Owner: owner, Slot: int(session.SlotVitale)},
		{Name: d.Prefix + " CPS", Socket: socket, Owner: owner, Slot: int(session.SlotCPS)}}
}

// open returns the readers, and what serves their driver.
func (d driver) open(log *slog.Logger) (readers [session.Slots]pdt.Reader, run func(context.Context) error,
	err error) {
	driver, err := d.new(log)
	if err != nil {
		return readers, nil, err
	}
	return driver.Readers(), driver.Run, nil
}

func (d driver) new(log *slog.Logger) (*ifd.Driver, error) {
	peers, err := uids(d.PCSCD)
	if err != nil {
		return nil, err
	}
	return ifd.New(ifd.Config{Socket: string(d.Socket), Peers: peers, Log: log})
}

// accounts returns the uids as which pcscd may run besides root; none if one is not known.
func (d driver) accounts() (list []string) {
	peers, _ := uids(d.PCSCD) // the check of the configuration tells
	for _, uid := range peers {
		list = append(list, strconv.FormatUint(uint64(uid), 10))
	}
	return list
}

// uids returns those of accounts.
func uids(accounts []string) (list []uint32, err error) {
	for _, name := range accounts {
		text := name
		if u, err := user.Lookup(name); err == nil {
			text = u.Uid
		}
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("cannot use driver.pcscd: there is no account %q", name)
		}
		list = append(list, uint32(n))
	}
	return list, nil
}

// examined returns what the doctor looks at, by this configuration file.
func (c config) examined(here doctor.System, file string) doctor.Driver {
	names := map[string]string{}
	for _, e := range c.Driver.entries("") {
		names[strconv.Itoa(e.Slot)] = e.Name
	}
	return doctor.Driver{System: here, Socket: string(c.Driver.Socket), Version: cli.BuildVersion(), Names: names,
		PCSC: doctor.Socket(os.Getenv), Beside: filepath.Join(filepath.Dir(file), "readers"),
		State: func() (states []doctor.DriverState, err error) {
			st, _, err := pdt.AskStatus(string(c.Status))
			if err != nil {
				return nil, err
			}
			for _, s := range st.Slots {
				if d := s.Driver; d != nil {
					states = append(states, doctor.DriverState{Connected: d.Connected, Version: d.Version,
						Error: d.Error, Foreign: d.Foreign, Stranger: d.Stranger})
				}
			}
			return states, nil
		}}
}
