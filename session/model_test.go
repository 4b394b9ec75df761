package session

import (
	"errors"
	"fmt"
	"slices"
	"testing"
)

// The model explores every order in which a program, a card, a network and the two ends of a session can act, within
// the budget of a run, and checks in each state what docs/protocol.md, section 4, promises. Ledger, claim and the
// taking over of a link are those of the package; the model adds the rest: frames on their way, the card, the program,
// and which end has noticed that a link is lost.

// budget bounds a run: so many events of each sort.
type budget struct {
	commands, resets, abandons, losses, cards int
	reads, predictions, ages, wipes           int // with read-ahead
}

// ahead reports whether the run has read-ahead.
func (b budget) ahead() bool { return b.reads > 0 }

// whole is one state of everything.
type whole struct {
	ledger ledger
	claim  claim
	foresight
	around
}

// around is the state outside the books, which are the package's.
type around struct {
	left budget

	// The PdT.
	pdtGen   uint32 // of its link
	pdtUp    bool   // it has not noticed that the link is lost
	out      note   // the frame of the exchange outstanding
	waits    int    // for which exchange the program waits; 0 = none
	showing  view   // the card that programs are shown
	viewings int    // how many cards were shown

	// The TLA.
	tlaGen uint32
	tlaUp  bool
	asked  bool // it has said hello, and has no answer yet
	job    note // what the card is doing; no kind = nothing
	card   int  // in the reader; 0 = none
	cards  int  // how many there were
	state  int  // of the cards: each command and each reset makes it another
	pred   note // the prediction at the card; no kind = none. Its id is that of the exchange which awaits it

	// The network: what is on its way on the TLA's link, on the PdT's, and hellos, which may come at any time.
	toTLA, toPdT, hellos queue

	// What an observer of everything knows.
	deeds [6]deed // by exchange
}

// view is a card as the PdT shows it; the number tells two showings apart.
type view struct {
	number int // 0 = none
	card   int
	epoch  uint32
}

// deed is what became of an exchange.
type deed struct {
	ran      int
	card     int  // which it was for
	left     bool // its program has gone
	never    bool // it must not be executed any more
	changed  bool // the card was changed while it ran
	answered bool
	promised bool // a promise has answered it
}

// note is a frame on its way, a command under way, or a hello.
type note struct {
	typ     frameType
	x       exchangeID
	id      int // of the exchange, and of the response's contents
	outcome Outcome
	gen     uint32 // of a hello
	seq     uint32 // of the TLA's hello
	pending uint32 // of the PdT's
	card    int    // of inserted: which it is
	view    int    // of an exchange: for which showing
	got     uint32 // of an ask
	promise uint32 // of an ahead, or a take
	last    uint32 // of the PdT's hello: seq
	content content
}

// content is what a command asks for, and a response says: read 1 or 2, which any card answers by its number and state.
// A command that changes the state is number 3.
type content struct{ read, card, state byte }

func (c content) bytes() []byte { return []byte{c.read, c.card, c.state} }

func contentOf(b []byte) content { return content{b[0], b[1], b[2]} }

const changes = 3

// startWhole returns a session that is just up, with a card.
func startWhole(b budget) *whole {
	m := &whole{around: around{left: b, pdtGen: 1, tlaGen: 1, pdtUp: true, tlaUp: true, card: 1, cards: 1}}
	epoch := m.ledger.insert()
	m.claim.advance(epoch)
	m.show(1, epoch)
	m.startAhead()
	return m
}

func (m *whole) clone() *whole {
	c := *m
	c.ledger.kept = slices.Clone(m.ledger.kept)
	c.foresight = m.foresight.clone()
	return &c
}

// key returns the same text for equal states only.
type key struct {
	books  string
	around around
}

func (m *whole) key() key { return key{fmt.Sprint(m.ledger, m.claim, m.foresight), m.around} }

// act is something that may happen: do makes it happen, or returns false if it cannot.
type act struct {
	name string
	do   func(*whole) (bool, error)
}

