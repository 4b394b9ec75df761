package ca

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// lockWait is how long one program waits for another to finish its writing.
const lockWait = 30 * time.Second

// locks keep programs from writing to a CA at the same time.
type locks struct {
	dir  string
	stop <-chan struct{} // closed: wait no longer; nil = wait up to lockWait
}

// books runs f while no other program issues, revokes or releases. See Lists.publish for the locks of publishers.
func (l locks) books(f func() error) error { return l.with("lock", f) }

// with runs f while no other program has that lock of the CA.
func (l locks) with(name string, f func() error) error {
	lock, err := os.OpenFile(filepath.Join(l.dir, name), os.O_CREATE|os.O_RDWR, modeSecret)
	if err != nil {
		return fmt.Errorf("cannot lock the CA: %w", err)
	}
	defer lock.Close() // which unlocks
	if err := l.wait(lock); err != nil {
		return fmt.Errorf("cannot lock the CA %s: %w", l.dir, err)
	}
	return f()
}

func (l locks) wait(lock *os.File) error {
	again, end := time.NewTicker(20*time.Millisecond), time.After(lockWait)
	defer again.Stop()
	for {
		err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil || !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return err
		}
		select {
		case <-again.C:
		case <-l.stop:
			return errors.New("stopped while another program is writing to it")
		case <-end:
			return fmt.Errorf("another program has been writing to it for %s", lockWait)
		}
	}
}

// ErrReserved says that a running server has the CA for its officers.
var ErrReserved = errors.New("a running tla-pki serve has officers, and what is done to the CA goes to it")

// reservation is the lock of a server with officers, and, shared, of a program that acts without one.
const reservation = "lock-officers"

// Reserve keeps programs from acting on the directory ([CA.Unreserved]) until release is called. It waits for those
// that do so now.
func (c *CA) Reserve() (release func() error, err error) {
	lock, err := c.openReservation()
	if err != nil {
		return nil, err
	}
	if err := c.locks.wait(lock); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot reserve the CA %s for its officers: %w", c.dir, err), lock.Close())
	}
	return lock.Close, nil
}

// Unreserved runs f unless a server has reserved the CA: ErrReserved. A server that comes later waits for f's end.
func (c *CA) Unreserved(f func() error) error {
	lock, err := c.openReservation()
	if err != nil {
		return err
	}
	defer lock.Close()
	switch err := unix.Flock(int(lock.Fd()), unix.LOCK_SH|unix.LOCK_NB); {
	case errors.Is(err, unix.EWOULDBLOCK):
		return ErrReserved
	case err != nil:
		return fmt.Errorf("cannot lock the CA %s: %w", c.dir, err)
	}
	return f()
}

// Alone runs f while no other program has the CA run one.
func (c *CA) Alone(f func() error) error { return c.locks.with("lock-alone", f) }

func (c *CA) openReservation() (*os.File, error) {
	lock, err := os.OpenFile(filepath.Join(c.dir, reservation), os.O_CREATE|os.O_RDWR, modeSecret)
	if err != nil {
		return nil, fmt.Errorf("cannot lock the CA: %w", err)
	}
	return lock, nil
}
