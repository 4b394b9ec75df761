package integration

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/integration/cardsim"
	"tlagate/integration/world"
	"tlagate/pdt"
	"tlagate/pdt/ifd"
	"tlagate/session"
)

// The readers of our own driver, as programs see them.
const (
	vitaleReader = "tlagate Vitale 00 00"
	cpsReader    = "tlagate CPS 01 00"
)

// ifdBed is a pcscd with our own driver, and what stands for tla-pdt beside it.
type ifdBed struct {
	t      testing.TB
	socket string
	pcscd  *world.PCSCD
	driver *ifd.Driver // of the last connect
	stop   func()      // ends it
}

// newIFDBed starts a pcscd; tla-pdt is still away.
func newIFDBed(t testing.TB, cfg world.PCSCDConfig) *ifdBed {
	t.Helper()
	b := &ifdBed{t: t, socket: filepath.Join(t.TempDir(), "readers.sock"), stop: func() {}}
	cfg.Conf = ifd.ReaderConf(b.entries())
	var err error
	b.pcscd, err = world.StartPCSCD(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { b.stop(); require.NoError(t, b.pcscd.Close()) })
	return b
}

func (b *ifdBed) entries() []ifd.Entry {
	return []ifd.Entry{{Name: "tlagate Vitale", Socket: b.socket, Owner: "0", Slot: 0},
		{Name: "tlagate CPS", Socket: b.socket, Owner: "root", Slot: 1}}
}

