package ifd

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/session"
)

const vitale, cps = session.SlotVitale, session.SlotCPS

var errReader = errors.New("reader failed")

func TestACardComesAndGoes(t *testing.T) {
	b, card := newBed(t), newFakeCard()
	h := b.connect(vitale)
	f := h.event()
	require.Equal(t, frameRemoved, f.typ)
	require.Zero(t, f.number)
	require.True(t, b.state(vitale).Connected)
	require.Equal(t, "test", b.state(vitale).Version)
	require.False(t, b.state(cps).Connected)

	b.insert(vitale, card)
	f = h.event()
	require.Equal(t, frameInserted, f.typ)
	require.Equal(t, vitaleATR, f.payload)
	n := f.number
	require.False(t, b.state(vitale).Shown)
	o, body := h.ask(framePowerUp, n)
	require.Equal(t, done, o)
	require.Equal(t, vitaleATR, body)
	b.eventually(func() bool { return b.terminal.Shown(vitale) && b.state(vitale).Shown }, "not shown")
	require.False(t, b.state(vitale).Asked, "no program has asked yet")
	_, err := h.events.Write(appendFrame(nil, frameAsked, n))
	require.NoError(t, err)
	b.eventually(func() bool { return b.state(vitale).Asked }, "not asked")

	o, body = h.ask(frameTransmit, n, selectMF...)
	require.Equal(t, done, o)
	require.Equal(t, okay, body)
	require.Equal(t, []string{"command"}, card.asked(), "the first power-up finds a fresh card")
	require.NoError(t, b.terminal.Remove(vitale))
	f = h.event()
	require.Equal(t, frameRemoved, f.typ)
	require.Equal(t, n, f.number)
	o, _ = h.ask(frameTransmit, n, selectMF...)
	require.Equal(t, gone, o)
	require.False(t, b.state(vitale).Shown)
}

// TestACardIsThereBeforeTheDriver: pcscd is started by the first program, long after the card came.
func TestACardIsThereBeforeTheDriver(t *testing.T) {
	b, card := newBed(t), newFakeCard()
	b.insert(vitale, card)
	b.eventually(func() bool { return b.driver.readers[vitale].present() }, "no card")
	f := b.connect(vitale).event()
	require.Equal(t, frameInserted, f.typ)
	require.Equal(t, vitaleATR, f.payload)
}

func (r *reader) present() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.plug != nil
}

func TestPowerOffIsLazyAndPowerOnAfterItCold(t *testing.T) {
	b, card := newBed(t), newFakeCard()
	h := b.connect(vitale)
	b.insert(vitale, card)
	n := h.inserted()
	h.ask(framePowerUp, n)
	h.ask(framePowerDown, n)
	b.eventually(func() bool { return len(card.asked()) == 1 }, "no power-off was sent")
	_, atr := h.ask(framePowerUp, n)
	require.Equal(t, renewedATR, atr)
	require.Equal(t, []string{"off", "cold"}, card.asked())
	h.ask(framePowerUp, n)
	_, atr = h.ask(frameReset, n)
	require.Equal(t, renewedATR, atr)
	require.Equal(t, []string{"off", "cold", "warm"}, card.asked())
}

// TestACommandOrResetPowersUp: pcscd powers up first, but a card without power does nothing in any case.
func TestACommandOrResetPowersUp(t *testing.T) {
	b, card := newBed(t), newFakeCard()
	b.driver.cfg.PowerOff = time.Hour
	h := b.connect(vitale)
	b.insert(vitale, card)
	n := h.inserted()
	h.ask(framePowerDown, n)
	o, _ := h.ask(frameTransmit, n, selectMF...)
	require.Equal(t, done, o)
	h.ask(framePowerDown, n)
	o, _ = h.ask(frameReset, n)
	require.Equal(t, done, o)
	require.Equal(t, []string{"cold", "command", "cold"}, card.asked())
}

func TestFailedResetIsRepeatedCold(t *testing.T) {
	b, card := newBed(t), newFakeCard()
	card.fails = []error{errReader, errReader}
	h := b.connect(vitale)
	b.insert(vitale, card)
	n := h.inserted()
	for range 2 {
		o, _ := h.ask(frameReset, n)
		require.Equal(t, failed, o)
	}
	o, _ := h.ask(frameTransmit, n, selectMF...)
	require.Equal(t, done, o)
	require.Equal(t, []string{"warm", "cold", "cold", "command"}, card.asked())
}

