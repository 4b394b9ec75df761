package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"tlagate/cmd/internal/cli"
	"tlagate/tla"
	"tlagate/tla/seat"
	"tlagate/tla/startkey"
)

// The values of control.seat: which members of the group may do a person's acts over the control socket (C4).
const (
	seatLogind = "logind" // those who sit at this machine, as logind says
	seatNone   = "none"   // all, from anywhere
)

// finish sets the default of seat, and refuses what C4 does not allow on a sealed device.
func (c *control) finish(sealed bool) error {
	if c.Seat == "" {
		c.Seat = seatNone
		if sealed {
			c.Seat = seatLogind
		}
	}
	switch {
	case c.Seat != seatLogind && c.Seat != seatNone:
		return fmt.Errorf("cannot use control.seat %q: want %s or %s", c.Seat, seatLogind, seatNone)
	case c.Seat == seatNone && sealed:
		return errors.New("cannot use control.seat none: this device is sealed, and only a person who sits at it may " +
			"start a session (C4); remove the line")
	}
	return nil
}

// local returns control.Config.Local; nil = nothing is asked.
func (c control) local() func(context.Context, int) error {
	if c.Seat == seatNone {
		return nil
	}
	return seat.Config{}.Check
}

// startKey is a physical key whose press is an act of the user (C4).
type startKey struct {
	Device cli.Path      `yaml:"device"` // evdev; empty: none
	Key    string        `yaml:"key"`    // name or number
	Hold   time.Duration `yaml:"hold"`   // how long it must be down to start
}

// open opens the start key; it returns nil when none is configured.
func (k startKey) open(sealed bool, relay *tla.Relay, log *slog.Logger) (*startkey.Key, error) {
	if k == (startKey{}) {
		return nil, nil
	}
	return startkey.New(startkey.Config{Device: string(k.Device), Key: k.Key, Hold: k.Hold, FIFO: !sealed,
		Acts: relay.Key(), Log: log})
}

// built returns when the sources of this program were committed; zero if the build did not record it.
func built() (at time.Time) {
	info, _ := debug.ReadBuildInfo()
	if info == nil {
		return at
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.time" {
			at, _ = time.Parse(time.RFC3339, s.Value)
		}
	}
	return at
}