// acts lists all that may happen.
var acts = []act{
	{"program sends a command", (*whole).sendCommand},
	{"program resets the card", (*whole).sendReset},
	{"program goes away", (*whole).abandon},
	{"frame reaches the TLA", (*whole).reachTLA},
	{"frame reaches the PdT", (*whole).reachPdT},
	{"card finishes", (*whole).finish},
	{"card goes out", (*whole).cardOut},
	{"card comes in", (*whole).cardIn},
	{"TLA loses its link", (*whole).tlaLoses},
	{"PdT loses its link", (*whole).pdtLoses},
	{"TLA dials and says hello", (*whole).dial},
	{"first hello reaches the PdT", (*whole).helloReaches},
	{"second hello reaches the PdT", (*whole).laterHelloReaches},
}

// spend takes one from a budget, and reports whether there was one.
func spend(n *int) bool {
	if *n <= 0 {
		return false
	}
	*n--
	return true
}

func (m *whole) sendCommand() (bool, error) {
	if !m.mayExchange() || !spend(&m.left.commands) {
		return false, nil
	}
	return true, m.begin(frameCommand, changes)
}

func (m *whole) sendReset() (bool, error) {
	if !m.mayExchange() || !spend(&m.left.resets) {
		return false, nil
	}
	return true, m.begin(frameReset, 0)
}

func (m *whole) mayExchange() bool { return m.waits == 0 && !m.claim.waiting && m.showing.number != 0 }

// begin does what Workstation.exchange does.
func (m *whole) begin(t frameType, read byte) error {
	id := slices.IndexFunc(m.deeds[1:], func(d deed) bool { return d.card == 0 }) + 1
	m.deeds[id].card, m.waits = m.showing.card, id
	m.out = note{typ: t, x: exchangeID{m.showing.epoch, m.claim.begin()}, id: id, view: m.showing.number,
		content: content{read: read}}
	if m.ahead() {
		return m.beginAhead()
	}
	m.pdtSends(m.out)
	return nil
}

// abandon gives up an exchange; a reset only together with its card.
func (m *whole) abandon() (bool, error) {
	if m.waits == 0 || m.out.typ == frameReset || !spend(&m.left.abandons) {
		return false, nil
	}
	if !m.claim.abandon() {
		return false, errors.New("a response has come and is not delivered")
	}
	m.deeds[m.waits].left = true
	m.waits = 0
	return true, nil
}

func (m *whole) pdtSends(n note) {
	if m.pdtUp && m.pdtGen == m.tlaGen && (m.tlaUp || m.asked) {
		m.toTLA.put(n)
	}
}

func (m *whole) tlaSends(n note) {
	if m.tlaUp && m.pdtUp && m.pdtGen == m.tlaGen {
		m.toPdT.put(n)
	}
}

// queue is a queue of notes, first in front; a note without a type is none.
type queue [8]note

func (q *queue) len() int {
	n := slices.IndexFunc(q[:], func(n note) bool { return n.typ == 0 })
	if n < 0 {
		return len(q)
	}
	return n
}

func (q *queue) put(n note) { q[q.len()] = n }

func (q *queue) take(i int) note {
	n := q[i]
	copy(q[i:], q[i+1:])
	q[len(q)-1] = note{}
	return n
}

// reachTLA does what Terminal does with a frame.
func (m *whole) reachTLA() (bool, error) {
	if m.toTLA.len() == 0 {
		return false, nil
	}
	n := m.toTLA.take(0)
	if n.typ == frameHello {
		return true, m.answered(n)
	}
	if n.typ == frameTake {
		return true, m.taken(n)
	}
	if m.unsure(n) {
		m.loseLink()
		return true, nil
	}
	switch v, outcome := m.ledger.admit(n.x); v {
	case execute:
		if done, err := m.foreseen(n); done || err != nil {
			return true, err
		}
		return true, m.execute(n)
	case answer:
		m.settle(n, outcome)
	case replay:
		if !m.ledger.running {
			m.tlaSends(m.kept())
		}
	default:
		return true, fmt.Errorf("exchange %d breaks the numbering at the TLA", n.id)
	}
	return true, nil
}