// begin has tla-pdt's end of the driver begin.
func (b *ifdBed) begin() [session.Slots]pdt.Reader {
	b.t.Helper()
	var err error
	b.driver, err = ifd.New(ifd.Config{Socket: b.socket, Log: slog.New(slog.NewTextHandler(b.t.Output(), nil))})
	require.NoError(b.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var run sync.WaitGroup
	run.Go(func() { require.NoError(b.t, b.driver.Run(ctx)) })
	b.stop = func() { cancel(); run.Wait() }
	return b.driver.Readers()
}

// session returns a session whose cards programs see.
func (b *ifdBed) session() *bareSession {
	b.t.Helper()
	return newBareSessionOf(b.t, b.begin())
}

// TestIFDShowsTheCardsOfASession: unmodified programs read both cards of a session through our own driver.
func TestIFDShowsTheCardsOfASession(t *testing.T) {
	t.Parallel()
	b := newIFDBed(t, world.PCSCDConfig{})
	require.Equal(t, map[string]bool{vitaleReader: false, cpsReader: false},
		readers(tool(t, b.pcscd, "opensc-tool", "-l")))
	s := b.session()
	v := cardsim.NewVitale(cardsim.VitaleConfig{Serial: "0000000042"})
	s.insert(session.SlotVitale, v)
	s.waitShown(session.SlotVitale)
	require.True(t, readers(tool(t, b.pcscd, "opensc-tool", "-l"))[vitaleReader], "at once")
	c := b.client(vitaleReader)
	require.Equal(t, serialFile(v), c.transmit(readSerial))
	require.True(t, b.driver.State()[session.SlotVitale].Asked)
	cps := newCPS(t)
	s.insert(session.SlotCPS, cps)
	s.waitShown(session.SlotCPS)
	require.False(t, b.driver.State()[session.SlotCPS].Asked)
	atr := tool(t, b.pcscd, "opensc-tool", "--reader", cpsReader, "-a")
	require.Equal(t, fmt.Sprintf("%x", cps.ATR()), strings.ReplaceAll(strings.TrimSpace(atr), ":", ""))
	require.NoError(t, s.terminal.Remove(session.SlotVitale))
	require.Equal(t, removed, c.untilRemoved())
}

// What programs get when a card has gone: at first, and then.
const (
	noCard  = "error 8010000C"
	removed = "error 80100069"
	failed  = "error 80100016"
)

// client returns a program that is connected to a reader's card.
func (b *ifdBed) client(reader string) *pcscClient {
	b.t.Helper()
	c := startClient(b.t, b.pcscd)
	require.Equal(b.t, "ok", c.do("seen "+reader))
	require.Equal(b.t, "ok", c.do("connect "+reader))
	return c
}

// untilRemoved goes on reading until it gets another error than that there is no card.
func (c *pcscClient) untilRemoved() string {
	c.t.Helper()
	for {
		if answer := c.transmit(readSerial); answer != noCard {
			return answer
		}
	}
}

// padCard is a card that waits with each answer until it is released.
type padCard struct {
	release func()
	hold    context.Context
	busy    chan string // what it was asked
}

func newPadCard(t testing.TB) *padCard {
	c := &padCard{busy: make(chan string, 9)}
	c.hold, c.release = context.WithCancel(context.Background())
	t.Cleanup(c.release)
	return c
}

func (c *padCard) Transmit(apdu []byte) ([]byte, error) {
	c.busy <- fmt.Sprintf("%X", apdu)
	<-c.hold.Done()
	return []byte{0x90, 0}, nil
}

func (c *padCard) VerifyPIN(header [session.MinCommand]byte) ([]byte, error) {
	c.busy <- fmt.Sprintf("verify %X", header)
	<-c.hold.Done()
	return []byte{0x63, 0xC2}, nil
}

func (c *padCard) Reset(session.ResetKind) ([]byte, error) { return bytes.Clone(padATR), nil }

var padATR = []byte{0x3B, 0x80, 0x80, 0x01, 0x01} // T=0 and T=1

// TestIFDNamesStay: whatever happens to pcscd and tla-pdt, the readers keep their names.
func TestIFDNamesStay(t *testing.T) {
	t.Parallel()
	b := newIFDBed(t, world.PCSCDConfig{})
	names := func(want map[string]bool) {
		t.Helper()
		require.NoError(t, world.Poll(patience, "the readers", func() error {
			if got := readers(tool(t, b.pcscd, "opensc-tool", "-l")); !maps.Equal(got, want) {
				return fmt.Errorf("readers are %v", got)
			}
			return nil
		}))
	}
	empty := map[string]bool{vitaleReader: false, cpsReader: false}
	names(empty) // tla-pdt is away
	s := b.session()
	s.insert(session.SlotVitale, cardsim.NewVitale(cardsim.VitaleConfig{}))
	names(map[string]bool{vitaleReader: true, cpsReader: false}) // it comes late
	require.NoError(t, b.pcscd.Restart())
	require.Equal(t, map[string]bool{vitaleReader: true, cpsReader: false},
		readers(tool(t, b.pcscd, "opensc-tool", "-l")), "at once: opening a reader waits for a first look")
	b.stop()
	names(empty) // it went
	require.NoError(t, b.pcscd.Restart())
	names(empty)
	s = b.session() // and is replaced
	s.insert(session.SlotCPS, newCPS(t))
	names(map[string]bool{vitaleReader: false, cpsReader: true})
	b.pcscd.Kill()
	entries := b.entries()
	entries[0].Placeholder = true
	require.NoError(t, b.pcscd.Configure(ifd.ReaderConf(append(entries, ifd.Entry{Name: "tlagate Vitale",
		Socket: b.socket, Owner: "root", Slot: 0}))))
	require.NoError(t, b.pcscd.Start())
	names(map[string]bool{vitaleReader: false, cpsReader: true, "tlagate Vitale 02 00": false})
}

// TestIFDSwapInOneGo: the card is swapped without a pause, while a program reads. Its handle never reads the other
// card, and is told of the removal each time.
func TestIFDSwapInOneGo(t *testing.T) {
	t.Parallel()
	b := newIFDBed(t, world.PCSCDConfig{})
	s := b.session()
	cards := []*cardsim.Vitale{cardsim.NewVitale(cardsim.VitaleConfig{Serial: "0000000001"}),
		cardsim.NewVitale(cardsim.VitaleConfig{Serial: "0000000002"})}
	s.insert(session.SlotVitale, cards[0])
	for i := range 5 {
		here, next := cards[i%2], cards[(i+1)%2]
		c := b.client(vitaleReader)
		require.Equal(t, serialFile(here), c.transmit(readSerial))
		require.NoError(t, s.terminal.Remove(session.SlotVitale))
		s.insert(session.SlotVitale, next)
		for answer := ""; answer != removed; {
			answer = c.transmit(readSerial)
			require.Contains(t, []string{serialFile(here), noCard, removed}, answer)
		}
	}
}

// TestIFDSwapIsCounted: pcscd notices each swap, at whatever moment of its own round it comes: of a card that nobody
// uses, that has just got power, that lost it again.
func TestIFDSwapIsCounted(t *testing.T) {
	t.Parallel()
	b := newIFDBed(t, world.PCSCDConfig{})
	s := b.session()
	s.insertAs(session.SlotVitale, padATR, newPadCard(t))
	c := startClient(t, b.pcscd)
	require.Equal(t, "ok", c.do("seen "+vitaleReader))
	const swaps = 40
	for i := range swaps {
		time.Sleep(time.Duration(i*7%swaps) * 5 * time.Millisecond) // the moments of which the test is about
		require.NoError(t, s.terminal.Remove(session.SlotVitale))
		s.insertAs(session.SlotVitale, padATR, newPadCard(t))
		s.waitShown(session.SlotVitale)
	}
	require.NoError(t, world.Poll(patience, "every swap", func() error {
		if got := c.do("events " + vitaleReader); got != fmt.Sprintf("ok %d", 1+2*swaps) {
			return fmt.Errorf("%s of %d", got, 1+2*swaps)
		}
		return nil
	}))
}

// TestIFDRemovalAbortsATransmit, as does the end of tla-pdt. The card that comes next is another.
func TestIFDRemovalAbortsATransmit(t *testing.T) {
	t.Parallel()
	b := newIFDBed(t, world.PCSCDConfig{})
	s := b.session()
	remove := func() { require.NoError(t, s.terminal.Remove(session.SlotVitale)) }
	for _, end := range []func(){remove, func() { b.stop() }} {
		card := newPadCard(t)
		s.insertAs(session.SlotVitale, padATR, card)
		c := b.client(vitaleReader)
		c.ask("transmit " + readSerial)
		<-card.busy
		end()
		require.Equal(t, noCard, c.answer())
		require.Equal(t, removed, c.untilRemoved())
		card.release()
	}
}

// TestIFDErrorsOfALocalReader: a reader that fails keeps its card; of a card whose answer was lost nobody invents one.
func TestIFDErrorsOfALocalReader(t *testing.T) {
	t.Parallel()
	b := newIFDBed(t, world.PCSCDConfig{})
	s := b.session()
	card := &failingCard{}
	s.insertAs(session.SlotVitale, padATR, card)
	c := b.client(vitaleReader)
	require.Equal(t, "9000", c.transmit(readSerial))
	card.fail(errors.New("reader failed"))
	require.Equal(t, failed, c.transmit(readSerial))
	card.fail(nil)
	require.Equal(t, "9000", c.transmit(readSerial), "the same handle")
	require.Equal(t, failed, c.transmit("00A400"), "no command")
	card.fail(session.ErrCardLost)
	require.Equal(t, noCard, c.transmit(readSerial))
	require.Equal(t, removed, c.untilRemoved())
}

type failingCard struct {
	padCard
	mu  sync.Mutex
	err error
}

func (c *failingCard) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
}

