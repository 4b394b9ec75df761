package session

import (
	"errors"
	"time"

	"tlagate/session/ahead"
)

// ErrNotAhead is returned by an AheadCard for a prediction that must not reach the card.
var ErrNotAhead = errors.New("the prediction may not reach the card")

// errUnsure ends a link over which a promise was on its way for so long that its answer is wiped here: the next one
// tells whether the PdT has it.
var errUnsure = errors.New("what answers a command was on its way for too long")

// AheadCard is a Card whose next commands can be predicted (docs/protocol.md, section 4.2).
type AheadCard interface {
	Card
	// Ahead is as Transmit, for a prediction: it counts for nothing, and nobody is told of a refusal.
	Ahead(apdu []byte) ([]byte, error)
	// Predictor returns what predicts the commands of this insertion; it is the same at each call.
	Predictor() Predictor
}

// Predictor follows what programs do with a card, and expects what they will do next. Its methods are called one at a
// time, but perhaps while the card executes something, and must not block. What they are given may not be kept.
type Predictor interface {
	// Gave takes a command that a program gave, with its response; nil = there is none, and the card may be in any
	// state.
	Gave(apdu, response []byte)
	// Took takes a command that a program gave and that the oldest prediction had executed.
	Took(apdu, response []byte)
	// Missed is as Took and Lose, for one or more of the oldest predictions whose commands, or answers, are no longer
	// known.
	Missed()
	// Next returns the command that will be given after those, and after all that were predicted, and how many octets
	// its response has at most; nil = not known.
	Next() (apdu []byte, most int)
	// Predicted takes the prediction of Next, which was executed.
	Predicted(apdu, response []byte)
	// Wasted is as Predicted, for one that no program will get, perhaps because one gave another command meanwhile; nil
	// = there is no response, and the card may be in any state.
	Wasted(apdu, response []byte)
	// Drop forgets the predictions that were not taken.
	Drop()
	// Lose is as Drop, and expects nothing before the program has given further commands.
	Lose()
	// Reset begins anew: the card was reset, or is gone.
	Reset()
}

// predictor returns that of the present card; nil = there is none. The caller holds ts.mu.
func (ts *terminalSlot) predictor() Predictor {
	if c, ok := ts.card.(AheadCard); ok && ts.promiser != nil {
		return c.Predictor()
	}
	return nil
}

// beginAhead begins read-ahead with the window that both ends agree on.
func (t *Terminal) beginAhead(window int) {
	t.window = window
	for _, ts := range t.slots {
		ts.mu.Lock()
		if window > 0 {
			ts.promiser = ahead.NewPromiser(window)
			ts.aging = newAging(&ts.mu, ts.promiser)
		}
		ts.mu.Unlock()
	}
}

// Window returns how many promises may be open in a slot, as both ends agreed; 0 = no read-ahead. Before the session is
// up it returns 0.
func (t *Terminal) Window() int {
	if !t.isUp() {
		return 0
	}
	return t.window
}

// Ahead returns how many promises there were, in all slots.
func (t *Terminal) Ahead() ahead.Counts {
	return sumOf(func(i Slot) ahead.Counts {
		t.slots[i].mu.Lock()
		defer t.slots[i].mu.Unlock()
		return t.slots[i].promiser.Count()
	})
}

// foreseen reports whether a promise, or the prediction that is at the card, answers a command that is to be executed.
// The caller holds ts.mu.
func (t *Terminal) foreseen(ts *terminalSlot, got uint32, apdu []byte) bool {
	v, response := ts.promiser.Asked(got, apdu)
	if v == ahead.Kept {
		ts.keep(Done, response)
		t.took(ts, apdu, response)
	}
	if v == ahead.Await {
		wipe(apdu) // the prediction's is the same
	}
	return v != ahead.Execute
}

// taken takes a take: a program has given the command of a promise, and has its answer.
func (t *Terminal) taken(f frame) error {
	x, body := splitExchange(f.payload)
	number, _ := splitNumber(body)
	ts := t.slots[f.slot]
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if !ts.book.take(x.seq) {
		return protocolErrorf("sequence number %d of the %s slot out of order", x.seq, f.slot)
	}
	switch command, response, ok := ts.promiser.Taken(number); {
	case ok && response != nil:
		t.took(ts, command, response)
	case ok:
		t.missed(ts, 1)
	}
	return nil
}

// missed notes commands that promises answered whose commands or answers are no longer known. The caller holds ts.mu.
func (t *Terminal) missed(ts *terminalSlot, n uint32) {
	if p := ts.predictor(); p != nil && n > 0 {
		p.Missed()
	}
	for range n {
		t.count(ts.slot, true)
	}
}

