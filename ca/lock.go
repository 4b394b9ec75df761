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
