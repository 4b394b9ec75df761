package integration

import (
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/integration/cardsim"
	"tlagate/integration/faults"
	"tlagate/integration/lab"
	"tlagate/integration/world"
	"tlagate/tla"
	"tlagate/tla/cards"
)

// faultSeedEnv is the variable with the seed of a plan of faults that is to be repeated.
const faultSeedEnv = "FAULT_SEED"

// faultSeed returns the seed of this run.
func faultSeed(t *testing.T) uint64 {
	text := os.Getenv(faultSeedEnv)
	if text == "" {
		return rand.Uint64()
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	require.NoError(t, err)
	return seed
}

// badNetwork is what a mobile link does; in most cases the ends are told.
var badNetwork = faults.Shape{
	Kinds: []faults.Kind{faults.Cut, faults.Cut, faults.Cut, faults.Reset, faults.Reset, faults.Reset, faults.Stall,
		faults.Stall, faults.HalfOpen, faults.Deaf},
	Octets: [2]int{110, 110}, Stall: 50 * time.Millisecond,
	Thens: []faults.Admission{faults.Accept, faults.Refuse, faults.Refuse},
}

// badRun counts what faults led to.
type badRun struct {
	plan              *faults.Plan
	exchanges, struck int
	resumes, moves    int // moves are the resumes through the other gateway
}

// strike arms the next fault, on the TLA's or the PdT's way to the gateway that is in use.
func (b *lostBed) strike(plan *faults.Plan, via int) *faults.Armed {
	f := plan.Next()
	if plan.IntN(4) > 0 {
		return b.near[via].Arm(f)
	}
	f.Then = faults.Accept // so that the PdT's other links stay
	return b.far[via].Arm(f)
}

// run makes exchanges, and arms a fault before each group of every. Some take the card a while, so that faults come
// while it is busy.
func (b *lostBed) run(r *badRun, exchanges, every int) {
	b.t.Helper()
	via := b.via()
	for range exchanges / every {
		armed := b.strike(r.plan, via)
		for i := range every {
			if i == every/2 {
				b.reads(partsRead)
			}
			b.exchange(b.takes(r.plan))
		}
		b.heal()
		now := b.via()
		if armed.Struck() {
			r.struck++
		}
		if now != via {
			r.moves++
		}
		via = now
	}
	b.exchange(0)
	r.exchanges += exchanges/every*every + 1
	r.resumes = int(b.settled().Resumed)
}

func (b *lostBed) takes(plan *faults.Plan) time.Duration {
	if plan.IntN(5) > 0 {
		return 0
	}
	return time.Duration(plan.IntN(20)) * time.Millisecond
}

// TestC2ExactlyOnceOverABadLink: in about a thousand exchanges of a PC/SC program with a hundred faults, each command
// is executed once, and the program sees no error.
func TestC2ExactlyOnceOverABadLink(t *testing.T) {
	b := newLostBed(t, quickTimers)
	r := &badRun{plan: faults.NewPlan(faultSeed(t), badNetwork)}
	defer func() { t.Logf("%v (%s repeats it)", r.plan, faultSeedEnv) }()
	b.run(r, 1000, 10)
	b.onceEach()
	t.Logf("%d exchanges, %d faults struck, %d resumes, %d of them to the other gateway, longest wait %v", r.exchanges,
		r.struck, r.resumes, r.moves,
		b.longest.Round(time.Millisecond))
	require.Greater(t, r.struck, 80)
	require.Greater(t, r.resumes, 50)
	require.Greater(t, r.moves, 15)
}

// TestC3TenSecondsWithoutNetwork: a PC/SC program that is reading does not notice. Nothing is read ahead, or the whole
// file might be there before the outage.
func TestC3TenSecondsWithoutNetwork(t *testing.T) {
	b := newLostBed(t, lostTimers{}, func(b *lostBed) { b.ReadAhead = "{reads: off}" })
	const away = 10 * time.Second
	content := b.Vitale.Content(cardsim.AIDVitale, 0xD001)
	for _, command := range []string{"00A404000B" + cardsim.AIDVitale, "00C0000013", "00A4000002D001"} {
		require.NotContains(t, b.program.transmit(command), "error")
	}
	var read strings.Builder
	for offset := 0; offset < len(content); offset += 32 {
		if offset == len(content)/2 {
			b.outage(faults.Fault{Kind: faults.HalfOpen, Way: faults.ToClient, After: 20, Then: faults.Swallow})
			time.AfterFunc(away, b.heal)
		}
		began := time.Now()
		b.program.ask(fmt.Sprintf("transmit 00B0%04X20", offset))
		answer := strings.TrimPrefix(b.program.answer(), "ok ")
		require.True(t, strings.HasSuffix(answer, "9000"), "read at %d: status %s", offset,
			answer[max(0, len(answer)-4):])
		read.WriteString(strings.TrimSuffix(answer, "9000"))
		b.longest = max(b.longest, time.Since(began))
	}
	require.Equal(t, fmt.Sprintf("%X", content), read.String())
	require.GreaterOrEqual(t, b.longest, away, "the outage was in the middle of it")
	require.EqualValues(t, 1, b.settled().Resumed)
	b.exchange(0)
	b.onceEach()
}

// TestEL3AfterTheGraceTimeTheSessionIsOver: the cards are reset and without power, the PdT shows them as removed, the
// user is told, no socket is left, and only the user can start another session.
func TestEL3AfterTheGraceTimeTheSessionIsOver(t *testing.T) {
	b := newLostBed(t, lostTimers{quickHeartbeat, brief})
	off := b.Vitale.Counts().PowerOffs
	b.outage(faults.Fault{Kind: faults.Cut, Then: faults.Refuse})
	b.waitState(tla.StateReconnecting)
	s := b.session()
	require.False(t, s.LostSince.IsZero())
	require.Equal(t, brief, s.GraceUntil.Sub(s.LostSince))
	require.Equal(t, off, b.Vitale.Counts().PowerOffs, "the cards are kept meanwhile")
	b.waitState(tla.StateIdle)
	waitPowerOff(t, b.Vitale.Counts, off)
	require.Equal(t, tla.CodeLost, relayStatus(t, b.Lab).Last.Code, "the user is told")
	require.Empty(t, networkSockets(t, b.RelayProc.PID()))
	waitCard(t, b.PdTReaders, vitaleSlot, false)
	require.Equal(t, "error 80100069", b.program.transmit(countHex(b.serial+1)), "removed")
	require.Zero(t, b.Counter.Times(b.serial+1))

	before := b.near[0].Accepted() + b.near[1].Accepted()
	b.heal()
	require.Nil(t, b.pdtStatus().Session)
	startSession(t, b.Lab)
	require.Equal(t, before+1, b.near[0].Accepted()+b.near[1].Accepted(), "nothing dialled but the user's start (C4)")
	b.connect()
}

// TestC2CardsChangeWhileTheLinkIsLost: the program's handle never reads another card, nor the same one after it was
// removed.
func TestC2CardsChangeWhileTheLinkIsLost(t *testing.T) {
	b := newLostBed(t, quickTimers)
	other := cardsim.NewVitale(cardsim.VitaleConfig{Serial: "0000000002"})
	for _, c := range []struct {
		name   string
		change func() error
		now    *cardsim.Vitale // nil: none
	}{
		{"removed", func() error { return nil }, nil},
		{"swapped", func() error { return b.VitaleSlot.Insert(other) }, other},
		{"swapped at once", func() error { return b.VitaleSlot.InsertNow(other) }, other},
		{"out and in", func() error { return b.VitaleSlot.InsertNow(b.Counter) }, b.Vitale},
	} {
		t.Run(c.name, func(t *testing.T) {
			b.cardBack()
			require.Equal(t, serialFile(b.Vitale), b.program.transmit(readSerial))
			taken, ran := b.pdtStatus().Session.Commands, len(b.Counter.Ran())
			b.outage(faults.Fault{Kind: faults.Cut, Then: faults.Refuse})
			b.waitState(tla.StateReconnecting)
			b.program.ask("transmit " + countHex(9999))
			b.underWay(taken)
			b.changeCard(c.change, c.now)
			b.heal()
			answer := b.program.answer()
			for range 50 { // programs retry
				if strings.HasPrefix(answer, "error") {
					break
				}
				require.Equal(t, "6F00", strings.TrimPrefix(answer, "ok "))
				answer = b.program.do("transmit " + countHex(9999))
			}
			require.Len(t, b.Counter.Ran(), ran, "the command was for the card that was there before")
			for _, e := range other.History() {
				require.NotEqual(t, byte(0xCE), e.INS, "it was not for the other card")
			}
			b.waitState(tla.StateUp)
			if c.now == nil {
				waitCard(t, b.PdTReaders, vitaleSlot, false)
				return
			}
			waitSerial(t, b.Lab, c.now)
			require.NotContains(t, b.program.transmit(readSerial), "9000", "the old handle stays dead")
		})
	}
}

// changeCard changes the card, and waits until the relay has noticed and has a lease of the new one, if there is one.
func (b *lostBed) changeCard(change func() error, now *cardsim.Vitale) {
	powered := 0
	if now != nil {
		powered = now.Counts().PowerOns
	}
	b.VitaleSlot.Remove()
	require.NoError(b.t, change())
	if now == nil {
		waitRelay(b.t, b.Lab, "the card to be out", cardIs("vitale", ""))
		return
	}
	require.NoError(b.t, world.Poll(patience, "the card to be reset", func() error {
		if now.Counts().PowerOns < powered+2 { // one by pcscd, one by the relay
			return errors.New("it is not")
		}
		return nil
	}))
	waitRelay(b.t, b.Lab, "the card to be held", cardIs("vitale", cards.HoldTaken))
}

// cardBack puts the counting card in, and connects the program to it.
func (b *lostBed) cardBack() {
	b.VitaleSlot.Remove()
	require.NoError(b.t, b.VitaleSlot.Insert(b.Counter))
	waitSerial(b.t, b.Lab, b.Vitale)
	b.connect()
}

// TestC2ProgramGoneWhileTheLinkIsLost: the PdT's pcscd ends while a command is under way that has not reached the TLA:
// it is never executed.
func TestC2ProgramGoneWhileTheLinkIsLost(t *testing.T) {
	b := newLostBed(t, quickTimers)
	taken := b.pdtStatus().Session.Commands
	b.outage(faults.Fault{Kind: faults.Cut, Then: faults.Refuse})
	b.waitState(tla.StateReconnecting)
	b.send(0)
	b.underWay(taken)
	b.PdTReaders.Kill()
	require.NoError(t, b.PdTReaders.Start())
	b.heal()
	b.waitState(tla.StateUp)
	waitCard(t, b.PdTReaders, vitaleSlot, true)
	waitSerial(t, b.Lab, b.Vitale)
	require.Zero(t, b.Counter.Times(b.serial), "nobody waits for it")
	b.program = startClient(t, b.PdTReaders)
	b.connect()
}

// TestC3AddressChanges: the TLA loses its address and gets another.
func TestC3AddressChanges(t *testing.T) {
	const gateway, first, second = "10.99.0.1", "10.99.0.2", "10.99.0.3"
	ip(t, "addr", "add", gateway+"/32", "dev", "lo")
	t.Cleanup(func() { ip(t, "addr", "del", gateway+"/32", "dev", "lo") })
	from := func(addr string) {
		ip(t, "addr", "add", addr+"/32", "dev", "lo")
		ip(t, "route", "replace", "local", gateway, "dev", "lo", "table", "local", "proto", "kernel", "scope", "host",
			"src", addr)
	}
	from(first)
	b := newLostBedAlone(t, quickTimers, dialByName(gateway))
	require.Contains(t, networkSockets(t, b.RelayProc.PID())[0], "0200630A:", "from the first address")
	from(second)
	t.Cleanup(func() { ip(t, "addr", "del", second+"/32", "dev", "lo") })
	ip(t, "addr", "del", first+"/32", "dev", "lo")
	b.exchange(0)
	require.Contains(t, networkSockets(t, b.RelayProc.PID())[0], "0300630A:", "from the second address")
	require.Positive(t, b.settled().Resumed)
	b.onceEach()
}

// noRoute removes the route to an address of ours; back restores it.
func noRoute(t *testing.T, addr string) (back func()) {
	t.Helper()
	ip(t, "route", "del", "local", addr, "dev", "lo", "table", "local")
	ip(t, "route", "add", "unreachable", addr, "table", "local")
	return func() {
		ip(t, "route", "del", "unreachable", addr, "table", "local")
		ip(t, "route", "add", "local", addr, "dev", "lo", "table", "local", "proto", "kernel", "scope", "host", "src",
			addr)
	}
}

// ownAddress gives this world an address until the test ends.
func ownAddress(t *testing.T, addr string) {
	t.Helper()
	ip(t, "addr", "add", addr+"/32", "dev", "lo")
	t.Cleanup(func() { ip(t, "addr", "del", addr+"/32", "dev", "lo") })
}

// TestC3NetworkComesBack: relay and PdT have no route to a gateway and then get one: they dial at that moment, because
// the kernel tells them.
func TestC3NetworkComesBack(t *testing.T) {
	t.Run("the relay in a session", networkComesBackToTheRelay)
	t.Run("the PdT", networkComesBackToThePdT)
}

func networkComesBackToThePdT(t *testing.T) {
	const gateway, name = "10.99.2.1", "moved.c3.invalid"
	ownAddress(t, gateway)
	knowHost(t, name, gateway)
	b := newBedAlone(t)
	b.ca.publish(t)
	b.Host, b.GatewayAddr = name, net.JoinHostPort(gateway, port(b.GatewayAddr))
	b.GatewayKeys = b.keys("gateway", b.ca.Issue(lab.Gateway, x509.ExtKeyUsageServerAuth, calledAlso(name)))
	require.NoError(t, b.StartGateway())
	back := noRoute(t, gateway)
	require.NoError(t, b.LaunchPdT())
	mark := 0
	for range 4 { // two failures of each link: then the pause is a long one
		_, mark = nextLine(t, b.PdTProc, mark, "no link to the gateway")
	}
	back()
	logged(t, b.PdTProc, mark, "the network has changed: dialling at once")
	logged(t, b.PdTProc, mark, "link parked")
}

func networkComesBackToTheRelay(t *testing.T) {
	const gateway = "10.99.1.1"
	ownAddress(t, gateway)
	b := newLostBedAlone(t, quickTimers, dialByName(gateway))
	back := noRoute(t, gateway)
	mark := b.RelayProc.Mark()
	b.outage(faults.Fault{Kind: faults.Reset, Then: faults.Accept})
	b.waitState(tla.StateReconnecting)
	_, err := b.RelayProc.WaitLineFrom(mark, patience, "attempt failed")
	require.NoError(t, err)
	back()
	b.exchange(0)
	_, err = b.RelayProc.WaitLineFrom(mark, patience, "the network has changed")
	require.NoError(t, err)
	b.onceEach()
}

// TestC3NamesFail: the gateway's name cannot be looked up for a while.
//
// Fault: names are not answered (DNS).
func TestC3NamesFail(t *testing.T) {
	here := netip.MustParseAddr("127.0.0.1")
	b := newLostBed(t, quickTimers, dialByName(here.String()))
	for name, fail := range map[string]func(){"an error": func() { b.resolver.Answer(netip.Addr{}) },
		"silence": b.resolver.Silence} {
		t.Run(name, func(t *testing.T) {
			before := b.resolver.Failures()
			fail()
			b.outage(faults.Fault{Kind: faults.Reset})
			b.send(0)
			require.NoError(t, world.Poll(patience, "the relay to ask for the name", func() error {
				if b.resolver.Failures() == before {
					return errors.New("it has not")
				}
				return nil
			}))
			require.Equal(t, tla.StateReconnecting, relayStatus(t, b.Lab).State)
			b.resolver.Answer(here)
			b.received()
		})
	}
	b.onceEach()
}

// newResolver starts a resolver that the relay of a lab alone asks.
func newResolver(t *testing.T, l *lab.Lab, addr string) *faults.Resolver {
	r, err := faults.NewResolver(lab.GatewayName, netip.MustParseAddr(addr), l.Path("resolv.conf"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	l.RelayOver = world.Over{faults.ResolvConf: r.Conf}
	return r
}

// TestC3Suspended: the TLA is suspended while a command is under way.
func TestC3Suspended(t *testing.T) {
	t.Parallel()
	sleep := func(b *lostBed, d time.Duration) {
		require.NoError(t, b.RelayProc.Signal(syscall.SIGSTOP))
		time.AfterFunc(d, func() { _ = b.RelayProc.Signal(syscall.SIGCONT) })
	}
	t.Run("for less than the grace time", func(t *testing.T) {
		b := newLostBed(t, quickTimers)
		sleep(b, 3*time.Second)
		b.exchange(0)
		require.Positive(t, b.settled().Resumed)
		b.onceEach()
	})
	t.Run("for longer", func(t *testing.T) {
		b := newLostBed(t, lostTimers{quickHeartbeat, brief})
		off := b.Vitale.Counts().PowerOffs
		require.NoError(t, b.RelayProc.Signal(syscall.SIGSTOP))
		waitCard(t, b.PdTReaders, vitaleSlot, false)
		require.NoError(t, b.RelayProc.Signal(syscall.SIGCONT))
		b.waitState(tla.StateIdle)
		waitPowerOff(t, b.Vitale.Counts, off)
		require.Empty(t, networkSockets(t, b.RelayProc.PID()))
		startSession(t, b.Lab)
		b.connect()
	})
}

// TestC2GatewayEnds: one gateway is killed and the other takes over; both are killed, and one comes back.
//
// Fault: a gateway dies.
func TestC2GatewayEnds(t *testing.T) {
	b := newLostBed(t, patientTimers)
	require.Zero(t, b.via())
	b.send(200 * time.Millisecond)
	b.GatewayProc.Kill()
	b.received()
	require.Equal(t, 1, b.via())
	b.send(200 * time.Millisecond)
	b.Second.Proc.Kill()
	b.waitState(tla.StateReconnecting)
	require.NoError(t, b.StartGateway())
	b.received()
	require.Zero(t, b.via())
	b.onceEach()
}

// TestC3GatewayAwayLosesNoSession: both gateways are away for so long that doubling pauses would have grown past the
// grace time; the PdT's pauses stay short, and when one gateway is back the session goes on through it.
func TestC3GatewayAwayLosesNoSession(t *testing.T) {
	b := newLostBed(t, patientTimers)
	b.Second.Proc.Kill()
	_, err := b.PdTProc.WaitLine(patience, "no link to the gateway", b.PdTVia[1])
	require.NoError(t, err)
	b.send(200 * time.Millisecond)
	b.GatewayProc.Kill()
	_, err = b.PdTProc.WaitLine(patience, "link lost; waiting for the terminal")
	require.NoError(t, err)
	mark := b.PdTProc.Mark()
	for range 8 {
		var line string
		line, mark = nextLine(t, b.PdTProc, mark, "no link to the gateway", b.PdTVia[0])
		pause, err := time.ParseDuration(logValue(line, "retry_in"))
		require.NoError(t, err, line)
		require.LessOrEqual(t, pause, 2*time.Second)
	}
	require.NoError(t, b.StartGateway())
	b.received()
	b.onceEach()
}

// TestC3GatewaysAwayFor25Seconds: of the programs' own grace time of 30 s, five seconds are left to come back. On a
// machine that takes half of these for a mere start, a lost session proves nothing, and the test tries again.
//
// Fault: a gateway dies.
func TestC3GatewaysAwayFor25Seconds(t *testing.T) {
	t.Parallel()
	var start time.Duration
	for range 3 {
		b := newLostBedAlone(t, lostTimers{})
		b.send(200 * time.Millisecond)
		b.Second.Proc.Kill()
		b.GatewayProc.Kill()
		time.Sleep(25 * time.Second) // the outage
		require.NoError(t, b.StartGateway())
		if answer := b.program.answer(); strings.HasPrefix(answer, "ok ") {
			require.Equal(t, fmt.Sprintf("ok %08X%08X9000", b.serial, 1), answer)
			b.exchange(0)
			require.Positive(t, b.settled().Resumed)
			b.onceEach()
			return
		}
		b.waitState(tla.StateIdle)
		began := time.Now()
		_, err := b.Relay("start", "--no-wait")
		require.NoError(t, err)
		start = time.Since(began)
		require.Greater(t, start, time.Second, "the session was lost, and this machine is not slow")
	}
	t.Skipf("this machine is too slow just now: a start takes %v", start)
}

// nextLine waits for a line after a mark, and returns it and the mark behind it.
func nextLine(t *testing.T, p *world.Process, mark int, parts ...string) (string, int) {
	t.Helper()
	line := logged(t, p, mark, parts...)
	return line, mark + 1 + slices.Index(p.From(mark), line)
}

// logValue returns the value of a key in a line of a log.
func logValue(line, key string) string {
	_, after, _ := strings.Cut(line, " "+key+"=")
	value, _, _ := strings.Cut(after, " ")
	return value
}

// TestC2GatewayStops: a gateway that is told to stop sends the TLA to the other.
func TestC2GatewayStops(t *testing.T) {
	b := newLostBed(t, patientTimers)
	require.Zero(t, b.via())
	require.NoError(t, b.GatewayProc.Signal(syscall.SIGTERM))
	require.NoError(t, world.Poll(patience, "the gateway to end", func() error {
		b.exchange(0)
		if _, err := b.GatewayProc.Wait(0); err != nil {
			return err
		}
		return nil
	}))
	b.exchange(0)
	require.Equal(t, 1, b.via())
	b.onceEach()
}

// TestC2PdTLosesItsLinks: the PdT's link breaks instead of the TLA's, in every way there is.
func TestC2PdTLosesItsLinks(t *testing.T) {
	b := newLostBed(t, quickTimers)
	for _, kind := range []faults.Kind{faults.Cut, faults.Reset, faults.HalfOpen} {
		t.Run(kind.String(), func(t *testing.T) {
			before := b.settled().Resumed
			b.far[b.via()].Arm(faults.Fault{Kind: kind})
			b.exchange(0)
			require.Greater(t, b.settled().Resumed, before)
		})
	}
	b.onceEach()
}

// TestC2OldLinkComesLate: what was stalled on a dead link comes after the session has gone on over another, and has no
// effect.
func TestC2OldLinkComesLate(t *testing.T) {
	b := newLostBed(t, quickTimers)
	for _, way := range []faults.Direction{faults.ToClient, faults.ToTarget} {
		for _, near := range []bool{true, false} {
			for _, octets := range []int{1, 40, 71, 72} {
				proxy := b.far[b.via()]
				if near {
					proxy = b.near[b.via()]
				}
				a := proxy.Arm(faults.Fault{Kind: faults.Stall, Way: way, After: octets})
				b.exchange(0)
				b.exchange(0)
				a.Release()
				b.exchange(0)
				proxy.Disarm()
			}
		}
	}
	b.onceEach()
}