// answered does what Terminal does with the PdT's hello of a further link.
func (m *whole) answered(n note) error {
	again, ok := m.ledger.resume(n.pending, m.lastOf(n))
	if !ok {
		return fmt.Errorf("PdT awaits response %d, which does not fit the TLA's last, %d", n.pending, m.ledger.lastSeq)
	}
	m.asked, m.tlaUp = false, true
	if again {
		m.tlaSends(m.kept())
	}
	m.tell()
	return nil
}

// tell sends inserted or removed for the present card.
func (m *whole) tell() {
	n := note{typ: frameRemoved, x: exchangeID{epoch: m.ledger.epoch}}
	if m.card != 0 {
		n.typ, n.card = frameInserted, m.card
	}
	m.tlaSends(n)
}

func (m *whole) execute(n note) error {
	m.job = n
	return m.runs(n)
}

// runs counts that the card executes an exchange.
func (m *whole) runs(n note) error {
	d := &m.deeds[n.id]
	d.ran++
	switch {
	case d.promised:
		return fmt.Errorf("exchange %d is executed, and a promise has answered it", n.id)
	case d.ran > 1:
		return fmt.Errorf("exchange %d is executed twice", n.id)
	case d.never:
		return fmt.Errorf("exchange %d is executed after its program has gone and the link was resumed", n.id)
	case d.card != m.card:
		return fmt.Errorf("exchange %d is for card %d and is executed on card %d", n.id, d.card, m.card)
	}
	return nil
}

// finish does what Terminal.execute does when the card has answered, or is gone.
func (m *whole) finish() (bool, error) {
	if m.job.typ == 0 || m.pred.typ != 0 {
		return false, nil
	}
	n := m.job
	m.job = note{}
	n.content = m.perform(n.content)
	if n.typ == frameReset && !m.deeds[n.id].changed {
		m.ledger.reset()
	}
	m.settle(n, Done)
	return true, nil
}

// perform returns what the card answers. A reset, and a command that is no read, changes its state.
func (m *whole) perform(c content) content {
	if c.read == 0 || c.read == changes {
		m.state++
	}
	return content{c.read, byte(m.card), byte(m.state)}
}

// settle keeps a response and sends it.
func (m *whole) settle(n note, o Outcome) {
	m.keep(n, o)
	m.tlaSends(m.kept())
}

// keep keeps a response, with the exchange's id; 0 is that of a promise.
func (m *whole) keep(n note, o Outcome) {
	m.ledger.settle(o, func(kept []byte, x exchangeID, o Outcome) []byte {
		id := n.id
		if o != Done {
			id = 0
		}
		return append(append(append(kept, x.bytes()...), byte(o), byte(id)), n.content.bytes()...)
	})
}

// kept returns the kept response as a frame.
func (m *whole) kept() note {
	x, body := splitExchange(m.ledger.kept)
	return note{typ: frameResponse, x: x, outcome: Outcome(body[0]), id: int(body[1]),
		content: contentOf(body[2:])}
}

func (m *whole) cardOut() (bool, error) {
	if m.card == 0 || !spend(&m.left.cards) {
		return false, nil
	}
	m.card = 0
	m.change(m.ledger.remove)
	return true, nil
}

func (m *whole) cardIn() (bool, error) {
	if m.card != 0 {
		return false, nil
	}
	m.cards++
	m.card = m.cards
	m.change(m.ledger.insert)
	return true, nil
}

func (m *whole) change(book func() uint32) {
	for _, n := range []note{m.job, m.pred} {
		if n.id != 0 {
			m.deeds[n.id].changed = true
		}
	}
	m.changeCard()
	book()
	m.tell()
}

func (m *whole) tlaLoses() (bool, error) {
	if !m.tlaUp && !m.asked || !spend(&m.left.losses) {
		return false, nil
	}
	m.loseLink()
	return true, nil
}

// loseLink does what Terminal.detach does.
func (m *whole) loseLink() {
	m.tlaUp, m.asked, m.toTLA = false, false, queue{}
	m.dropPromises()
}

func (m *whole) pdtLoses() (bool, error) {
	if !m.pdtUp || !spend(&m.left.losses) {
		return false, nil
	}
	m.pdtUp, m.toPdT = false, queue{}
	m.loseHand()
	return true, nil
}

