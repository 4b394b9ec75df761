// Package activation takes the listening sockets that a service manager keeps open for a program, also while it is
// started again: who connects meanwhile waits, and is not refused. It is sd_listen_fds(3) of systemd, without its
// library.
package activation

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Sockets are those that were passed and that nobody has taken yet. The zero Sockets are none.
type Sockets struct{ files map[string]*os.File }

// firstFD is the descriptor of the first socket.
const firstFD = 3

// Passed returns the sockets of which the environment speaks (LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES). Call it once,
// and when nothing is started again in the program's place any more.
func Passed(getenv func(string) string) (*Sockets, error) {
	s := &Sockets{map[string]*os.File{}}
	if getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
		return s, nil
	}
	n, err := strconv.Atoi(getenv("LISTEN_FDS"))
	names := strings.Split(getenv("LISTEN_FDNAMES"), ":")
	if err != nil || n != len(names) {
		return nil, fmt.Errorf("cannot take the sockets of the service manager: LISTEN_FDS=%s, and LISTEN_FDNAMES=%s "+
			"does not name so many", getenv("LISTEN_FDS"), getenv("LISTEN_FDNAMES"))
	}
	for i, name := range names {
		if s.files[name] != nil {
			return nil, fmt.Errorf("cannot take two sockets of the service manager named %s: the program listens on "+
				"one address; leave one ListenStream= in the socket's unit", name)
		}
		s.files[name] = file(firstFD+i, name)
	}
	return s, nil
}

// Take returns the listener that was passed under that name; nil when none was. It must listen on address, as the
// program itself would: what the program's configuration says is what others go by.
func (s *Sockets) Take(name, address string, multipath bool) (net.Listener, error) {
	f := s.files[name]
	if f == nil {
		return nil, nil
	}
	delete(s.files, name)
	l, err := net.FileListener(f)
	if err == nil {
		err = errors.Join(fits(l, address), plain(f, multipath))
	}
	if err = errors.Join(err, f.Close()); err != nil {
		if l != nil {
			l.Close()
		}
		return nil, fmt.Errorf("cannot take the socket %s of the service manager: %w", name, err)
	}
	return l, nil
}

// Left returns an error that names what was passed and not taken: somebody may connect there, and would wait for ever.
func (s *Sockets) Left() error {
	if len(s.files) == 0 {
		return nil
	}
	return fmt.Errorf("cannot use what the service manager passed as %s: the program has no socket of that name; see "+
		"FileDescriptorName= in the socket's unit", strings.Join(slices.Sorted(maps.Keys(s.files)), ", "))
}

// fits returns an error for a listener that is not on address.
func fits(l net.Listener, address string) error {
	want, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return err
	}
	got, ok := l.Addr().(*net.TCPAddr)
	if ok && got.Port == want.Port && (got.IP.Equal(want.IP) || want.IP == nil && got.IP.Equal(net.IPv6unspecified)) {
		return nil
	}
	return fmt.Errorf("it listens on %s, and the program is to listen on %s: make ListenStream= and the configuration "+
		"equal", l.Addr(), address)
}
