package vpcd

import (
	"bytes"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/internal/logtest"
	"tlagate/pdt"
	"tlagate/session"
)

func TestLinuxHabits(t *testing.T) {
	b, card := newBench(t), newFakeCard()
	b.insert(card)
	p := b.inserted()
	require.Equal(t, vitaleATR, p.atr(), "polls are answered here")
	p.powerOn()
	require.Equal(t, vitaleATR, p.atr())
	require.Equal(t, []byte{0xA4, 0, 0x90, 0}, p.transmit(selectMF...))
	require.Equal(t, []string{"command"}, card.asked(), "the first power-on finds a fresh card")
	p.reset()
	require.Equal(t, renewedATR, p.atr(), "the ATR is that of the reset")
	p.powerOff()
	p.powerOn()
	require.Equal(t, renewedATR, p.atr())
	require.Equal(t, []string{"command", "warm", "cold"}, card.asked())
	require.Equal(t, []byte{0xA4, 0, 0x90, 0}, p.transmit(selectMF...), "the epoch is that of the reset")
}

func TestWindowsHabits(t *testing.T) {
	b, card := newBench(t), newFakeCard()
	b.insert(card)
	p := b.inserted()
	require.Equal(t, vitaleATR, p.atr())
	for range 2 { // each SetProtocol resets, after the ATR was read
		p.reset()
		require.Equal(t, []byte{0xA4, 0, 0x90, 0}, p.transmit(selectMF...))
	}
	for range 3 {
		require.Equal(t, renewedATR, p.atr())
	}
	require.Equal(t, []string{"warm", "command", "warm", "command"}, card.asked())
	b.clear()
	p.gone()
}

func TestPowerOffIsLazyAndPowerOnAfterItCold(t *testing.T) {
	b, card := newBench(t), newFakeCard()
	b.insert(card)
	p := b.inserted()
	p.powerOff()
	eventually(t, func() bool { return len(card.asked()) == 1 }, "no power-off was sent")
	require.Equal(t, vitaleATR, p.atr(), "a card without power is still there")
	p.powerOn()
	require.Equal(t, renewedATR, p.atr())
	require.Equal(t, []string{"off", "cold"}, card.asked())
	p.powerOn()
	require.Equal(t, renewedATR, p.atr())
	require.Equal(t, []string{"off", "cold"}, card.asked(), "no power-off came before")
}

func TestCommandOrResetOfAnUnpoweredCardPowersItUp(t *testing.T) {
	b, card := newBench(t), newFakeCard()
	b.insert(card)
	p := b.inserted()
	p.powerOff()
	require.Equal(t, []byte{0xA4, 0, 0x90, 0}, p.transmit(selectMF...))
	p.powerOff()
	p.reset()
	require.Equal(t, renewedATR, p.atr())
	require.Equal(t, []string{"cold", "command", "cold"}, card.asked())
}

func TestOddFrames(t *testing.T) {
	b, card := newBench(t), newFakeCard()
	b.insert(card)
	p := b.inserted()
	for _, odd := range [][]byte{{}, {3}, {5}, {0, 0xA4, 0}} {
		require.Equal(t, swWrongLength, p.transmit(odd...))
	}
	require.Empty(t, card.asked())
}

func TestFailuresAnswer6F00First(t *testing.T) {
	for _, c := range []struct {
		err   error
		stays bool
	}{{session.Failed, true}, {session.StaleEpoch, false}, {session.NoCard, false},
		{session.Unknown, false}, {errEnded, false}} {
		t.Run(c.err.Error(), func(t *testing.T) {
			b, card := newBench(t), newFakeCard()
			card.result = c.err
			b.insert(card)
			p := b.inserted()
			require.Equal(t, swNoDiagnosis, p.transmit(selectMF...))
			if c.stays {
				require.Equal(t, vitaleATR, p.atr())
				return
			}
			require.Equal(t, swNoDiagnosis, p.transmit(selectMF...), "no empty success until the removal is seen")
			p.gone()
		})
	}
}

func TestStaleCardIsNotShownAgain(t *testing.T) {
	b, card := newBench(t), newFakeCard()
	card.result = session.StaleEpoch
	b.insert(card)
	p := b.inserted()
	require.Equal(t, swNoDiagnosis, p.transmit(selectMF...))
	p.gone()
	b.absent(200 * time.Millisecond)
	require.Equal(t, []string{"command"}, card.asked())
}

