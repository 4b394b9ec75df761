package session

import (
	"time"

	"tlagate/session/ahead"
)

// beginAhead begins read-ahead with the window that both ends agree on.
func (w *Workstation) beginAhead(window int) {
	if w.window = window; window == 0 {
		return
	}
	for _, ws := range w.slots {
		ws.desk = ahead.NewDesk(window)
		ws.aging = newAging(&ws.mu, ws.desk)
	}
}

// Window returns how many promises may be at hand in a slot, as both ends agree; 0 = no read-ahead.
func (w *Workstation) Window() int { return w.window }

// Ahead returns how many promises came, in all slots, and what became of them.
func (w *Workstation) Ahead() ahead.Counts {
	return sumOf(func(i Slot) ahead.Counts {
		w.slots[i].mu.Lock()
		defer w.slots[i].mu.Unlock()
		return w.slots[i].desk.Count()
	})
}

// beginAhead begins an exchange with a command that a promise answers, or else with what asks for it. The caller holds
// ws.mu.
func (ws *workstationSlot) beginAhead(t frameType, epoch uint32, body []byte) {
	x := exchangeID{epoch, ws.book.begin()}
	if t != frameCommand {
		ws.desk.Ask(epoch, nil)
		ws.frame = appendFrame(ws.frame[:0], t, ws.slot, x.bytes(), body)
		return
	}
	if number, body, ok := ws.desk.Take(epoch, body, time.Now()); ok {
		ws.book.took()
		ws.frame = appendFrame(ws.frame[:0], frameTake, ws.slot, x.bytes(), numberBytes(number))
		ws.reply <- response{epoch: epoch, outcome: Done, body: body}
		return
	}
	got := ws.desk.Ask(epoch, body)
	ws.frame = appendFrame(ws.frame[:0], frameAsk, ws.slot, x.bytes(), numberBytes(got), body)
}

// promise takes a promise of the TLA, which may be the answer that a program waits for.
func (ws *workstationSlot) promise(f frame) error {
	defer wipe(f.payload)
	p, err := splitAhead(f.payload)
	if err != nil {
		return err
	}
	ws.mu.Lock()
	defer ws.mu.Unlock()
	now := time.Now()
	answer, ok := ws.desk.Come(p.epoch, p.number, p.command, p.response, ws.book.waiting, now)
	if !ok {
		return protocolErrorf("promise %d of the %s slot out of order", p.number, ws.slot)
	}
	ws.aging.expire(now)
	switch {
	case answer == nil:
	case ws.book.answered():
		ws.reply <- response{epoch: p.epoch, outcome: Done, body: answer}
	default:
		wipe(answer)
		ws.done()
	}
	return nil
}

// answered takes note that the TLA has answered the exchange outstanding. The caller holds ws.mu.
func (ws *workstationSlot) answered(o Outcome) {
	if ws.desk != nil {
		ws.desk.Answered(o.judged())
		ws.enter()
	}
}

// enter drops the promises of another epoch than the present one. The caller holds ws.mu.
func (ws *workstationSlot) enter() {
	if ws.desk != nil {
		ws.desk.Enter(ws.book.epoch)
	}
}

// loseLink makes commands wait until there is another link, and drops what is at hand. The caller holds ws.mu.
func (ws *workstationSlot) loseLink() {
	ws.out = nil
	if ws.desk != nil {
		ws.desk.Lost()
	}
}

// dropPromises drops what is at hand, for good when the session is over. The caller holds ws.mu.
func (ws *workstationSlot) dropPromises() {
	if ws.desk != nil {
		ws.desk.Drop()
		ws.aging.stop()
	}
}

// DropAhead drops what was read ahead in a slot: its card loses its power, so that whoever asks next is another
// program.
func (w *Workstation) DropAhead(slot Slot) {
	ws := w.slots[slot]
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.dropPromises()
}