// TestFailures: a reader that fails keeps the card; a card of which nobody knows what it did is taken away.
func TestFailures(t *testing.T) {
	b, card := newBed(t), newFakeCard()
	h := b.connect(vitale)
	b.insert(vitale, card)
	n := h.inserted()
	card.set(func() { card.result = errReader })
	o, _ := h.ask(frameTransmit, n, selectMF...)
	require.Equal(t, failed, o)
	for _, length := range []int{0, 3, session.MaxCommand + 1, maxPayload - insertionLen} {
		o, _ = h.ask(frameTransmit, n, make([]byte, length)...)
		require.Equal(t, failed, o, "%d octets are no command", length)
	}
	require.Equal(t, []string{"command"}, card.asked())
	card.set(func() { card.result = session.ErrCardLost })
	o, _ = h.ask(frameTransmit, n, selectMF...)
	require.Equal(t, gone, o)
	f := h.event()
	require.Equal(t, frameRemoved, f.typ)
	require.Equal(t, n, f.number)
}

func TestLongCommandsAndResponses(t *testing.T) {
	b, card := newBed(t), newFakeCard()
	h := b.connect(vitale)
	b.insert(vitale, card)
	n := h.inserted()
	apdu := append([]byte{0, 0xB0, 0, 0, 0, 0xFF, 0xFF}, make([]byte, 0xFFFF+2)...)
	require.Len(t, apdu, session.MaxCommand)
	o, body := h.ask(frameTransmit, n, apdu...)
	require.Equal(t, done, o)
	require.Equal(t, okay, body)
}

func TestRemovalAbortsATransmit(t *testing.T) {
	b, card := newBed(t), newFakeCard()
	card.hold = make(chan struct{})
	defer close(card.hold)
	h := b.connect(vitale)
	b.insert(vitale, card)
	n := h.inserted()
	h.send(frameTransmit, n, selectMF...)
	<-card.busy
	require.NoError(t, b.terminal.Remove(vitale))
	o, _, _ := h.answer()
	require.Equal(t, gone, o)
}

// TestASwapNeverReadsAsTheFirst: what was meant for a card never reaches the next.
func TestASwapNeverReadsAsTheFirst(t *testing.T) {
	b, first, second := newBed(t), newFakeCard(), newFakeCard()
	h := b.connect(vitale)
	b.insert(vitale, first)
	n := h.inserted()
	require.NoError(t, b.terminal.Remove(vitale))
	b.insert(vitale, second)
	next := h.inserted()
	require.NotEqual(t, n, next)
	o, _ := h.ask(frameTransmit, n, selectMF...)
	require.Equal(t, gone, o)
	o, _ = h.ask(frameTransmit, next, selectMF...)
	require.Equal(t, done, o)
	require.Empty(t, first.asked())
	require.Equal(t, []string{"command"}, second.asked())
}

// TestDriverGoneUnderACommand: the next driver may be another pcscd's, and gets a card that has forgotten everything.
func TestDriverGoneUnderACommand(t *testing.T) {
	b, card := newBed(t), newFakeCard()
	card.hold = make(chan struct{})
	h := b.connect(vitale)
	b.insert(vitale, card)
	n := h.inserted()
	h.ask(framePowerUp, n)
	h.send(frameTransmit, n, selectMF...)
	<-card.busy
	require.NoError(t, h.requests.Close())
	h = b.connect(vitale)
	close(card.hold)
	next := h.inserted()
	require.NotEqual(t, n, next)
	require.Equal(t, []string{"command", "cold"}, card.asked(), "before the driver hears of it")
	o, atr := h.ask(framePowerUp, next)
	require.Equal(t, done, o)
	require.Equal(t, renewedATR, atr)
	require.Equal(t, []string{"command", "cold"}, card.asked(), "pcscd waits for no network")
	require.NotContains(t, b.log.String(), "programs lost the card")
}