func TestRemovalUnderACommand(t *testing.T) {
	b, card := newBench(t), newFakeCard()
	card.hold = make(chan struct{})
	b.insert(card)
	p := b.inserted()
	p.send(selectMF...)
	<-card.busy
	b.clear()
	reply, ok := p.receive()
	require.True(t, ok, "an empty response would look like success")
	require.Equal(t, swNoDiagnosis, reply)
	p.gone()
}

func TestRemovalIsShownToADriverThatDoesNotPoll(t *testing.T) {
	b, card := newBench(t), newFakeCard()
	b.insert(card)
	p := b.inserted()
	p.atr()
	b.clear()
	_, ok := p.receive()
	require.False(t, ok)
}

// The card is swapped while a program uses it: whatever it still sends, it never takes the second card for the first.
func TestSwapNeverReadsAsTheFirst(t *testing.T) {
	b, first, second := newBench(t), newFakeCard(), newFakeCard()
	second.epoch, second.name = 9, 2
	b.insert(first)
	p := b.inserted()
	require.Equal(t, []byte{0xA4, 0, 0x90, 0}, p.transmit(selectMF...))
	b.insert(second) // no removal was told before
	swapped := time.Now()
	require.Equal(t, swNoDiagnosis, p.transmit(selectMF...))
	require.Equal(t, swNoDiagnosis, p.transmit(selectMF...))
	p.gone()
	p = b.inserted()
	require.GreaterOrEqual(t, time.Since(swapped), 30*time.Millisecond)
	require.Equal(t, []byte{0xA4, 2, 0x90, 0}, p.transmit(selectMF...))
	require.Equal(t, []string{"command"}, first.asked())
	require.Equal(t, []string{"command"}, second.asked(), "a card just inserted is fresh")
}

func TestGap(t *testing.T) {
	d := newFakeDriver(t)
	cfg := d.config()
	cfg.Gap = 400 * time.Millisecond
	b := newBenchWith(t, d, cfg)
	b.insert(newFakeCard())
	p := b.inserted()
	b.clear()
	p.gone()
	left := time.Now()
	b.insert(newFakeCard())
	b.inserted()
	require.GreaterOrEqual(t, time.Since(left), cfg.Gap-20*time.Millisecond)
}

func TestGapDefaults(t *testing.T) {
	want := time.Second
	if runtime.GOOS == "windows" {
		want *= 2
	}
	require.Equal(t, want, Config{}.withDefaults().Gap)
}

func TestC2DriverOnLoopbackOnly(t *testing.T) {
	for _, address := range []string{"192.0.2.1", "0.0.0.0", "localhost", "::"} {
		_, err := New(Config{Address: address})
		require.ErrorContains(t, err, "loopback")
	}
	_, err := New(Config{Port: 65535})
	require.ErrorContains(t, err, "port")
}

func TestDriverRestartResetsTheCard(t *testing.T) {
	b, card := newBench(t), newFakeCard()
	b.insert(card)
	p := b.inserted()
	p.transmit(selectMF...)
	p.c.Close()
	p = b.inserted()
	p.powerOn()
	require.Equal(t, renewedATR, p.atr())
	p.transmit(selectMF...)
	require.Equal(t, []string{"command", "cold", "command"}, card.asked())
}

func TestDriverGoneUnderACommand(t *testing.T) {
	b, card := newBench(t), newFakeCard()
	card.hold = make(chan struct{})
	b.insert(card)
	p := b.inserted()
	p.send(selectMF...)
	<-card.busy
	card.set(func() { card.hold = nil })
	p.c.Close() // the exchange has vanished: its context ends, or Transmit would hang for good
	p = b.inserted()
	p.transmit(selectMF...)
	require.Equal(t, []string{"command", "cold", "command"}, card.asked())
}

func TestFailedResetIsARemoval(t *testing.T) {
	b, card := newBench(t), newFakeCard()
	card.fails = []error{session.Failed, session.Failed, nil}
	b.insert(card)
	p := b.inserted()
	p.reset()
	p.gone()
	p = b.inserted()
	require.Equal(t, renewedATR, p.atr())
	require.Equal(t, []string{"warm", "cold", "cold"}, card.asked(), "shown again once a reset succeeds")
}

func TestLostUnderAReset(t *testing.T) {
	b, card := newBench(t), newFakeCard()
	card.fails = []error{session.NoCard}
	b.insert(card)
	p := b.inserted()
	p.powerOff()
	p.powerOn()
	p.gone()
	b.absent(100 * time.Millisecond)
}

