package session

import (
	"context"
	"net"
)

// Resume makes conn, a connection to the same PdT whose handshake is done, the link of a session whose last link was
// lost: Serve has returned. If it fails, or ctx ends, conn is closed and the session is as before; the error is as
// those of Serve.
func (t *Terminal) Resume(ctx context.Context, conn net.Conn, generation uint32) error {
	s := newStream(conn, t.cfg.Timers)
	defer context.AfterFunc(ctx, func() { s.close(context.Cause(ctx)) })()
	if err := t.reopen(s, generation); err != nil {
		t.detach()
		return s.fail(err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.s = s
	return nil
}

func (t *Terminal) reopen(s *stream, generation uint32) error {
	switch {
	case t.secret == nil:
		return errNoSecret
	case t.link() != nil:
		return errNotStopped
	case !t.isUp():
		return errNeverUp
	}
	binding, err := bindingOf(s.conn, t.cfg.ID.String())
	if err != nil {
		return err
	}
	hello := newHelloTLA(t.cfg.ID)
	hello.Resume = &resumeTLA{generation, prove(t.secret, proofTerminal, generation, binding), t.lastSeqs()}
	if err := s.writeJSON(frameHello, hello); err != nil {
		return err
	}
	h, err := t.readHello(s)
	if err != nil {
		return err
	}
	if h.Resume == nil || !proven(h.Resume.Proof, t.secret, proofWorkstation, generation, binding) {
		return protocolErrorf("hello without the proof that this is the session's PdT")
	}
	return t.settleAll(s, h.Resume)
}

func (t *Terminal) isUp() bool {
	select {
	case <-t.up:
		return true
	default:
		return false
	}
}

// lastSeqs returns the last number of each slot.
func (t *Terminal) lastSeqs() (list []slotSeqText) {
	for _, ts := range t.slots {
		ts.mu.Lock()
		list = append(list, slotSeqText{ts.slot, ts.book.lastSeq})
		ts.mu.Unlock()
	}
	return list
}

// settleAll sends what the PdT lacks, and continues each slot on the link.
func (t *Terminal) settleAll(s *stream, r *resumePdT) error {
	if len(r.Slots) != Slots {
		return protocolErrorf("hello tells where %d slots stand, want %d", len(r.Slots), Slots)
	}
	for i, ts := range t.slots {
		if r.Slots[i].Slot != ts.slot {
			return protocolErrorf("hello without the %s slot", ts.slot)
		}
		if err := t.resumeSlot(ts, s, r.Slots[i]); err != nil {
			return err
		}
	}
	return nil
}

// resumeSlot continues one slot on a link.
func (t *Terminal) resumeSlot(ts *terminalSlot, s *stream, stands slotPendingText) error {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	pending, last := stands.Pending, ts.book.lastSeq
	seq := last
	if ts.promiser != nil {
		if stands.Seq == nil {
			return protocolErrorf("hello without the last number of the %s slot", ts.slot)
		}
		seq = *stands.Seq
	}
	again, ok := ts.book.resume(pending, seq)
	if !ok {
		return protocolErrorf("the %s slot awaits response %d after %d, our last is %d", ts.slot, pending, seq,
			last)
	}
	t.countMissed(ts, ts.book.lastSeq-last)
	ts.out = s
	if again {
		if err := ts.write(ts.book.kept); err != nil {
			return err
		}
	}
	return ts.sendCard()
}