func (c *failingCard) Transmit([]byte) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return []byte{0x90, 0}, c.err
}

// TestIFDSecurityStateEndsWithTheProgram: a program's reset or power-off is a real one at the card; without either, the
// card keeps its state. When pcscd was killed, the card is reset before the next program has it.
func TestIFDSecurityStateEndsWithTheProgram(t *testing.T) {
	t.Parallel()
	b := newIFDBed(t, world.PCSCDConfig{})
	s := b.session()
	v := cardsim.NewVitale(cardsim.VitaleConfig{})
	s.insert(session.SlotVitale, v)
	c := b.client(vitaleReader)
	before := v.Counts()
	require.Equal(t, serialFile(v), c.transmit(readSerial))
	require.Equal(t, before.PowerOns, v.Counts().PowerOns)
	require.Equal(t, "ok", c.do("reset"))
	require.Equal(t, before.Resets+1, v.Counts().Resets)
	require.Equal(t, "ok", c.do("unpower"))
	require.Equal(t, before.PowerOns+1, v.Counts().PowerOns)
	require.Equal(t, serialFile(v), c.transmit(readSerial))

	before = v.Counts()
	b.pcscd.Kill()
	require.NoError(t, b.pcscd.Start())
	c = b.client(vitaleReader)
	require.Greater(t, v.Counts().PowerOns, before.PowerOns)
	require.Equal(t, serialFile(v), c.transmit(readSerial))
}

