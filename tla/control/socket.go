package control

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// mode of the socket file: its owner and its group may connect.
const mode = 0o660

// socket is a listening Unix socket and its file.
type socket struct {
	net.Listener
	path string
	file os.FileInfo
	once sync.Once
}

// openSocket listens on path, whose group becomes gid (-1: stays).
func openSocket(path string, gid int) (*socket, error) {
	if err := checkFree(path); err != nil {
		return nil, fmt.Errorf("cannot open the control socket: %w", err)
	}
	s, err := listen(path, gid)
	if err != nil {
		return nil, fmt.Errorf("cannot open the control socket %s: %w", path, err)
	}
	return s, nil
}

// checkFree refuses a living daemon's socket, and a file that is none.
func checkFree(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%s exists and is no socket: remove it or configure another path", path)
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		c.Close()
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("another relay is running on %s: stop it first", path)
	}
	return nil
}

// listen makes the file under another name first, so that nobody finds it with other rights than it shall have.
func listen(path string, gid int) (*socket, error) {
	hidden := path + ".new"
	if err := os.Remove(hidden); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: hidden, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	s := &socket{Listener: l, path: path}
	if err := s.publish(hidden, gid); err != nil {
		l.Close()
		os.Remove(hidden)
		return nil, err
	}
	return s, nil
}

func (s *socket) publish(hidden string, gid int) (err error) {
	if err := os.Lchown(hidden, -1, gid); err != nil {
		return err
	}
	if err := os.Chmod(hidden, mode); err != nil {
		return err
	}
	if s.file, err = os.Lstat(hidden); err != nil {
		return err
	}
	return os.Rename(hidden, s.path)
}

// close stops listening and removes the file, if it is still ours.
func (s *socket) close() {
	s.once.Do(func() {
		if now, err := os.Lstat(s.path); err == nil && os.SameFile(now, s.file) {
			_ = os.Remove(s.path)
		}
		_ = s.Listener.Close()
	})
}
