package tla

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/session"
	"tlagate/tla/cards/cardstest"
)

// pinRig is a session with a CPS card that records the VERIFYs that reach it, and answers how many tries are left.
type pinRig struct {
	*rig
	card  *cardstest.Card
	tries byte
	seen  chan string // VERIFYs with a PIN that reached the card
	sws   chan string // the answers to the PdT's program
}

const goodPIN = "73914"

func newPINRig(t *testing.T, adapt func(*Config)) *pinRig {
	p := &pinRig{rig: newRig(t), tries: 3, seen: make(chan string, 9), sws: make(chan string, 9)}
	if adapt != nil {
		adapt(&p.cfg)
	}
	p.run()
	p.card = p.fake.Insert("left", cardstest.CPSATR, 2)
	p.card.Verify = p.judge
	eventually(t, "card seen", func() bool { return p.rig.seen(session.SlotCPS) != "" })
	require.NoError(t, p.relay.Start(t.Context(), byHand))
	require.Equal(t, session.SlotCPS, p.next(p.inserted))
	return p
}

// judge is the card.
func (p *pinRig) judge(apdu []byte) []byte {
	if len(apdu) > 5 {
		p.seen <- strings.ToUpper(hex.EncodeToString(apdu))
	}
	switch {
	case p.tries == 0:
		return []byte{0x69, 0x83}
	case len(apdu) > 5 && strings.HasPrefix(string(apdu[5:]), goodPIN):
		return []byte{0x90, 0x00}
	case len(apdu) > 5:
		p.tries--
	}
	return []byte{0x63, 0xC0 | p.tries}
}

// program has a program of the PdT send a VERIFY with a PIN of its own.
func (p *pinRig) program() {
	go func() {
		apdu := []byte{0, 0x20, 0, 0x81, 8, '0', '0', '0', '0', 0xFF, 0xFF, 0xFF, 0xFF}
		sw, err := p.workstation.Load().Transmit(p.t.Context(), session.SlotCPS, p.epochs[session.SlotCPS].Load(), apdu)
		p.sws <- fmt.Sprintf("%x %v", sw, err)
	}()
}

// enter runs a client that enters what is typed; "gone": it goes away without.
func (p *pinRig) enter(typed string, insist bool) PINAnswer {
	in := io.Reader(strings.NewReader(typed))
	if typed == "gone" {
		in = errReader{}
	}
	last := p.relay.EnterPIN(p.t.Context(), insist, func(any) error { return nil }, in, func(time.Time) {})
	return last.(PINAnswer)
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, os.ErrClosed }

func TestSP4TheUserEntersThePINAtTheTerminal(t *testing.T) {
	p := newPINRig(t, nil)
	p.program()
	eventually(t, "asked", func() bool { return p.relay.Status().PIN != nil })
	asked := p.relay.Status().PIN
	require.Equal(t, []any{"cps", pdtURN, 4, 8, 3, false}, []any{asked.Slot, asked.PdT, asked.Min, asked.Max,
		asked.Tries, asked.Pad})
	require.Equal(t, PINAnswer{Version: Version, OK: true, Result: "9000"}, p.enter(goodPIN+"\n", false))
	require.Equal(t, "9000 <nil>", <-p.sws)
	require.Equal(t, "0020008108"+strings.ToUpper(hex.EncodeToString([]byte(goodPIN)))+"FFFFFF", <-p.seen,
		"of the card policy's format; the program's PIN never came")
	require.Nil(t, p.relay.Status().PIN)

	p.program()
	require.Equal(t, "63c2", p.enter("8888", false).Result)
	require.Equal(t, "63c2 <nil>", <-p.sws)
}

func TestSP4NoPIN(t *testing.T) {
	p := newPINRig(t, nil)
	p.program()
	require.Equal(t, CodeBadPIN, p.enter("12ab\n", false).Error.Code)
	require.Equal(t, CodeBadPIN, p.enter("12\n", false).Error.Code)
	require.Equal(t, CodeBadPIN, p.enter("gone", false).Error.Code, "it is still asked for")
	require.Equal(t, CodeCancelled, p.enter("\n", false).Error.Code)
	require.Equal(t, "6401 <nil>", <-p.sws)
	p.program()
	require.Equal(t, CodeCancelled, p.enter("\n", false).Error.Code)
	require.Equal(t, "6401 <nil>", <-p.sws, "what was answered is wiped, and answered again")

	p.tries = 1
	p.program()
	require.Equal(t, CodeLastTry, p.enter(goodPIN, false).Error.Code)
	require.Empty(t, p.seen)
	require.Equal(t, "9000", p.enter(goodPIN, true).Result, "the user insists")
	require.Equal(t, "9000 <nil>", <-p.sws)
	<-p.seen

	p.tries = 0
	p.program()
	require.Equal(t, "6983 <nil>", <-p.sws, "nobody is asked for a PIN that is blocked")
	require.Empty(t, p.seen)
}

