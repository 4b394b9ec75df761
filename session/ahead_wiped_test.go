package session

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/session/ahead"
)

// expireAll wipes what the TLA has promised, as after a while, and requires that a timer would have done so.
func (t *Terminal) expireAll(tb testing.TB) {
	ts := t.slots[SlotCPS]
	ts.mu.Lock()
	defer ts.mu.Unlock()
	require.True(tb, ts.aging.timer.Stop(), "what is promised gets old")
	held := ts.promiser.Held()
	ts.aging.expire(time.Now().Add(ahead.MaxOpen))
	requireWiped(tb, held)
}

// open returns how many promises are open at the TLA.
func (t *Terminal) open() int {
	ts := t.slots[SlotCPS]
	ts.mu.Lock()
	defer ts.mu.Unlock()
	return ts.promiser.Open()
}

// TestEL3OldPromisesAreTakenAllTheSame: a take of what is wiped at the TLA is numbered and counted, and nothing is
// executed for it; the predictor learns that there was a command.
func TestEL3OldPromisesAreTakenAllTheSame(t *testing.T) {
	card, p, epoch := twoAtHand(t)
	p.t.expireAll(t)
	card.few = 1
	require.Equal(t, card.answer(1), p.w.must(t, epoch, read(1)))
	require.Equal(t, card.answer(2), p.w.must(t, epoch, read(2)))
	p.w.must(t, epoch, change)
	require.Equal(t, []string{"command 0", "ahead 1", "ahead 2", "command -1"}, card.log())
	require.EqualValues(t, 2, p.t.Ahead().Taken)
	require.EqualValues(t, 4, p.commands.Load())
	require.Equal(t, 2, card.missed)
}

// TestAheadThatIsOnItsWayForTooLong: a command that is asked for, while its promise is wiped and may be on its way, is
// not numbered; the link ends, and the next tells whether the PdT has the answer.
func TestAheadThatIsOnItsWayForTooLong(t *testing.T) {
	for name, arrives := range map[string]bool{"it arrives": true, "it is lost": false} {
		t.Run(name, func(t *testing.T) {
			l := newLastingWith(t, 8)
			card := newReadCard()
			card.gate, card.few = make(chan struct{}), 1
			require.NoError(t, l.t.Insert(SlotCPS, fakeATR, T1, card))
			epoch := (<-l.inserted).Epoch
			got := make(chan []byte, 2)
			go func() { got <- l.w.must(t, epoch, read(0)) }()
			card.gate <- struct{}{}
			<-got
			if !arrives { // what the TLA says is lost from now on
				l.rawA.left.Store(0)
				l.rawA.swallow = true
			}
			card.gate <- struct{}{}
			require.Eventually(t, func() bool { return l.t.open() == 1 }, patience, time.Millisecond)
			l.t.expireAll(t)
			if arrives {
				require.Eventually(t, func() bool { return l.w.slots[SlotCPS].hand() == 1 }, patience, time.Millisecond)
				require.NoError(t, l.w.link().write(frameAsk, SlotCPS, exchangeID{epoch, 2}.bytes(), numberBytes(0),
					read(1)))
			}
			close(card.gate)
			if !arrives {
				go func() { got <- l.w.must(t, epoch, read(1)) }()
			}
			err := <-l.endT
			require.ErrorIs(t, err, errUnsure)
			require.True(t, Resumable(err))
			l.endT <- err
			l.cut()
			l.resume()
			if arrives {
				got <- l.w.must(t, epoch, read(1))
			}
			require.Equal(t, card.answer(1), <-got)
			require.Equal(t, []string{"command 0", "ahead 1", "command 1"}, card.log()[:3])
		})
	}
}