// TestC3IFDStartsDuringAnOutage: pcscd is started again while the terminal does not answer. Programs have all readers
// at once, and the card as soon as the terminal is back.
func TestC3IFDStartsDuringAnOutage(t *testing.T) {
	t.Parallel()
	b := newIFDBed(t, world.PCSCDConfig{})
	s := b.session()
	card, v := newAwayCard(t), cardsim.NewVitale(cardsim.VitaleConfig{})
	s.insertAs(session.SlotCPS, padATR, card)
	s.insert(session.SlotVitale, v)
	b.client(cpsReader)
	b.pcscd.Kill()
	require.NoError(t, b.pcscd.Start())
	require.False(t, readers(tool(t, b.pcscd, "opensc-tool", "-l"))[cpsReader])
	require.Equal(t, serialFile(v), b.client(vitaleReader).transmit(readSerial), "the other reader goes on")
	card.back()
	require.Equal(t, "9000", b.client(cpsReader).transmit(readSerial))
}

// awayCard is a card whose terminal executes no reset until it is back.
type awayCard struct {
	echoless
	away context.Context
	back func()
}

// echoless answers every command alike.
type echoless struct{}

func (echoless) Transmit([]byte) ([]byte, error) { return []byte{0x90, 0}, nil }

func newAwayCard(t testing.TB) *awayCard {
	c := new(awayCard)
	c.away, c.back = context.WithCancel(context.Background())
	t.Cleanup(c.back)
	return c
}

func (c *awayCard) Reset(session.ResetKind) ([]byte, error) {
	<-c.away.Done()
	return bytes.Clone(padATR), nil
}

// What OpenSC sends to have a PIN verified: PIN_VERIFY_STRUCTURE of PC/SC part 10, with the template of a VERIFY.
const (
	openSCHeader   = "1E1E82080008040201000000000000"
	openSCTemplate = "0020008108FFFFFFFFFFFFFFFF"
)

// TestSP4IFDPad: the pad of the reader is the terminal; a slow user holds up no other reader, and of the structure
// nothing but the header of its command crosses.
func TestSP4IFDPad(t *testing.T) {
	t.Parallel()
	b := newIFDBed(t, world.PCSCDConfig{})
	s := b.session()
	card, v := newPadCard(t), cardsim.NewVitale(cardsim.VitaleConfig{})
	s.insertAs(session.SlotCPS, padATR, card)
	s.insert(session.SlotVitale, v)
	c, other := b.client(cpsReader), b.client(vitaleReader)
	require.Equal(t, "ok 0604423300060A044233000A120442330012", c.do("control 42000D48"))
	require.Equal(t, "ok 00000200", c.do("control 4233000A"))
	require.Regexp(t, "^ok 0102000002010203010008", c.do("control 42330012"))
	for _, wrong := range []string{"", "00", openSCHeader + "0E000000" + openSCTemplate,
		openSCHeader + "03000000002000", openSCHeader + "0D000000" + openSCTemplate[:8] + "07" + openSCTemplate[10:]} {
		require.Equal(t, failed, c.do("control 42330006 "+wrong), wrong)
	}
	require.Equal(t, "error 8010001F", c.do("control 42330006 "+openSCHeader+"0D000000"+"0024"+openSCTemplate[4:]))
	require.Equal(t, "error 8010001F", c.do("control 42330007 "+openSCHeader+"0D000000"+openSCTemplate), "MODIFY")

	c.ask("control 42330006 " + openSCHeader + "0D000000" + openSCTemplate)
	require.Equal(t, "verify 00200081", <-card.busy)
	require.Equal(t, serialFile(v), other.transmit(readSerial), "the other reader goes on")
	card.release()
	require.Equal(t, "ok 63C2", c.answer())
	require.Equal(t, "ok 63C2", c.do("control 42330006 "+openSCHeader+"0000000D"+openSCTemplate), "the other order")
}

// TestSP4IFDTwoProgramsAtThePad: a program dies while the user is asked for the code that it wanted, and another wants
// one too: the user is asked for each, one after the other, and the second program gets its own answer.
func TestSP4IFDTwoProgramsAtThePad(t *testing.T) {
	t.Parallel()
	b := newIFDBed(t, world.PCSCDConfig{})
	s := b.session()
	card := newPadCard(t)
	s.insertAs(session.SlotCPS, padATR, card)
	first, second := b.client(cpsReader), b.client(cpsReader)
	const verify = "control 42330006 " + openSCHeader + "0D000000" + openSCTemplate
	first.ask(verify)
	require.Equal(t, "verify 00200081", <-card.busy)
	second.ask(verify)
	first.kill()
	require.Empty(t, card.busy, "one at a time")
	card.release()
	require.Equal(t, "ok 63C2", second.answer())
	require.Equal(t, "verify 00200081", <-card.busy)
	require.Empty(t, card.busy)
}

