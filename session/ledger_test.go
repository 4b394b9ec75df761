package session

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestLedgerExactlyOnce drives the ledger with any mixture of new, repeated and late exchanges and card changes, and
// compares it with a simple model: no exchange runs twice, or on another card than the one that it was meant for, and a
// repeated one gets the response of the first time.
func TestLedgerExactlyOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := &ledger{}
		m := &model{answers: map[uint32][]byte{}, ran: map[uint32]int{}}
		t.Repeat(map[string]func(*rapid.T){
			"insert": func(t *rapid.T) {
				if !l.present {
					m.newEpoch(t, l.insert())
				}
			},
			"remove": func(t *rapid.T) {
				if l.present {
					m.newEpoch(t, l.remove())
				}
			},
			"next":   func(t *rapid.T) { m.next(t, l) },
			"repeat": func(t *rapid.T) { m.repeat(t, l) },
			"wild":   func(t *rapid.T) { m.wild(t, l) },
			"settle": func(t *rapid.T) { m.settle(t, l) },
		})
	})
}

type model struct {
	epoch   uint32
	seq     uint32
	running bool
	changed bool // the card changed while it ran
	answers map[uint32][]byte
	ran     map[uint32]int
}

func (m *model) newEpoch(t *rapid.T, e uint32) {
	require.Greater(t, e, m.epoch, "an epoch is never reused")
	m.epoch, m.changed = e, m.running
}

func (m *model) next(t *rapid.T, l *ledger) {
	if m.running {
		return
	}
	m.seq++
	stale := m.epoch > 0 && rapid.Bool().Draw(t, "stale")
	x := exchangeID{m.epoch, m.seq}
	if stale {
		x.epoch--
	}
	v, outcome := l.admit(x)
	m.running, m.changed = true, false
	switch {
	case stale:
		require.Equal(t, answer, v)
		require.Equal(t, StaleEpoch, outcome)
		m.finish(l, outcome)
	case !l.present:
		require.Equal(t, answer, v)
		require.Equal(t, NoCard, outcome)
		m.finish(l, outcome)
	default:
		require.Equal(t, execute, v)
		m.ran[m.seq]++
		require.Equal(t, 1, m.ran[m.seq], "executed twice")
	}
}

func (m *model) repeat(t *rapid.T, l *ledger) {
	if m.seq == 0 {
		return
	}
	v, _ := l.admit(exchangeID{m.epoch, m.seq})
	require.Equal(t, replay, v)
	require.Equal(t, m.running, l.running)
	if !m.running {
		require.Equal(t, m.answers[m.seq], l.kept)
	}
}

// wild sends a number that is neither the last nor the next.
func (m *model) wild(t *rapid.T, l *ledger) {
	seq := rapid.Uint32().Draw(t, "seq")
	if seq == m.seq || seq == m.seq+1 {
		return
	}
	v, _ := l.admit(exchangeID{m.epoch, seq})
	require.Equal(t, violated, v)
}

func (m *model) settle(t *rapid.T, l *ledger) {
	if !m.running {
		return
	}
	kept := m.finish(l, Done)
	want := Done
	if m.changed {
		want = Unknown
	}
	require.Equal(t, byte(want), kept[len(kept)-1])
	require.Equal(t, l.epoch, binary.BigEndian.Uint32(kept))
}

func (m *model) finish(l *ledger, o Outcome) []byte {
	kept := l.settle(o, func(kept []byte, x exchangeID, o Outcome) []byte {
		return append(append(kept, x.bytes()...), byte(o))
	})
	m.answers[m.seq] = append([]byte(nil), kept...)
	m.running = false
	return kept
}

func TestLedgerWipesTheKeptResponse(t *testing.T) {
	l := &ledger{}
	l.insert()
	_, _ = l.admit(exchangeID{1, 1})
	kept := l.settle(Done, func(kept []byte, _ exchangeID, _ Outcome) []byte { return append(kept, 1, 2, 3) })
	_, _ = l.admit(exchangeID{1, 2})
	require.Equal(t, []byte{0, 0, 0}, kept, "EL3: card data goes with the next exchange")
}
