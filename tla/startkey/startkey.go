// Package startkey makes the press of a physical key an act of the user (annex code C4): an input device of the Linux
// kernel (evdev) whose key starts a session, says that the user is still there, and ends it.
//
//	no session     a press, as long as Hold, starts one
//	a session      a press shorter than two seconds: the user is still there; a longer one ends it
//
// Only a press that begins while the device is open counts, not a key that is down already, nor autorepeat.
package startkey

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"tlagate/internal/retry"
)

// Config configures a Key.
type Config struct {
	Device string        // absolute path of the input device; it may come and go
	Key    string        // name or number: Code
	Hold   time.Duration // how long the key must be down to start; less than Long
	Long   time.Duration // how long to stop; 0 = 2 s
	Retry  time.Duration // pause between two looks for an absent device; 0 = 1 s
	FIFO   bool          // the device may be a FIFO of input events, as in tests
	Acts   Acts
	Log    *slog.Logger // nil = discard
}

// Key is one key of one input device.
type Key struct {
	cfg  Config
	code uint16
}

// New returns a key; the error says what cannot be used. It is no error if the device is not there yet.
func New(cfg Config) (*Key, error) {
	cfg.Long, cfg.Retry = cmp.Or(cfg.Long, 2*time.Second), cmp.Or(cfg.Retry, time.Second)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	code, err := Code(cfg.Key)
	if err != nil {
		return nil, err
	}
	if cfg.Hold < 0 || cfg.Hold >= cfg.Long {
		return nil, fmt.Errorf("cannot use a start key that is to be held for %v: want less than %v, which stops",
			cfg.Hold, cfg.Long)
	}
	if !filepath.IsAbs(cfg.Device) {
		return nil,
			fmt.Errorf("cannot use the start key's device %q: want the path of an input device of this machine, "+
				"/dev/input/…", cfg.Device)
	}
	if err := cfg.check(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return &Key{cfg, code}, nil
}

// inputMajor is the major number of the kernel's input devices.
const inputMajor = 13

// check refuses what is no input device, before it is opened: opening may have an effect on another device.
func (c Config) check() error {
	info, err := os.Stat(c.Device)
	if err != nil {
		return fmt.Errorf("cannot use the start key's device: %w", err)
	}
	return c.judge(info)
}

func (c Config) judge(info fs.FileInfo) error {
	stat, _ := info.Sys().(*syscall.Stat_t)
	switch mode := info.Mode(); {
	case mode&fs.ModeCharDevice != 0 && stat != nil && unix.Major(uint64(stat.Rdev)) == inputMajor:
		return nil
	case mode&fs.ModeNamedPipe != 0 && c.FIFO:
		return nil
	}
	return fmt.Errorf("cannot use the start key's device %s: it is no input device", c.Device)
}

// eviocgversion asks an evdev device for its version, which no other device knows (EVIOCGVERSION, linux/input.h).
const eviocgversion = 0x80044501

// open opens the device, and checks that what it has opened is an input device.
func (c Config) open() (*os.File, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(c.Device, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot open the start key's device: %w", err)
	}
	if err := c.prove(f); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (c Config) prove(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := c.judge(info); err != nil || info.Mode()&fs.ModeNamedPipe != 0 {
		return err
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) { _, failed = unix.IoctlGetInt(int(fd), eviocgversion) })
	if err := errors.Join(err, failed); err != nil {
		return fmt.Errorf("cannot use the start key's device %s: it sends no input events: %w", c.Device, err)
	}
	return nil
}

// Run watches the key until ctx ends, through any absence of its device.
func (k *Key) Run(ctx context.Context) error {
	said := ""
	for ctx.Err() == nil {
		f, err := k.cfg.open()
		if err == nil {
			k.cfg.Log.Info("start key in use", "device", k.cfg.Device, "key", k.cfg.Key)
			err = k.follow(ctx, f)
		}
		if text := err.Error(); text != said && ctx.Err() == nil {
			k.cfg.Log.Warn("start key not usable; trying again", "device", k.cfg.Device, "error", err)
			said = text
		}
		retry.Sleep(ctx, k.cfg.Retry)
	}
	return nil
}

// follow turns presses into acts until the device is gone or ctx ends. A press that is under way then is forgotten.
func (k *Key) follow(ctx context.Context, f *os.File) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	events, gone := make(chan event), make(chan error, 1)
	stop := context.AfterFunc(ctx, func() { f.Close() })
	defer stop()
	go func() {
		err := stream(f, word, func(e event) {
			select {
			case events <- e:
			case <-ctx.Done():
			}
		})
		f.Close()
		gone <- fmt.Errorf("cannot read the start key's device: %w", err)
	}()
	p := &presses{code: k.code, acts: k.cfg.Acts, hold: k.cfg.Hold, long: k.cfg.Long}
	for {
		select {
		case e := <-events:
			p.see(e)
		case <-p.start:
			p.held()
		case <-p.stop:
			p.heldLong()
		case err := <-gone:
			return err
		}
	}
}