func TestSP4NobodyEntersThePIN(t *testing.T) {
	p := newPINRig(t, func(c *Config) { c.Timers.PIN = 50 * time.Millisecond })
	for range 2 { // what was answered is wiped, and answered again
		p.program()
		require.Equal(t, "6400 <nil>", <-p.sws)
	}
	require.Nil(t, p.relay.Status().PIN)
	require.Empty(t, p.seen)
}

func TestSP4TheCardGoesWhileThePINIsAskedFor(t *testing.T) {
	p := newPINRig(t, nil)
	p.program()
	eventually(t, "asked", func() bool { return p.relay.Status().PIN != nil })
	p.fake.Remove("left")
	require.Contains(t, <-p.sws, "removed or reset", "the outcome is unknown, though nothing was verified")
	eventually(t, "no longer asked", func() bool { return p.relay.Status().PIN == nil })
}

// TestSP4TheCardGoesWhileThePINIsTyped: a client is reading the PIN when the question is taken back.
func TestSP4TheCardGoesWhileThePINIsTyped(t *testing.T) {
	for name, end := range map[string]func(p *pinRig){
		"card removed": func(p *pinRig) { p.fake.Remove("left") },
		"stop":         func(p *pinRig) { p.relay.Stop() },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPINRig(t, nil)
			p.program()
			typing, user := net.Pipe()
			defer user.Close()
			asked, last := make(chan struct{}), make(chan any, 1)
			go func() {
				last <- p.relay.EnterPIN(t.Context(), false, func(any) error { close(asked); return nil }, typing,
					func(at time.Time) { _ = typing.SetReadDeadline(at) })
			}()
			<-asked
			end(p)
			require.Equal(t, CodeNoPIN, (<-last).(PINAnswer).Error.Code)
			require.NotContains(t, <-p.sws, "9000")
			eventually(t, "no longer asked", func() bool { return p.relay.Status().PIN == nil })
			require.Empty(t, p.seen)
		})
	}
}

func TestSP4ThePINPadOfTheReader(t *testing.T) {
	p := newPINRig(t, nil)
	p.fake.Do(func() {
		r := p.fake.Reader("left")
		r.Features, r.PadAnswer = []byte{0x01, 4, 0, 0, 0, 1, 0x06, 4, 0x42, 0x33, 0x00, 0x06}, []byte{0x90, 0x00}
	})
	p.program()
	require.Equal(t, "9000 <nil>", <-p.sws)
	require.Empty(t, p.seen, "the PIN is never in this machine's memory")
	controls := cardstest.Get(p.fake, func() [][]byte { return p.fake.Reader("left").Controls })
	require.Len(t, controls, 1)
	require.Equal(t, "1E 14 82 08 00 0804 02 01 0C04 00 000000 0D000000 0020008108 FFFFFFFFFFFFFFFF",
		spaced(controls[0]))
}

// spaced returns a PIN_VERIFY_STRUCTURE with its fields apart, as PC/SC part 10 lists them.
func spaced(b []byte) string {
	var fields []string
	for _, n := range []int{1, 1, 1, 1, 1, 2, 1, 1, 2, 1, 3, 4, 5} {
		fields, b = append(fields, fmt.Sprintf("%X", b[:n])), b[n:]
	}
	return strings.Join(append(fields, fmt.Sprintf("%X", b)), " ")
}

func TestNoPINIsWanted(t *testing.T) {
	g := newRig(t)
	g.run()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	answer := g.relay.EnterPIN(ctx, false, func(any) error { return errors.New("never") }, strings.NewReader(""),
		func(time.Time) {})
	require.Equal(t, CodeNoPIN, answer.(PINAnswer).Error.Code)
}
