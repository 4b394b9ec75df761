package local

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// Modes of the socket file: its owner and its group may connect, or everyone.
const (
	mode     = 0o660
	modeOpen = 0o666
)

// Why Listen refuses a path.
var (
	ErrNoSocket = errors.New("something that is no socket is in its place")
	ErrInUse    = errors.New("another program listens on it")
)

// Socket is a listening Unix socket and its file.
type Socket struct {
	net.Listener
	path string
	file os.FileInfo
	once sync.Once
}

// Listen listens on path, whose group becomes gid (-1 = it stays). The file of a daemon that has ended is replaced. The
// error is ErrInUse for that of a running one, and ErrNoSocket for a file that is no socket.
func Listen(path string, gid int) (*Socket, error) { return listenFree(path, gid, mode) }

// ListenOpen is Listen for a socket to which everyone may connect: the caller asks PeerOf who it is.
func ListenOpen(path string) (*Socket, error) { return listenFree(path, -1, modeOpen) }

func listenFree(path string, gid int, mode fs.FileMode) (*Socket, error) {
	if err := checkFree(path); err != nil {
		return nil, err
	}
	return listen(path, gid, mode)
}

func checkFree(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return ErrNoSocket
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		c.Close()
	}
	if err == nil || !refused(err) {
		return ErrInUse
	}
	return nil
}

// refused reports whether no program listens. Windows has an error number of its own for that.
func refused(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || runtime.GOOS == "windows"
}

// listen makes the file under another name first, so that no program can find it with other rights than intended.
func listen(path string, gid int, mode fs.FileMode) (*Socket, error) {
	hidden := path + ".new"
	if runtime.GOOS == "windows" {
		hidden = path // it is not known whether a socket can be renamed there, and the directory's rights decide
	}
	if err := os.Remove(hidden); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: hidden, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	s := &Socket{Listener: l, path: path}
	if err := s.publish(hidden, gid, mode); err != nil {
		l.Close()
		os.Remove(hidden)
		return nil, err
	}
	return s, nil
}

func (s *Socket) publish(hidden string, gid int, mode fs.FileMode) (err error) {
	if gid >= 0 {
		if err := os.Lchown(hidden, -1, gid); err != nil {
			return err
		}
	}
	if err := os.Chmod(hidden, mode); err != nil {
		return err
	}
	if s.file, err = os.Lstat(hidden); err != nil || hidden == s.path {
		return err
	}
	return os.Rename(hidden, s.path)
}

// Close stops listening and removes the file, if it is still ours.
func (s *Socket) Close() (err error) {
	s.once.Do(func() {
		if now, err := os.Lstat(s.path); err == nil && os.SameFile(now, s.file) {
			_ = os.Remove(s.path)
		}
		err = s.Listener.Close()
	})
	return err
}
