package integration

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/integration/cardsim"
	"tlagate/integration/faults"
	"tlagate/integration/lab"
	"tlagate/integration/world"
	"tlagate/pdt"
	"tlagate/tla"
)

// lostBed is a session of the real programs that may go through either of two gateways. It has a proxy between each end
// and each gateway, a counting card, and a PC/SC program at the PdT that uses the card.
type lostBed struct {
	*lab.Lab
	t        *testing.T
	near     [2]*faults.Proxy // between the TLA and each gateway
	far      [2]*faults.Proxy // between the PdT and each gateway
	program  *pcscClient
	serial   uint32
	longest  time.Duration // that an exchange took
	resolver *faults.Resolver
}

// lostTimers are the timers of a bed; zero = the programs' own.
type lostTimers struct{ heartbeat, grace time.Duration }

// quickTimers find a dead link in less than a second, and wait for another as long as possible.
var quickTimers = lostTimers{quickHeartbeat, tla.MaxGrace}

// patientTimers lose no link because the machine is slow.
var patientTimers = lostTimers{grace: tla.MaxGrace}

const quickHeartbeat = 300 * time.Millisecond

// brief is a grace time for tests that wait for its end: long enough to see, on a slow machine as well, that it runs.
const brief = 8 * time.Second

func (l lostTimers) lines() (gateway, device []string) {
	if l.heartbeat > 0 {
		gateway = append(gateway, fmt.Sprintf("limits: {heartbeat: %v}", l.heartbeat))
		device = append(device, fmt.Sprintf("heartbeat: %v", l.heartbeat))
	}
	if l.grace > 0 {
		device = append(device, fmt.Sprintf("limits: {grace: %v}", l.grace))
	}
	return gateway, device
}

// newLostBed starts all of it: the session is up, and the program is connected to the card.
func newLostBed(t *testing.T, timers lostTimers, more ...func(*lostBed)) *lostBed {
	t.Helper()
	t.Parallel()
	return newLostBedAlone(t, timers, more...)
}

func newLostBedAlone(t *testing.T, timers lostTimers, more ...func(*lostBed)) *lostBed {
	t.Helper()
	l := layLabAlone(t)
	b := &lostBed{Lab: l, t: t}
	require.NoError(t, l.AddGateway())
	l.Counter = cardsim.NewCounter(cardsim.VitaleConfig{})
	for i, addr := range []string{l.GatewayAddr, l.Second.Addr} {
		b.near[i], b.far[i] = b.proxy("127.0.0.1:0", addr), b.proxy("127.0.0.1:0", addr)
		l.TLAVia, l.PdTVia = append(l.TLAVia, l.Named(b.near[i].Addr())), append(l.PdTVia, l.Named(b.far[i].Addr()))
	}
	for _, change := range more {
		change(b)
	}
	b.start(timers)
	return b
}

func (b *lostBed) proxy(on, target string) *faults.Proxy {
	p, err := faults.NewProxyOn(on, target)
	require.NoError(b.t, err)
	b.t.Cleanup(p.Close)
	return p
}

func (b *lostBed) start(timers lostTimers) {
	gateway, device := timers.lines()
	require.NoError(b.t, b.StartReaders())
	require.NoError(b.t, b.InsertCards())
	require.NoError(b.t, b.StartGateway(gateway...))
	require.NoError(b.t, b.StartSecond(gateway...))
	require.NoError(b.t, b.StartPdT(device...))
	for _, via := range b.PdTVia {
		_, err := b.PdTProc.WaitLine(patience, "link parked", via)
		require.NoError(b.t, err)
	}
	require.NoError(b.t, b.StartRelay(device...))
	startSession(b.t, b.Lab)
	b.program = startClient(b.t, b.PdTReaders)
	b.connect()
}

func (b *lostBed) connect() {
	b.t.Helper()
	require.Equal(b.t, "ok", b.program.do("connect "+slotName(b.PdTReaders, vitaleSlot)))
	b.exchange(0)
}

// exchange has the program send a command that takes the card so long, and asserts that the response is that of its
// first and only execution.
func (b *lostBed) exchange(takes time.Duration) {
	b.t.Helper()
	b.send(takes)
	b.received()
}

// send and received are the two halves of exchange.
func (b *lostBed) send(takes time.Duration) {
	b.t.Helper()
	b.serial++
	b.program.ask(fmt.Sprintf("transmit %X", cardsim.CountCommand(b.serial, takes)))
}

func (b *lostBed) received() {
	b.t.Helper()
	began := time.Now()
	require.Equal(b.t, fmt.Sprintf("ok %08X%08X9000", b.serial, 1), b.program.answer(), "command %d", b.serial)
	b.longest = max(b.longest, time.Since(began))
}

