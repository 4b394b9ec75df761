package pdt

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"time"

	"tlagate/session"
)

// DriverConfig says where the virtual reader driver (vpcd) is and how it is used.
type DriverConfig struct {
	Address  string        // its host, a loopback address; "" = 127.0.0.1
	Port     int           // TCP port of slot 0, slot 1 is the next; 0 = 35963
	Gap      time.Duration // shortest absence between two cards of a slot; 0 = 1 s, on Windows 2 s
	PowerOff time.Duration // how long a power-off waits for a power-on before it is sent to the card; 0 = 1 s
	Retry    time.Duration // longest pause between two dials; 0 = 1 s
	Log      *slog.Logger  // nil = discard
}

func (c DriverConfig) withDefaults() DriverConfig {
	c.Address = either(c.Address, "127.0.0.1")
	c.Port = either(c.Port, 35963)
	c.Gap = either(c.Gap, defaultGap())
	c.PowerOff = either(c.PowerOff, time.Second)
	c.Retry = either(c.Retry, time.Second)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// either returns v, or def when v is the zero value.
func either[T comparable](v, def T) T {
	if v == *new(T) {
		return def
	}
	return v
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
func (c DriverConfig) check() error {
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

// NewDriver returns the readers of the virtual reader driver (vpcd 3.3 of the vsmartcard project, or its Windows twin).
// While a card is shown there is a TCP connection to the driver.
func NewDriver(cfg DriverConfig) ([session.Slots]Reader, error) {
	cfg = cfg.withDefaults()
	var readers [session.Slots]Reader
	if err := cfg.check(); err != nil {
		return readers, err
	}
	for i := range readers {
		readers[i] = newVPCD(cfg, session.Slot(i))
	}
	return readers, nil
}
