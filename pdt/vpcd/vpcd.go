// Package vpcd shows cards to programs through the virtual reader driver of the vsmartcard project, vpcd 3.3 or its
// twin for Windows. tla-pdt uses it on Windows alone.
//
// Limits: the driver listens on all interfaces, whoever reaches its ports can be the card or take it, it polls, and it
// has no PIN pad. An outcome that has no status word (session.Unknown, session.Failed) is answered 6F00.
package vpcd

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"time"

	"tlagate/pdt"
	"tlagate/session"
)

// Config says where the virtual reader driver (vpcd) is and how it is used.
type Config struct {
	Address  string        // its host, a loopback address; "" = 127.0.0.1
	Port     int           // TCP port of slot 0, slot 1 is the next; 0 = 35963
	Gap      time.Duration // shortest absence between two cards of a slot; 0 = 1 s, on Windows 2 s
	PowerOff time.Duration // how long a power-off waits for a power-on before it is sent to the card; 0 = 1 s
	Retry    time.Duration // longest pause between two dials; 0 = 1 s
	Log      *slog.Logger  // nil = discard
}

func (c Config) withDefaults() Config {
	c.Address = cmp.Or(c.Address, "127.0.0.1")
	c.Port = cmp.Or(c.Port, 35963)
	c.Gap = cmp.Or(c.Gap, defaultGap())
	c.PowerOff = cmp.Or(c.PowerOff, time.Second)
	c.Retry = cmp.Or(c.Retry, time.Second)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// defaultGap returns the Gap that programs notice. The driver polls every 0.4 s on Linux, every second on Windows; a
// shorter absence may not be seen, and then a program reads the new card through the handle that it had of the old one.
func defaultGap() time.Duration {
	if runtime.GOOS == "windows" {
		return 2 * time.Second
	}
	return time.Second
}

// check refuses what would carry card data in clear over a network (C2).
func (c Config) check() error {
	var errs []error
	if ip, err := netip.ParseAddr(c.Address); err != nil || !ip.IsLoopback() {
		errs = append(errs, fmt.Errorf("cannot use %q as the virtual reader driver's address: want a loopback "+
			"address such as 127.0.0.1", c.Address))
	}
	if last := 65535 - session.Slots + 1; c.Port < 1 || c.Port > last {
		errs = append(errs, fmt.Errorf("cannot use %d as the virtual reader driver's port: want 1 to %d, there is "+
			"one for each slot", c.Port, last))
	}
	return errors.Join(errs...)
}

// New returns the readers of the driver. While a card is shown there is a TCP connection to it.
func New(cfg Config) ([session.Slots]pdt.Reader, error) {
	cfg = cfg.withDefaults()
	var readers [session.Slots]pdt.Reader
	if err := cfg.check(); err != nil {
		return readers, err
	}
	for i := range readers {
		readers[i] = newReader(cfg, session.Slot(i))
	}
	return readers, nil
}
