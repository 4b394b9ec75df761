//go:build !linux

package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/doctor"
	"tlagate/pdt"
	"tlagate/pdt/vpcd"
	"tlagate/session"
)

// driver says where the virtual reader driver (vpcd) is and how it is used.
type driver struct {
	Address string        `yaml:"address"`
	Port    int           `yaml:"port"`
	Gap     time.Duration `yaml:"gap"`
}

func (d driver) withDefaults(cli.Path) driver { return d }

// shortestGap is the shortest absence of a card that the driver notices.
const shortestGap = time.Second

func (d driver) check() error {
	if d.Gap != 0 && d.Gap < shortestGap {
		return fmt.Errorf("cannot use driver.gap: %s is too short for the driver to notice a removal, want at least %s",
			d.Gap, shortestGap)
	}
	_, _, err := d.open(nil)
	return err
}

// open returns the readers. Nothing need be served: they dial the driver.
func (d driver) open(log *slog.Logger) (readers [session.Slots]pdt.Reader, run func(context.Context) error, err error) {
	readers, err = vpcd.New(vpcd.Config{Address: d.Address, Port: d.Port, Gap: d.Gap, Log: log})
	return readers, func(ctx context.Context) error { <-ctx.Done(); return nil }, err
}

func (d driver) accounts() []string { return nil }

// examined returns what the doctor looks at: our driver for pcscd, which is Linux's.
func (c config) examined(here doctor.System, _ string) doctor.Driver {
	return doctor.Driver{System: here}
}