// took notes that a promise has answered a command, and wipes both. The caller holds ts.mu.
func (t *Terminal) took(ts *terminalSlot, command, response []byte) {
	if p := ts.predictor(); p != nil {
		p.Took(command, response)
	}
	wipe(command)
	wipe(response)
	t.count(ts.slot, true)
	select {
	case ts.wake <- struct{}{}:
	default:
	}
}

// count counts a command that a program gave and that a prediction had executed, unless that failed.
func (t *Terminal) count(slot Slot, done bool) {
	if t.cfg.OnCommand != nil {
		t.cfg.OnCommand(slot)
	}
	if done && t.cfg.OnTaken != nil {
		t.cfg.OnTaken(slot)
	}
}

// countMissed counts the commands that promises answered and whose takes a link lost: so many as the numbers leave
// out, and never more than there were promises, whatever the PdT says. The caller holds ts.mu.
func (t *Terminal) countMissed(ts *terminalSlot, missing uint32) {
	t.missed(ts, min(missing, ts.unsure))
	ts.unsure = 0
}

// predict has the card execute one prediction, and reports whether there was one.
func (t *Terminal) predict(ts *terminalSlot) bool {
	card, apdu := ts.beginPrediction()
	if card == nil {
		return false
	}
	response, err := card.Ahead(apdu)
	if err == nil && (len(response) < MinResponse || len(response) > MaxResponse) {
		err = errors.New("response of a length that none has")
	}
	if j := t.endPrediction(ts, job{card: card, apdu: apdu}, response, err); j.card != nil {
		t.execute(ts, j)
	}
	return true
}

// beginPrediction returns what to predict, and on which card; nil = nothing now.
func (ts *terminalSlot) beginPrediction() (AheadCard, []byte) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	p := ts.predictor()
	if p == nil || ts.out == nil || ts.book.running {
		return nil, nil
	}
	apdu, most := p.Next()
	if apdu == nil || !ts.promiser.May(len(apdu)+most) {
		return nil, nil
	}
	ts.promiser.Begin(apdu)
	return ts.card.(AheadCard), apdu
}

// endPrediction promises the answer of a prediction, or answers the command with it that a program has given meanwhile.
// It returns a job if that command must be executed all the same.
func (t *Terminal) endPrediction(ts *terminalSlot, j job, response []byte, err error) (again job) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if err != nil {
		wipe(response)
		response = nil
	}
	now := time.Now()
	number, fate := ts.promiser.End(response, now)
	switch {
	case fate == ahead.Awaited && errors.Is(err, ErrNotAhead):
		return j
	case fate == ahead.Awaited:
		t.count(ts.slot, err == nil)
		t.finish(ts, j, response, err)
		return job{}
	case fate == ahead.Promised:
		ts.predictor().Predicted(j.apdu, response)
		ts.aging.expire(now)
		p := promised{ts.book.epoch, number, j.apdu, response}
		if err := ts.out.write(frameAhead, ts.slot, p.parts()...); err != nil {
			ts.out.close(err)
		}
	case ts.card != j.card:
		j.card.(AheadCard).Predictor().Reset()
	case !errors.Is(err, ErrNotAhead):
		ts.predictor().Wasted(j.apdu, response)
	}
	wipe(j.apdu)
	wipe(response)
	return job{}
}

// learn has the predictor know of an exchange that the card has executed. The caller holds ts.mu.
func (ts *terminalSlot) learn(j job, o Outcome, body []byte) {
	p := ts.predictor()
	switch {
	case p == nil || ts.card != j.card:
	case j.kind != 0 && o == Done:
		p.Reset()
	case j.kind != 0:
		p.Lose()
	case o != Done:
		p.Gave(j.apdu, nil)
	default:
		p.Gave(j.apdu, body)
	}
}

// dropPromises drops all promises. The caller holds ts.mu.
func (ts *terminalSlot) dropPromises() {
	if ts.promiser == nil {
		return
	}
	ts.promiser.Drop()
	ts.aging.stop()
	if p := ts.predictor(); p != nil {
		p.Drop()
	}
}

// leaveCard has the predictor of the present card, if there is one, forget what it knows (EL3). The caller holds ts.mu.
func (ts *terminalSlot) leaveCard() {
	if p := ts.predictor(); p != nil {
		p.Reset()
	}
}

// loseLink stops writing, and drops all promises, until there is another link. The caller holds ts.mu.
func (ts *terminalSlot) loseLink() {
	ts.out = nil
	if ts.promiser != nil {
		ts.unsure += uint32(ts.promiser.Open())
	}
	ts.dropPromises()
	if p := ts.predictor(); p != nil {
		p.Lose()
	}
}

// changed begins anew with another card, or none. The caller holds ts.mu.
func (ts *terminalSlot) changed() {
	if ts.promiser != nil {
		ts.promiser.Insert()
	}
}
