package session

import (
	"context"
	"net"
)

// Resume makes conn, a connection to the session's TLA whose handshake is done, the link of the session, and serves it
// until it ends, as Serve does. The TLA must prove that it was there at the start. generation is that of the joined
// record, and must be above that of every link before: an older link is closed, and nothing that comes on it counts any
// more. Resume calls resumed when the session goes on, and nothing of an older link can come. An error before that
// leaves the session as it was; Generation tells which it is.
func (w *Workstation) Resume(ctx context.Context, conn net.Conn, generation uint32, resumed func()) error {
	s := newStream(conn, w.cfg.Timers)
	h, binding, err := w.readResume(s)
	if err != nil {
		return s.fail(err)
	}
	old, refusal := w.takeOver(s, h.Resume, generation, binding)
	if refusal != nil {
		s.refuse(refusal.Code, refusal.Text)
		return refusal
	}
	old.close(errFenced)
	<-w.turn
	defer func() { w.turn <- struct{}{} }()
	if err := w.resumeSlots(s, h.Resume, binding, resumed); err != nil {
		return s.fail(err)
	}
	return w.serve(ctx, s)
}

// readResume reads the hello of a further link.
func (w *Workstation) readResume(s *stream) (h helloTLA, binding []byte, err error) {
	if w.secret == nil {
		return h, nil, errNoSecret
	}
	if binding, err = bindingOf(s.conn, w.cfg.Session); err != nil {
		return h, nil, err
	}
	if h, err = w.readHello(s); err == nil && h.Resume == nil {
		err = protocolErrorf("hello of a first link on a further one")
	}
	return h, binding, err
}

// takeOver makes s the link if the TLA has proved that it may, and returns the link before.
func (w *Workstation) takeOver(s *stream, r *resumeTLA, generation uint32, binding []byte) (old *stream, refusal *Bye) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case r.Generation != generation || !proven(r.Proof, w.secret, proofTerminal, generation, binding):
		return nil, &Bye{ByeRefused, "The terminal has not proved that the session is its own."}
	case !w.accepted || generation <= max(w.generation, 1) || w.cause != nil:
		return nil, &Bye{ByeGone, "The session is over, or has had this link before."}
	}
	old, w.s, w.generation = w.s, s, generation
	return old, nil
}

// resumeSlots tells the TLA where we stand and sends what it lacks. The caller has the turn.
func (w *Workstation) resumeSlots(s *stream, r *resumeTLA, binding []byte, resumed func()) error {
	if w.link() != s {
		return errFenced // by a link that is newer still
	}
	if resumed != nil {
		resumed()
	}
	for _, ws := range w.slots {
		ws.mu.Lock()
		defer ws.mu.Unlock()
	}
	stands, err := w.compare(r)
	if err != nil {
		return err
	}
	answer := &resumePdT{Proof: prove(w.secret, proofWorkstation, r.Generation, binding)}
	for i, st := range stands {
		answer.Slots = append(answer.Slots, w.stands(Slot(i), st))
	}
	if err := s.writeJSON(frameHello, helloPdT{Version: version, Session: w.cfg.Session, Resume: answer}); err != nil {
		return err
	}
	return w.sendAgain(s, stands)
}

// stands returns where a slot stands, as the TLA is told.
func (w *Workstation) stands(slot Slot, st standing) slotPendingText {
	if w.window == 0 {
		return slotPendingText{Slot: slot, Pending: st.pending}
	}
	return slotPendingText{slot, st.pending, &st.seq}
}

// compare finds out where each slot stands, and frees those whose exchange is dropped. The slots are locked.
func (w *Workstation) compare(r *resumeTLA) (stands [Slots]standing, err error) {
	if len(r.Slots) != Slots {
		return stands, protocolErrorf("hello tells where %d slots stand, want %d", len(r.Slots), Slots)
	}
	for i, ws := range w.slots {
		var ok bool
		if stands[i], ok = ws.book.resume(r.Slots[i].Seq); !ok || r.Slots[i].Slot != ws.slot {
			return stands, protocolErrorf("the %s slot is at number %d, ours at %d",
				ws.slot, r.Slots[i].Seq, ws.book.seq)
		}
		if stands[i].dropped { // even if this link fails
			ws.done()
		}
	}
	return stands, nil
}

// sendAgain continues each slot on a link. The slots are locked.
func (w *Workstation) sendAgain(s *stream, stands [Slots]standing) error {
	for i, ws := range w.slots {
		ws.out = s
		if stands[i].again {
			if err := s.writeFrame(ws.frame); err != nil {
				return err
			}
		}
		if ws.shown { // the link before may have lost it
			if err := s.write(frameShown, ws.slot, epochBytes(ws.since)); err != nil {
				return err
			}
		}
	}
	return nil
}

// Generation returns the generation of the present link, or of the last one; 0 is the first.
func (w *Workstation) Generation() uint32 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.generation
}