func TestMissingDriverIsLoggedOnce(t *testing.T) {
	d := newFakeDriver(t)
	cfg := d.config()
	addr := d.l.Addr().String()
	d.l.Close()
	log := new(logtest.Buffer)
	cfg.Log = slog.New(slog.NewTextHandler(log, nil))
	b := newBenchWith(t, d, cfg)
	v := b.reader.(*reader)
	b.insert(newFakeCard())
	eventually(t, func() bool { return v.State().Error != "" }, "no error in the state")
	require.False(t, v.State().Shown)
	time.Sleep(50 * time.Millisecond) // some more dials fail
	d.l = listenAgain(t, addr)
	p := b.inserted()
	require.Equal(t, vitaleATR, p.atr())
	require.Equal(t, pdt.DriverState{Address: addr}, v.State(), "the driver has found a card, no more")
	p.powerOn()
	require.Equal(t, vitaleATR, p.atr())
	require.Equal(t, 1, strings.Count(log.String(), "cannot reach the virtual reader driver"))
	eventually(t, func() bool { return v.State() == pdt.DriverState{Address: addr, Shown: true} },
		"the card is not shown")
}

// TestTheTerminalIsToldOnceWhenProgramsSeeTheCard: not at the driver's first read of the ATR, nor again after a
// restart.
func TestTheTerminalIsToldOnceWhenProgramsSeeTheCard(t *testing.T) {
	b, card := newBench(t), newFakeCard()
	card.epoch = 5
	b.insert(card)
	p := b.inserted()
	require.Equal(t, vitaleATR, p.atr())
	require.Equal(t, vitaleATR, p.atr())
	require.Equal(t, swWrongLength, p.transmit(3), "what came before is done")
	require.Empty(t, card.shown, "the driver has found a card, and does not show it yet")
	p.powerOn()
	require.Equal(t, vitaleATR, p.atr())
	require.EqualValues(t, 5, <-card.shown)
	p.c.Close()
	p = b.inserted()
	for range 3 {
		p.powerOn()
		require.Equal(t, renewedATR, p.atr())
	}
	require.Equal(t, swWrongLength, p.transmit(3))
	require.Empty(t, card.shown)
}

// TestTheTerminalIsToldByADriverThatGivesNoPower: the driver for Windows only reads the ATR at each poll.
func TestTheTerminalIsToldByADriverThatGivesNoPower(t *testing.T) {
	b, card := newBench(t), newFakeCard()
	b.insert(card)
	p := b.inserted()
	for range unpoweredATRs {
		require.Empty(t, card.shown)
		require.Equal(t, vitaleATR, p.atr())
	}
	require.EqualValues(t, 1, <-card.shown)
}

// 300 cards in and out leave nothing behind.
func TestPlugCycles(t *testing.T) {
	d := newFakeDriver(t)
	cfg := d.config()
	cfg.Gap = time.Millisecond
	b := newBenchWith(t, d, cfg)
	goroutines, files := 0, 0
	for i := range 300 {
		b.insert(newFakeCard())
		p := b.inserted()
		p.powerOn()
		p.atr()
		p.transmit(selectMF...)
		b.clear()
		_, ok := p.receive()
		require.False(t, ok)
		if i == 20 {
			goroutines, files = runtime.NumGoroutine(), openFiles(t)
		}
	}
	leaked := func() bool { return runtime.NumGoroutine() > goroutines || openFiles(t) > files }
	for end := time.Now().Add(patience); leaked() && time.Now().Before(end); { // Eventually would count itself
		time.Sleep(time.Millisecond)
	}
	require.False(t, leaked(), "%d goroutines and %d files at first, %d and %d now", goroutines, files,
		runtime.NumGoroutine(), openFiles(t))
}

func openFiles(t *testing.T) int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no /proc")
	}
	return len(entries)
}

func TestVPCDFrames(t *testing.T) {
	frame := appendFrame(nil, selectMF)
	got, err := readFrame(bytes.NewReader(frame))
	require.NoError(t, err)
	require.Equal(t, selectMF, got)
	for n := range frame {
		_, err := readFrame(bytes.NewReader(frame[:n]))
		require.Error(t, err, "prefix of %d octets", n)
	}
}

func FuzzVPCDFrame(f *testing.F) {
	f.Add([]byte{0, 1, getATR})
	f.Add(appendFrame(nil, selectMF))
	f.Add([]byte{0xFF, 0xFF, 1})
	f.Add([]byte{0, 0})
	f.Fuzz(func(t *testing.T, in []byte) {
		payload, err := readFrame(bytes.NewReader(in))
		if err != nil {
			return
		}
		require.Equal(t, in[:headerLen+len(payload)], appendFrame(nil, payload))
		if _, ok := controlOf(payload); ok {
			require.Len(t, payload, 1)
		}
	})
}
