package session

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/session/ahead"
)

// The model of model_test.go, with read-ahead (docs/protocol.md, section 4.2): desk and promiser are those of package
// ahead, and the card predicts whatever it likes.

// foresight is both ends of read-ahead; nil = there is none.
type foresight struct {
	desk     *ahead.Desk
	promiser *ahead.Promiser
	mutant   mutant
}

// mutant is a change of the rules, which the model must find.
type mutant string

const (
	noSeq     mutant = "the TLA does not go on from seq"
	noGot     mutant = "an ask does not tell got"
	noResend  mutant = "an ask that the TLA has not received is not sent again"
	overReset mutant = "the PdT keeps promises over a reset"
	tooEager  mutant = "the first promise answers, though others were dropped before"
	noLate    mutant = "a response after a promise breaks the protocol"
	overLoss  mutant = "the TLA keeps promises when the link is lost"
	executed  mutant = "the TLA executes an ask whose promise is on its way"
	forgotten mutant = "the TLA drops promises that are too old"
	careless  mutant = "the TLA executes an ask whose promise is on its way, and wiped"
)

func (m *whole) startAhead() {
	if m.left.ahead() {
		m.desk, m.promiser = ahead.NewDesk(ahead.MaxWindow), ahead.NewPromiser(ahead.MaxWindow)
		m.enter()
	}
}

// epoch returns the epoch that the desk is told.
func (m *whole) epoch(e uint32) uint32 {
	if m.mutant == overReset {
		return 1
	}
	return e
}

func (m *whole) ahead() bool { return m.desk != nil }

// String returns the same text for equal states only.
func (f foresight) String() string {
	if f.desk == nil {
		return ""
	}
	return fmt.Sprint(*f.desk.Clone(), *f.promiser.Clone())
}

func (f foresight) clone() foresight {
	if f.desk != nil {
		f.desk, f.promiser = f.desk.Clone(), f.promiser.Clone()
	}
	return f
}

// acts returns all that may happen in a run.
func (b budget) acts() []act {
	if !b.ahead() {
		return acts
	}
	return slices.Concat(acts, aheadActs)
}

var aheadActs = []act{
	{"program reads 1", func(m *whole) (bool, error) { return m.sendRead(1) }},
	{"program reads 2", func(m *whole) (bool, error) { return m.sendRead(2) }},
	{"TLA predicts 1", func(m *whole) (bool, error) { return m.predict(1) }},
	{"TLA predicts 2", func(m *whole) (bool, error) { return m.predict(2) }},
	{"prediction ends", (*whole).predicted},
	{"promises get too old", (*whole).age},
	{"promises get too old at the TLA", (*whole).wipe},
}

func (m *whole) sendRead(read byte) (bool, error) {
	if !m.mayExchange() || !spend(&m.left.reads) {
		return false, nil
	}
	return true, m.begin(frameCommand, read)
}

// beginAhead does what workstationSlot.beginAhead does.
func (m *whole) beginAhead() error {
	command := m.out.content.bytes()
	if m.out.typ == frameReset {
		if m.mutant != overReset {
			m.desk.Ask(m.out.x.epoch, nil)
		}
		m.pdtSends(m.out)
		return nil
	}
	if number, response, ok := m.desk.Take(m.epoch(m.out.x.epoch), command, time.Time{}); ok {
		m.claim.took()
		m.out.typ, m.out.promise = frameTake, number
		m.pdtSends(m.out)
		return m.keepsPromise(response)
	}
	if m.mutant == tooEager {
		m.desk.Answered(true)
	}
	m.out.typ, m.out.got = frameAsk, m.desk.Ask(m.epoch(m.out.x.epoch), command)
	if m.mutant == noGot {
		m.out.got = 0
	}
	m.pdtSends(m.out)
	return nil
}

// keepsPromise gives the program that waits the answer of a promise.
func (m *whole) keepsPromise(response []byte) error {
	if err := m.answeredBy(m.out.id); err != nil || m.waits == 0 {
		return err
	}
	return m.give(note{typ: frameAhead, content: contentOf(response)})
}

// answeredBy counts that a promise answers an exchange: at the TLA, the PdT, or both.
func (m *whole) answeredBy(id int) error {
	d := &m.deeds[id]
	d.promised = true
	if d.ran > 0 {
		return fmt.Errorf("a promise answers exchange %d, which was executed", id)
	}
	return nil
}

// foreseen does what Terminal.admit does before a command is executed.
func (m *whole) foreseen(n note) (done bool, err error) {
	if n.typ != frameAsk {
		m.dropPromises()
		return false, nil
	}
	v, response := m.promiser.Asked(n.got, n.content.bytes())
	switch {
	case v == ahead.Kept && m.mutant == executed:
		return false, nil
	case v == ahead.Kept:
		open := note{content: contentOf(response)}
		m.keep(open, Done)
		return true, m.answeredBy(n.id)
	case v == ahead.Await:
		m.pred.id, m.pred.x = n.id, n.x
		return true, m.runs(n)
	}
	return false, nil
}

func (m *whole) taken(n note) error {
	if !m.ledger.take(n.x.seq) {
		return fmt.Errorf("the take of exchange %d breaks the numbering at the TLA", n.id)
	}
	m.promiser.Taken(n.promise)
	return nil
}

func (m *whole) predict(read byte) (bool, error) {
	able := m.tlaUp && m.pred.typ == 0 && m.card != 0 && !m.ledger.running && m.promiser.May(0)
	if !able || !spend(&m.left.predictions) {
		return false, nil
	}
	m.pred = note{typ: frameAhead, content: content{read: read}, card: m.card}
	m.promiser.Begin(m.pred.content.bytes())
	return true, nil
}