func TestIFDAttributes(t *testing.T) {
	t.Parallel()
	b := newIFDBed(t, world.PCSCDConfig{})
	s := b.session()
	s.insertAs(session.SlotVitale, padATR, newPadCard(t))
	c := b.client(vitaleReader)
	for attrib, want := range map[uint32]string{
		0x00010100: "tlagate\x00", 0x00010103: "0:0\x00", 0x0007A007: "\x08\x00\x01\x00", 0x00090300: "\x02",
		0x00090301: "\x01", 0x00090303: string(padATR), 0x7FFF0003: vitaleReader + "\x00",
	} {
		require.Equal(t, fmt.Sprintf("ok %X", want), c.do(fmt.Sprintf("attrib %X", attrib)), "%X", attrib)
	}
	require.Equal(t, "error 8010001F", c.do("attrib 00010120"))
}

// TestIFDExtendedLengths both ways, up to the longest that there are.
func TestIFDExtendedLengths(t *testing.T) {
	t.Parallel()
	b := newIFDBed(t, world.PCSCDConfig{})
	s := b.session()
	s.insertAs(session.SlotVitale, padATR, echoCard{})
	c := b.client(vitaleReader)
	for _, n := range []int{1, 255, 256, 257, 0x7FFF, 0xFFFF} {
		data := strings.Repeat("A5", n)
		require.Equal(t, data+"9000", c.transmit(fmt.Sprintf("00CB000000%04X%s0000", n, data)), "%d octets", n)
	}
}

// echoCard answers the data of a command with extended length.
type echoCard struct{}

func (echoCard) Transmit(apdu []byte) ([]byte, error) {
	n := int(binary.BigEndian.Uint16(apdu[5:]))
	return append(bytes.Clone(apdu[7:7+n]), 0x90, 0), nil
}

func (echoCard) Reset(session.ResetKind) ([]byte, error) { return bytes.Clone(padATR), nil }

// TestEL3IFDKeepsNothing: when a command is done, the driver has nothing of it, nor of its answer, in pcscd's memory. A
// PIN that was typed at the terminal was never there (SP4).
func TestEL3IFDKeepsNothing(t *testing.T) {
	t.Parallel()
	b := newIFDBed(t, world.PCSCDConfig{})
	s := b.session()
	card := newPadCard(t)
	card.release()
	s.insertAs(session.SlotVitale, padATR, echoCard{})
	s.insertAs(session.SlotCPS, padATR, card)
	const secret = "of the card, and of nobody else."
	c := b.client(vitaleReader)
	data := fmt.Sprintf("%X", secret)
	require.Equal(t, data+"9000", c.transmit(fmt.Sprintf("00CB000000%04X%s0000", len(secret), data)))
	require.Equal(t, "ok 63C2", b.client(cpsReader).do("control 42330006 "+openSCHeader+"0D000000"+openSCTemplate))
	pid := b.pcscd.Process().PID()
	require.Zero(t, inMemoryOf(t, pid, filepath.Base(ifd.Library), secret))
	require.Zero(t, inMemoryOf(t, pid, filepath.Base(ifd.Library), "\x00\x20\x00\x81"))
	require.Positive(t, inMemoryOf(t, pid, filepath.Base(ifd.Library), b.socket), "the search finds what is there")
}

// TestC2IFDOwner: the driver sends nothing to a program of another account than its entry names, which its log tells;
// and that program is told that the driver left.
func TestC2IFDOwner(t *testing.T) {
	t.Parallel()
	b := newIFDBed(t, world.PCSCDConfig{})
	b.pcscd.Kill()
	entries := b.entries()
	entries[0].Owner, entries[1].Owner = "65533", "daemon"
	require.NoError(t, b.pcscd.Configure(ifd.ReaderConf(entries)))
	s := b.session()
	s.insertAs(session.SlotVitale, padATR, newPadCard(t))
	require.NoError(t, b.pcscd.Start())
	_, err := b.pcscd.Process().WaitLine(patience, "slot 0: another user than the owner named in DEVICENAME listens")
	require.NoError(t, err)
	require.NoError(t, world.Poll(patience, "tla-pdt to be told", func() error {
		if state := b.driver.State()[0]; !strings.Contains(state.Error, "DEVICENAME") || state.Connected {
			return fmt.Errorf("state is %+v", state)
		}
		return nil
	}))
	require.Equal(t, map[string]bool{vitaleReader: false, cpsReader: false},
		readers(tool(t, b.pcscd, "opensc-tool", "-l")))
}

