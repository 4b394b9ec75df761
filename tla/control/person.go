package control

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// localTime bounds asking who a process belongs to.
const localTime = 3 * time.Second

// anywhere are the commands that need no person at this machine: they start nothing and keep nothing up (C4). All
// others do.
var anywhere = []string{commandStop, "status"}

// person sees to it that an act is one of a person at this machine; the Fault says why not.
func (s *Server) person(ctx context.Context, p *process, command string) *Fault {
	if s.cfg.Local == nil || slices.Contains(anywhere, command) {
		return nil
	}
	if err := s.local(ctx, p); err != nil {
		return &Fault{FaultNotLocal, err.Error()}
	}
	return nil
}

// local asks, and then looks whether the answer was still about the client.
func (s *Server) local(ctx context.Context, p *process) error {
	if p.failed != nil {
		return fmt.Errorf("cannot tell which process asks: %w", p.failed)
	}
	ctx, cancel := context.WithTimeout(ctx, localTime)
	defer cancel()
	if err := s.cfg.Local(ctx, p.pid); err != nil {
		return err
	}
	return p.running()
}