// predicted does what Terminal.endPrediction does.
func (m *whole) predicted() (bool, error) {
	if m.pred.typ == 0 {
		return false, nil
	}
	n := m.pred
	m.pred = note{}
	response := []byte(nil)
	if n.card == m.card {
		n.content = m.perform(n.content)
		response = n.content.bytes()
	}
	number, fate := m.promiser.End(response, time.Time{})
	switch fate {
	case ahead.Awaited:
		m.settle(n, Done)
	case ahead.Promised:
		n.promise, n.x.epoch = number, m.ledger.epoch
		m.tlaSends(n)
	}
	return true, nil
}

// promise does what workstationSlot.promise does.
func (m *whole) promise(n note) error {
	command := content{read: n.content.read}.bytes()
	answer, ok := m.desk.Come(m.epoch(n.x.epoch), n.promise, command, n.content.bytes(), m.claim.waiting, time.Time{})
	if !ok {
		return fmt.Errorf("promise %d is out of order", n.promise)
	}
	if answer == nil {
		return nil
	}
	m.claim.answered()
	if m.mutant == noLate {
		m.claim.promised = 0
	}
	return m.keepsPromise(answer)
}

func (m *whole) age() (bool, error) {
	if !spend(&m.left.ages) {
		return false, nil
	}
	m.desk.Drop()
	return true, nil
}

// tooLate is a time by which every promise is too old.
var tooLate = time.Time{}.Add(ahead.MaxOpen)

// wipe does what terminalSlot.age does.
func (m *whole) wipe() (bool, error) {
	if m.promiser.Open() == 0 || !spend(&m.left.wipes) {
		return false, nil
	}
	m.promiser.Expire(tooLate)
	if m.mutant == forgotten {
		m.promiser.Drop()
	}
	return true, nil
}

// unsure does what Terminal.admit does before it numbers a command.
func (m *whole) unsure(n note) bool {
	return n.typ == frameAsk && m.mutant != careless && m.promiser.Unsure(n.got, n.content.bytes())
}

// dropPromises does what terminalSlot.dropPromises does.
func (m *whole) dropPromises() {
	if m.ahead() && m.mutant != overLoss {
		m.promiser.Drop()
	}
}

func (m *whole) changeCard() {
	if m.ahead() {
		m.promiser.Insert()
	}
}

func (m *whole) loseHand() {
	if m.ahead() {
		m.desk.Lost()
	}
}

func (m *whole) enter() {
	if m.ahead() {
		m.desk.Enter(m.epoch(m.claim.epoch))
	}
}

// answeredAll does what workstationSlot.answered does.
func (m *whole) answeredAll(o Outcome) {
	if m.ahead() {
		m.desk.Answered(o.judged())
		m.enter()
	}
}

// lastOf returns the number from which the TLA goes on.
func (m *whole) lastOf(hello note) uint32 {
	if !m.ahead() || m.mutant == noSeq {
		return m.ledger.lastSeq
	}
	return hello.last
}

// TestC2ExactlyOnceWithReadAhead: whatever is predicted, lost or dropped, and whenever, a command is executed once, by
// itself or by the promise that answers it; each program gets what its card would answer then; and no number ends the
// session.
func TestC2ExactlyOnceWithReadAhead(t *testing.T) {
	for name, b := range aheadBudgets {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			states, err := explore(b, "")
			require.NoError(t, err, "%d states", states)
			t.Logf("%d states", states)
		})
	}
}

var aheadBudgets = map[string]budget{
	"three reads, three predictions":               {reads: 3, predictions: 3, ages: 1},
	"two reads, two predictions, a loss":           {reads: 2, predictions: 2, losses: 1},
	"three reads, a prediction, two losses":        {reads: 3, predictions: 1, losses: 2},
	"two reads, a command, three predictions":      {reads: 2, commands: 1, predictions: 3},
	"two reads, a reset, two predictions":          {reads: 2, resets: 1, predictions: 2, ages: 1},
	"two reads, one abandoned, a loss":             {reads: 2, predictions: 2, abandons: 1, losses: 1},
	"two reads, two predictions, the card changed": {reads: 2, predictions: 2, cards: 1},
	"a read, a prediction, a loss, card changed":   {reads: 2, predictions: 1, cards: 1, losses: 1},
	"two reads, two predictions, both wiped":       {reads: 2, predictions: 2, wipes: 2},
	"two reads, a prediction, wiped, a loss":       {reads: 2, predictions: 1, losses: 1, wipes: 1},
	"a read, a command, two predictions, wiped":    {reads: 2, commands: 1, predictions: 2, wipes: 1},
}

// TestAheadModelFindsWhatIsLeftOut: the model fails without each of the rules.
func TestAheadModelFindsWhatIsLeftOut(t *testing.T) {
	for left, b := range map[mutant]budget{
		noSeq:     {reads: 3, predictions: 1, losses: 2},
		noGot:     {reads: 3, predictions: 3, ages: 1},
		noResend:  {reads: 1, losses: 2},
		overReset: {reads: 2, resets: 1, predictions: 2},
		tooEager:  {reads: 3, predictions: 3, ages: 1},
		noLate:    {reads: 2, predictions: 2, cards: 1},
		overLoss:  {reads: 2, predictions: 2, losses: 2},
		executed:  {reads: 2, predictions: 2},
		forgotten: {reads: 2, predictions: 2, wipes: 1},
		careless:  {reads: 2, predictions: 2, wipes: 1},
	} {
		t.Run(string(left), func(t *testing.T) {
			t.Parallel()
			states, err := explore(b, left)
			require.Error(t, err, "%d states", states)
			t.Logf("%d states: %v", states, err)
		})
	}
}