// TestIFDUnderSanitizers runs pcscd with a driver that is compiled with AddressSanitizer and
// UndefinedBehaviorSanitizer, through the driver's whole life.
func TestIFDUnderSanitizers(t *testing.T) {
	t.Parallel()
	asan, err := world.Run(patience, nil, "cc", "-print-file-name=libasan.so")
	require.NoError(t, err)
	b := newIFDBed(t, world.PCSCDConfig{Driver: &world.Driver{
		Flags: []string{"-g", "-fsanitize=address,undefined", "-U_FORTIFY_SOURCE"},
		Vars:  []string{"LD_PRELOAD=" + strings.TrimSpace(asan), "ASAN_OPTIONS=detect_leaks=0"}}})
	pcscd := b.pcscd.Process()
	for range 3 {
		s := b.session()
		card := newPadCard(t)
		card.release()
		s.insertAs(session.SlotVitale, padATR, card)
		s.insertAs(session.SlotCPS, padATR, echoCard{})
		c, long := b.client(vitaleReader), b.client(cpsReader)
		require.Equal(t, "9000", c.transmit(readSerial))
		require.Equal(t, "ok 63C2", c.do("control 42330006 "+openSCHeader+"0D000000"+openSCTemplate))
		require.Equal(t, failed, c.do("control 42330006 00"))
		require.Regexp(t, "9000$", long.transmit("00CB000000FFFF"+strings.Repeat("00", 0xFFFF)+"0000"))
		require.Equal(t, "ok", c.do("reset"))
		require.Equal(t, "ok", c.do("disconnect"))
		b.stop()
		require.Equal(t, removed, long.untilRemoved())
	}
	require.NoError(t, b.pcscd.Stop())
	require.NotRegexp(t, "AddressSanitizer|runtime error", strings.Join(pcscd.Lines(), "\n"))
}

// alarm ends a pcscd as its own alarm does when no program has come for a minute. pcscd 1.9.9 on a busy machine may not
// notice the first one.
func alarm(t *testing.T, pcscd *world.Process) {
	t.Helper()
	require.NoError(t, world.Poll(patience, "pcscd to end", func() error {
		if err := pcscd.Signal(syscall.SIGALRM); err != nil {
			return err
		}
		_, err := pcscd.Wait(time.Second)
		return err
	}))
}

// TestIFDWithActivationAndAutoExit: the first program has systemd start pcscd, and finds the card at once; pcscd ends
// by itself when nobody needs it, the card then forgets what it knew, and the next program finds it again.
func TestIFDWithActivationAndAutoExit(t *testing.T) {
	t.Parallel()
	b := newIFDBed(t, world.PCSCDConfig{})
	b.pcscd.Kill()
	b.pcscd.Args = []string{"--auto-exit"}
	s := b.session()
	v := cardsim.NewVitale(cardsim.VitaleConfig{})
	s.insert(session.SlotVitale, v)
	for range 2 {
		before := v.Counts()
		require.NoError(t, b.pcscd.StartOnDemand())
		require.False(t, b.driver.State()[session.SlotVitale].Connected)
		require.Equal(t, map[string]bool{vitaleReader: true, cpsReader: false},
			readers(tool(t, b.pcscd, "opensc-tool", "-l")))
		require.True(t, b.driver.State()[session.SlotVitale].Shown)
		alarm(t, b.pcscd.Process())
		require.NoError(t, world.Poll(patience, "the card to lose its power", func() error {
			if state := b.driver.State()[session.SlotVitale]; state.Connected || state.Shown {
				return fmt.Errorf("state is %+v", state)
			}
			if v.Counts().PowerOffs == before.PowerOffs {
				return errors.New("it has power")
			}
			return nil
		}))
		require.NoError(t, b.pcscd.Stop())
	}
}