func (m *whole) dial() (bool, error) {
	if m.tlaUp || m.asked {
		return false, nil
	}
	m.tlaGen++
	m.asked, m.toTLA = true, queue{}
	m.hellos.put(note{typ: frameHello, gen: m.tlaGen, seq: m.ledger.lastSeq})
	return true, nil
}

// A hello comes, perhaps one that the TLA has given up, and after a later one.
func (m *whole) helloReaches() (bool, error)      { return m.hello(0) }
func (m *whole) laterHelloReaches() (bool, error) { return m.hello(1) }

func (m *whole) hello(i int) (bool, error) {
	if i >= m.hellos.len() {
		return false, nil
	}
	n := m.hellos.take(i)
	if !m.takesOver(n.gen) {
		return true, nil
	}
	m.pdtGen, m.pdtUp, m.toPdT = n.gen, true, queue{}
	m.loseHand()
	if d := &m.deeds[m.out.id]; m.claim.abandoned && d.ran == 0 && m.claim.seq > n.seq {
		d.never = true
	}
	st, ok := m.claim.resume(n.seq)
	if !ok {
		return true, fmt.Errorf("TLA is at number %d, which does not fit the PdT's, %d", n.seq, m.claim.seq)
	}
	m.pdtSends(note{typ: frameHello, pending: st.pending, last: st.seq})
	if st.again && m.mutant != noResend {
		m.pdtSends(m.out)
	}
	return true, nil
}

// takesOver reports whether Workstation takes a link of that generation.
func (m *whole) takesOver(gen uint32) bool {
	secret, binding := []byte("secret"), []byte("binding")
	w := &Workstation{secret: secret, generation: m.pdtGen, accepted: true}
	_, refusal := w.takeOver(nil, &resumeTLA{Generation: gen, Proof: prove(secret, proofTerminal, gen, binding)}, gen,
		binding)
	return refusal == nil
}

// reachPdT does what Workstation does with a frame.
func (m *whole) reachPdT() (bool, error) {
	if m.toPdT.len() == 0 {
		return false, nil
	}
	n := m.toPdT.take(0)
	switch n.typ {
	case frameResponse:
		return true, m.response(n)
	case frameAhead:
		return true, m.promise(n)
	}
	before := m.claim.epoch
	if !m.claim.advance(n.x.epoch) {
		return true, fmt.Errorf("epoch goes back from %d to %d", before, n.x.epoch)
	}
	if n.x.epoch != before {
		m.show(n.card, n.x.epoch)
		m.enter()
	}
	return true, nil
}

// show shows programs a removal, and then a card, if there is one.
func (m *whole) show(card int, epoch uint32) {
	m.showing = view{}
	if card != 0 {
		m.viewings++
		m.showing = view{m.viewings, card, epoch}
	}
}

func (m *whole) response(n note) error {
	switch m.claim.accept(n.x, n.outcome) {
	case stray:
		return fmt.Errorf("response %d of epoch %d is not awaited", n.x.seq, n.x.epoch)
	case late:
		return nil
	case unwanted:
		m.answeredAll(n.outcome)
		return nil
	}
	m.answeredAll(n.outcome)
	done := n.outcome == Done
	if done && m.out.typ == frameReset && m.out.view == m.showing.number {
		m.showing.epoch = n.x.epoch
	}
	return m.give(n)
}

// give gives the program its response.
func (m *whole) give(n note) error {
	waited, d, done := m.waits, &m.deeds[m.waits], n.outcome == Done
	d.answered = true
	m.waits = 0
	switch {
	case done && n.id != 0 && n.id != waited:
		return fmt.Errorf("the response of exchange %d is given to the program of exchange %d", n.id, waited)
	case done && n.id != 0 && d.ran != 1:
		return fmt.Errorf("exchange %d is done, and was executed %d times", waited, d.ran)
	case done && n.content != (content{m.out.content.read, byte(d.card), byte(m.state)}):
		return fmt.Errorf("the response of exchange %d is that of another state: %v, and the card is in %d", waited,
			n.content, m.state)
	case n.outcome == Unknown && !d.changed:
		return fmt.Errorf("the response of exchange %d is lost, and its card was not changed", waited)
	case n.outcome == StaleEpoch && d.ran != 0:
		return fmt.Errorf("exchange %d is said not to be executed, and was", waited)
	}
	return nil
}

