package control

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// localTime bounds asking whether a process belongs to a person at this machine.
const localTime = 3 * time.Second

// anywhere are the commands that need no person at this machine: they start nothing and keep nothing up (C4). All other
// commands need one.
var anywhere = []string{commandStop, "status"}

// person returns why a command that needs a person at this machine does not come from one; nil = it may be executed.
func (s *Server) person(ctx context.Context, p *process, command string) *Fault {
	if s.cfg.Local == nil || slices.Contains(anywhere, command) {
		return nil
	}
	if err := s.local(ctx, p); err != nil {
		return &Fault{FaultNotLocal, err.Error()}
	}
	return nil
}

// local asks Config.Local, and then checks that the answer was still about the client.
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