// TestC3DriverComesDuringAnOutage: pcscd lets no program begin before the card that its driver told of has power, so
// the driver is told of none while the terminal does not answer.
func TestC3DriverComesDuringAnOutage(t *testing.T) {
	b, card := newBed(t), newFakeCard()
	h := b.connect(vitale)
	b.insert(vitale, card)
	h.ask(framePowerUp, h.inserted())
	held := make(chan struct{})
	card.set(func() { card.holdReset = held })
	for range 2 {
		require.NoError(t, h.events.Close())
		h = b.connect(vitale)
		f := h.event()
		require.Equal(t, frameRemoved, f.typ)
		require.Zero(t, f.number)
		require.True(t, b.state(vitale).Connected)
	}
	close(held)
	n := h.inserted()
	o, _ := h.ask(framePowerUp, n)
	require.Equal(t, done, o)
	require.Equal(t, []string{"cold"}, card.asked())
}

// TestSP4Verify: a reader whose pad is the terminal. The other slot goes on meanwhile, and the driver is told to wait.
func TestSP4Verify(t *testing.T) {
	b, slow, other := newBed(t), newFakeCard(), newFakeCard()
	slow.hold = make(chan struct{})
	h, h2 := b.connect(cps), b.connect(vitale)
	b.insert(cps, slow)
	b.insert(vitale, other)
	n, n2 := h.inserted(), h2.inserted()
	h.send(frameVerify, n, 0, 0x20, 0, 0x0B)
	<-slow.busy
	o, _ := h2.ask(frameTransmit, n2, selectMF...)
	require.Equal(t, done, o)
	f, err := h.answers.next()
	require.NoError(t, err)
	require.Equal(t, frameWorking, f.typ)
	close(slow.hold)
	o, sw, _ := h.answer()
	require.Equal(t, done, o)
	require.Equal(t, []byte{0x63, 0xCB}, sw)
	require.Equal(t, []string{"verify"}, slow.asked())
}

func TestWelcomes(t *testing.T) {
	b := newBed(t)
	h := b.connect(vitale)
	for want, said := range map[welcome][]byte{
		taken:        helloFrame(connEvents, vitale, linkID{}),
		noSlot:       helloFrame(connEvents, session.Slots, linkID{}),
		noLink:       helloFrame(connRequests, vitale, linkID{}),
		otherVersion: appendFrame(nil, frameHello, 0, []byte{protocolVersion + 1, 'x'}),
	} {
		_, in, got, _ := b.greet(said)
		require.Equal(t, want, got)
		b.ends(in)
	}
	require.NoError(t, h.events.Close())
	b.ends(h.answers)
	b.eventually(func() bool { return b.state(vitale).Error != "" }, "what was wrong is told")
}

// TestC1ASecondPCSCDIsTold: the readers of a pcscd that has our entries too stay empty, which is told although the
// other one works.
func TestC1ASecondPCSCDIsTold(t *testing.T) {
	b := newBed(t)
	b.connect(vitale)
	b.eventually(func() bool {
		_, _, got, _ := b.greet(helloFrame(connEvents, vitale, linkID{}))
		s := b.state(vitale)
		return got == taken && s.Connected && strings.Contains(s.Error, "another pcscd")
	}, "not told")
}

func TestBrokenProtocol(t *testing.T) {
	b := newBed(t)
	for name, said := range map[string][]byte{
		"no hello":      appendFrame(nil, frameAsked, 0),
		"long":          {byte(frameHello), 0, 0, 0, 0, 0, 1, 0, 0x11},
		"no version":    appendFrame(nil, frameHello, 0),
		"short":         helloFrame(connEvents, vitale, linkID{})[:headerLen+3],
		"long version":  appendFrame(nil, frameHello, 0, []byte{protocolVersion, 1, 0}, make([]byte, linkLen+65)),
		"binary":        appendFrame(nil, frameHello, 0, []byte{protocolVersion, 1, 0}, make([]byte, linkLen+1)),
		"no connection": helloFrame(3, vitale, linkID{}),
		"":              {},
	} {
		c := b.dial()
		_, err := c.Write(said)
		require.NoError(t, err)
		require.NoError(t, c.CloseWrite())
		b.ends(&frames{r: c})
		b.eventually(func() bool { return b.state(vitale).Error != "" }, name)
	}
	for name, said := range map[string][]byte{
		"number":         appendFrame(nil, framePowerUp, 2, make([]byte, 4)),
		"short":          appendFrame(nil, framePowerUp, 1, make([]byte, 3)),
		"long":           appendFrame(nil, framePowerUp, 1, make([]byte, 5)),
		"type":           appendFrame(nil, frameAsked, 1, make([]byte, 4)),
		"verify's frame": appendFrame(nil, frameVerify, 1, make([]byte, 9)),
	} {
		h := b.connect(vitale)
		_, err := h.requests.Write(said)
		require.NoError(t, err)
		b.ends(h.news)
		b.eventually(func() bool { return strings.Contains(b.state(vitale).Error, "protocol") }, name)
	}
	h := b.connect(vitale)
	require.Empty(t, b.state(vitale).Error)
	_, err := h.events.Write(appendFrame(nil, frameInserted, 1))
	require.NoError(t, err)
	b.ends(h.answers)
}

