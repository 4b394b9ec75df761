package pdt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"time"
)

const (
	statusMode  = 0o660 // of the socket: our user and group
	statusTime  = 5 * time.Second
	statusLimit = 1 << 20 // octets of an answer
)

// statusSocket answers each connection with the Status as JSON. It reads nothing.
type statusSocket struct {
	s *Service
	l *net.UnixListener // nil = none is wanted
}

func (s *Service) listenStatus() (*statusSocket, error) {
	if s.cfg.Status == "" {
		return &statusSocket{s, nil}, nil
	}
	if err := removeStale(s.cfg.Status); err != nil {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: s.cfg.Status, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("cannot open the status socket: %w", err)
	}
	if err := os.Chmod(s.cfg.Status, statusMode); err != nil {
		l.Close()
		return nil, fmt.Errorf("cannot protect the status socket: %w", err)
	}
	return &statusSocket{s, l}, nil
}

// removeStale removes a socket that a crash left behind: nothing else, and not that of a running service.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && info.Mode()&fs.ModeSocket == 0 {
		err = errors.New("it exists and is no socket")
	}
	if c, dialErr := net.DialTimeout("unix", path, statusTime); dialErr == nil {
		c.Close()
		err = errors.New("another tla-pdt runs with it")
	}
	if err != nil {
		return fmt.Errorf("cannot open the status socket %s: %w", path, err)
	}
	return os.Remove(path)
}

// serve answers one connection after the other until ctx ends.
func (x *statusSocket) serve(ctx context.Context) {
	if x.l == nil {
		return
	}
	defer context.AfterFunc(ctx, func() { x.l.Close() })()
	for {
		c, err := x.l.Accept()
		if err != nil {
			if ctx.Err() != nil || !wait(ctx, time.Second) {
				return
			}
			continue
		}
		x.answer(c)
	}
}

func (x *statusSocket) answer(c net.Conn) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(statusTime))
	_ = json.NewEncoder(c).Encode(x.s.status())
}

// AskStatus asks the service that runs with this status socket, and returns its answer, also as it came.
func AskStatus(path string) (*Status, []byte, error) {
	c, err := net.DialTimeout("unix", path, statusTime)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot reach tla-pdt: is it running? %w", err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(statusTime))
	raw, err := io.ReadAll(io.LimitReader(c, statusLimit))
	if err != nil {
		return nil, nil, fmt.Errorf("cannot read the status: %w", err)
	}
	st := new(Status)
	if err := json.Unmarshal(raw, st); err != nil {
		return nil, nil, fmt.Errorf("cannot understand the status: %w", err)
	}
	return st, raw, nil
}