// finishing lists what happens once the network works again: frames arrive, the TLA dials if it must, the card answers.
var finishing = []func(*whole) (bool, error){
	(*whole).noticeLoss, (*whole).helloReaches, (*whole).reachTLA, (*whole).reachPdT,
	(*whole).finish, (*whole).predicted, (*whole).dial,
}

// noticeLoss has a TLA whose PdT is no longer at the other end give the link up, since it hears nothing.
func (m *whole) noticeLoss() (bool, error) {
	lost := (m.tlaUp || m.asked) && m.hellos.len() == 0 && (!m.pdtUp || m.pdtGen != m.tlaGen)
	if lost {
		m.loseLink()
	}
	return lost, nil
}

// settles checks that from a state everything comes to its end if the network goes on working.
func (m *whole) settles() error {
	m = m.clone()
	for range 100 {
		if happened, err := m.finishOne(); err != nil {
			return err
		} else if !happened {
			return m.final()
		}
	}
	return errors.New("it never comes to an end")
}

func (m *whole) finishOne() (bool, error) {
	for _, do := range finishing {
		if happened, err := do(m); happened || err != nil {
			return happened, err
		}
	}
	return false, nil
}

// final checks what must be true when nothing more happens.
func (m *whole) final() error {
	switch {
	case m.waits != 0:
		return fmt.Errorf("the program of exchange %d waits for ever", m.waits)
	case m.claim.waiting:
		return errors.New("the slot is never free again")
	case m.showing.card != m.card:
		return fmt.Errorf("card %d is in, and the PdT shows card %d", m.card, m.showing.card)
	case m.card != 0 && m.showing.epoch != m.ledger.epoch:
		return fmt.Errorf("the card is in epoch %d, and the PdT addresses epoch %d", m.ledger.epoch, m.showing.epoch)
	}
	return nil
}

// explore visits every state that can be reached, nearest first; its error says by which acts a forbidden one is
// reached.
func explore(b budget, mutant mutant) (states int, err error) {
	type place struct {
		m    *whole
		from int
		by   string
	}
	places := []place{{m: startWhole(b)}}
	places[0].m.mutant = mutant
	known := map[key]bool{places[0].m.key(): true}
	path := func(at int, last string, err error) error {
		for ; at > 0; at = places[at].from {
			last = places[at].by + "\n  " + last
		}
		return fmt.Errorf("%w, after\n  %s", err, last)
	}
	for at := 0; at < len(places); at++ {
		if err := places[at].m.settles(); err != nil {
			return len(places), path(at, "(then all goes well)", err)
		}
		next := places[at].m.clone()
		for _, a := range b.acts() {
			happened, err := a.do(next)
			if err != nil {
				return len(places), path(at, a.name, err)
			}
			if !happened { // and next is as it was
				continue
			}
			if key := next.key(); !known[key] {
				known[key] = true
				places = append(places, place{next, at, a.name})
			}
			next = places[at].m.clone()
		}
		places[at].m = nil
	}
	return len(places), nil
}

// TestC2ExactlyOnceInEveryOrder: whatever is lost, and whenever, no command is executed twice, on another card, or
// after its program has gone and the link was resumed; no response is lost or taken for another; and all comes to an
// end when the network works.
func TestC2ExactlyOnceInEveryOrder(t *testing.T) {
	for name, b := range map[string]budget{
		"three commands, two abandoned, three losses": {commands: 3, abandons: 2, losses: 3},
		"two commands, four losses":                   {commands: 2, losses: 4},
		"a command, cards changed twice, two losses":  {commands: 1, cards: 2, losses: 2},
		"two commands, one abandoned, cards changed":  {commands: 2, abandons: 1, cards: 1, losses: 2},
		"a command and a reset, cards changed":        {commands: 1, resets: 1, cards: 1, losses: 2},
		"two resets, three losses":                    {resets: 2, losses: 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			states, err := explore(b, "")
			if err != nil {
				t.Fatalf("%d states: %v", states, err)
			}
			t.Logf("%d states", states)
		})
	}
}