// TestASilentDriverIsTold: the driver leaves at once when the owner is not whom it expects.
func TestASilentDriverIsTold(t *testing.T) {
	b := newBed(t)
	for range 3 {
		require.NoError(t, b.dial().Close())
	}
	b.eventually(func() bool { return strings.Contains(b.state(cps).Error, "DEVICENAME") }, "not told")
	require.LessOrEqual(t, strings.Count(b.log.String(), "without a word"), 1)
}

// strangerEnv makes this test binary a program that tries to be a driver.
const strangerEnv = "TLAGATE_STRANGER"

// beStranger returns 0 if it got nothing.
func beStranger(socket string) int {
	c, err := net.Dial("unix", socket)
	if err != nil {
		fmt.Println("cannot connect:", err)
		return 1
	}
	_, _ = c.Write(helloFrame(connEvents, vitale, linkID{}))
	if got, _ := io.ReadAll(c); len(got) != 0 {
		fmt.Printf("got %d octets\n", len(got))
		return 1
	}
	return 0
}

// TestC2StrangerGetsNothing: another account connects, is closed without a word, counted and told of, at most so often.
func TestC2StrangerGetsNothing(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("acting as another account needs root")
	}
	b := newBed(t)
	b.insert(vitale, newFakeCard())
	b.dial().Close()
	for dir := filepath.Dir(b.socket); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		require.NoError(t, os.Chmod(dir, 0o755))
	}
	for range strangersFirst + 2 {
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = append(os.Environ(), strangerEnv+"="+b.socket)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	b.eventually(func() bool { return b.state(cps).Foreign == strangersFirst+2 }, "not counted")
	require.Equal(t, "uid 65534", b.state(cps).Stranger)
	require.Equal(t, strangersFirst, strings.Count(b.log.String(), "account=\"uid 65534\""))
}

// TestSocketIsOpenAndReplaced; tla-pdt's unit has a umask that would close the directory.
func TestSocketIsOpenAndReplaced(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077))
	b := newBed(t)
	b.dial()
	info, err := os.Stat(b.socket)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o666), info.Mode().Perm())
	info, err = os.Stat(filepath.Dir(b.socket))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o755), info.Mode().Perm())
	other, err := New(Config{Socket: b.socket})
	require.NoError(t, err)
	require.ErrorContains(t, other.Run(t.Context()), "another program listens")
}

func TestConfig(t *testing.T) {
	for _, c := range []Config{{}, {Socket: "readers.sock"}, {Socket: "/a b"}, {Socket: "/" + strings.Repeat("x", 107)},
		{Socket: "/s", Readers: 2}, {Socket: "/s", Readers: -1}, {Socket: "/s", PowerOff: -1}} {
		_, err := New(c)
		require.ErrorContains(t, err, "cannot", "%+v", c)
	}
}

func FuzzFrames(f *testing.F) {
	_, known := vectors(f)
	for _, frame := range known {
		f.Add(frame)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var again []byte
		all := &frames{r: bytes.NewReader(in)}
		for {
			one, err := all.next()
			if err != nil {
				break
			}
			again = appendFrame(again, one.typ, one.number, one.payload)
			if h, err := parseHello(one); err == nil && h.speaks == protocolVersion {
				require.LessOrEqual(t, len(h.version), maxVersion)
			}
			if q, err := parseRequest(one, one.number); err == nil && q.typ == frameVerify {
				require.Len(t, q.data, session.MinCommand)
			}
		}
		require.True(t, bytes.HasPrefix(in, again))
		all.wipe()
		require.Empty(t, bytes.Trim(all.buf, "\x00"))
	})
}