// partsRead is how many parts of a file a group of exchanges reads, enough for several to be read ahead.
const partsRead = 8

// reads has the program read so many parts of a file, and asserts that each is what is on the card.
func (b *lostBed) reads(parts int) {
	b.t.Helper()
	require.Equal(b.t, "ok 9000", b.program.do("transmit 00A4040C0B"+cardsim.AIDVitale))
	content := b.Counter.Content(cardsim.AIDVitale, 0xD001)
	for i := range parts {
		p1 := 0x00
		if i == 0 {
			p1 = 0x81 // by its short identifier
		}
		want := content[i*partSize : (i+1)*partSize]
		require.Equal(b.t, fmt.Sprintf("ok %X9000", want),
			b.program.do(fmt.Sprintf("transmit 00B0%02X%02X%02X", p1, i*partSize, partSize)), "part %d", i)
	}
}

const partSize = 16

// onceEach asserts that the card has executed every command once, in order.
func (b *lostBed) onceEach() {
	b.t.Helper()
	twice, lost := b.tally()
	require.Zero(b.t, twice, "commands executed twice")
	require.Zero(b.t, lost, "commands never executed")
	require.True(b.t, slices.IsSorted(b.Counter.Ran()))
}

func (b *lostBed) tally() (twice, lost int) {
	for serial := uint32(1); serial <= b.serial; serial++ {
		switch n := b.Counter.Times(serial); {
		case n > 1:
			twice++
		case n == 0:
			lost++
		}
	}
	return twice, lost
}

// session returns the relay's status of the session, which must be there.
func (b *lostBed) session() *tla.SessionStatus {
	b.t.Helper()
	s := relayStatus(b.t, b.Lab).Session
	require.NotNil(b.t, s, "the session is over")
	return s
}

// settled returns the status of the session once it is not between two links: a command may be answered a moment before
// the relay counts the resume.
func (b *lostBed) settled() *tla.SessionStatus {
	b.t.Helper()
	b.waitState(tla.StateUp)
	return b.session()
}

// via returns which gateway the session goes through, 0 or 1.
func (b *lostBed) via() int {
	b.t.Helper()
	at := slices.Index(b.TLAVia, b.settled().Gateway)
	require.GreaterOrEqual(b.t, at, 0)
	return at
}

// waitState waits for the relay's state.
func (b *lostBed) waitState(state tla.State) {
	b.t.Helper()
	waitRelay(b.t, b.Lab, "the relay to be "+string(state), func(s *tla.Status) bool { return s.State == state })
}

// outage breaks the TLA's link and allows no other; the fault says how.
func (b *lostBed) outage(f faults.Fault) {
	b.t.Helper()
	for _, p := range b.near {
		p.Arm(f)
	}
}

// heal ends every outage.
func (b *lostBed) heal() {
	b.t.Helper()
	for _, p := range slices.Concat(b.near[:], b.far[:]) {
		p.Disarm()
		require.NoError(b.t, p.Admit(faults.Accept))
	}
}

// pdtStatus returns what `tla-pdt status --json` prints.
func (b *lostBed) pdtStatus() *pdt.Status {
	b.t.Helper()
	out, err := b.Run("tla-pdt", "status", "--config", b.Path("pdt.yaml"), "--json")
	require.NoError(b.t, err)
	s := new(pdt.Status)
	require.NoError(b.t, json.Unmarshal([]byte(out), s))
	return s
}

// underWay waits until the PdT has taken a command that cannot reach the TLA.
func (b *lostBed) underWay(before uint64) {
	b.t.Helper()
	require.NoError(b.t, world.Poll(patience, "the PdT to take the command", func() error {
		if s := b.pdtStatus().Session; s == nil || s.Commands <= before {
			return errors.New("it has not")
		}
		return nil
	}))
}

// dialByName makes the TLA dial its gateways by a name, which the bed's own resolver answers with the address of the
// proxies.
func dialByName(addr string) func(*lostBed) {
	return func(b *lostBed) {
		b.resolver = newResolver(b.t, b.Lab, addr)
		for i, target := range []string{b.GatewayAddr, b.Second.Addr} {
			b.near[i].Close()
			b.near[i] = b.proxy(addr+":0", target)
			_, port, _ := net.SplitHostPort(b.near[i].Addr())
			b.TLAVia[i] = net.JoinHostPort(lab.GatewayName, port)
		}
	}
}

func countHex(serial uint32) string { return fmt.Sprintf("%X", cardsim.CountCommand(serial, 0)) }
