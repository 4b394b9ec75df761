package pdt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"time"

	"tlagate/internal/local"
	"tlagate/internal/retry"
)

const (
	statusTime  = 5 * time.Second
	statusLimit = 1 << 20 // octets of an answer
)

// statusSocket answers each connection with the Status as JSON. It reads nothing.
type statusSocket struct {
	s *Service
	l *local.Socket // nil: none is wanted
}

func (s *Service) listenStatus() (*statusSocket, error) {
	if s.cfg.Status == "" {
		return &statusSocket{s, nil}, nil
	}
	l, err := local.Listen(s.cfg.Status, -1)
	if errors.Is(err, local.ErrInUse) {
		err = errors.New("another tla-pdt runs with it")
	}
	if err != nil {
		return nil, fmt.Errorf("cannot open the status socket %s: %w", s.cfg.Status, err)
	}
	return &statusSocket{s, l}, nil
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
			if ctx.Err() != nil || !retry.Sleep(ctx, time.Second) {
				return
			}
			continue
		}
		x.answer(c)
	}
}

func (x *statusSocket) answer(c net.Conn) {
	defer c.Close()
	_ = local.WriteLine(c, x.s.status(), statusTime)
}

// AskStatus asks the service that runs with this status socket, and returns its answer, also as it came.
func AskStatus(path string) (*Status, []byte, error) {
	c, err := net.DialTimeout("unix", path, statusTime)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, nil, fmt.Errorf("cannot reach tla-pdt: only root, its account and its group may use %s", path)
	case err != nil:
		return nil, nil, fmt.Errorf("cannot reach tla-pdt: is it running? %w", err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(statusTime))
	raw, err := local.ReadLine(c, statusLimit)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot read the status: %w", err)
	}
	st := new(Status)
	if err := json.Unmarshal(raw, st); err != nil {
		return nil, nil, fmt.Errorf("cannot understand the status: %w", err)
	}
	return st, append(raw, '\n'), nil
}
