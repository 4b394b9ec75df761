package tla

import (
	"context"
	"crypto/x509"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/internal/nettest"
	"tlagate/internal/pulse/pulsetest"
	"tlagate/pki"
	"tlagate/pki/pkitest"
	"tlagate/session"
	"tlagate/session/link"
	"tlagate/tla/cards"
	"tlagate/tla/cards/cardstest"
)

func TestSessionUpAndStopped(t *testing.T) {
	g := newRig(t)
	r := g.run()
	vitale, cps := g.fake.Insert("right", cardstest.VitaleATR, 1), g.fake.Insert("left", cardstest.CPSATR, 2)
	eventually(t, "cards seen", func() bool {
		return g.seen(session.SlotCPS) != "" && g.seen(session.SlotVitale) != ""
	})
	require.NoError(t, r.Start(t.Context(), byHand))
	slots := []session.Slot{g.next(g.inserted), g.next(g.inserted)}
	require.ElementsMatch(t, []session.Slot{session.SlotVitale, session.SlotCPS}, slots)

	answer, err := g.command(session.SlotVitale)
	require.NoError(t, err)
	require.Equal(t, []byte{1, 0x90, 0}, answer)
	s := r.Status()
	require.Equal(t, StateUp, s.State)
	require.Equal(t, pdtURN, s.PdT)
	require.Equal(t, gwURN, s.Session.GatewayIdentity)
	require.False(t, s.Readers[1].Card.LastCommand.IsZero(), "the command just made")
	s.Readers[1].Card.LastCommand = time.Time{}
	require.Equal(t, []ReaderStatus{
		{"left", &CardStatus{Kind: cards.KindCPS4, Role: "cps", Use: UseSlot, Hold: cards.HoldTaken}},
		{"right", &CardStatus{Kind: cards.KindVitale2, Role: "vitale", Use: UseSlot, Hold: cards.HoldTaken}},
	}, s.Readers)

	var w *Why
	require.ErrorAs(t, r.Start(t.Context(), byHand), &w)
	require.Equal(t, CodeAlready, w.Code)

	require.True(t, r.Stop())
	require.Zero(t, g.open.Load(), "sockets are closed when Stop returns")
	for _, c := range []*cardstest.Card{vitale, cps} {
		require.Equal(t, 1, c.Colds)
		require.Equal(t, 1, c.PowerDowns, "cards are powered down when Stop returns")
		require.False(t, c.Unlocked || c.Powered)
	}
	var bye *session.Bye
	require.ErrorAs(t, <-g.ends, &bye)
	require.Equal(t, session.ByeStopped, bye.Code)
	s = r.Status()
	require.Equal(t, StateIdle, s.State)
	require.Equal(t, CodeStopped, s.Last.Code)
	require.True(t, s.Last.Started)
	require.False(t, r.Stop())
}

func TestC4NothingConnectsBeforeStartOrAfterTheEnd(t *testing.T) {
	g := newRigAlone(t)
	before := networkSockets(t)
	r := g.run()
	g.fake.Insert("right", cardstest.VitaleATR, 1)
	eventually(t, "card seen", func() bool { return g.seen(session.SlotVitale) != "" })
	require.Zero(t, g.dials.Load())
	require.Equal(t, before, networkSockets(t))
	require.NoError(t, r.Start(t.Context(), byHand))
	require.EqualValues(t, 1, g.dials.Load())
	r.Stop()
	<-g.ends
	eventually(t, "sockets gone, at the other end too", func() bool { return slices.Equal(before, networkSockets(t)) })
	require.EqualValues(t, 1, g.dials.Load())
}

// networkSockets returns this process's sockets that are neither Unix nor anonymous.
func networkSockets(t *testing.T) (found []string) {
	inodes := map[string]bool{}
	fds, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	for _, fd := range fds {
		target, _ := os.Readlink("/proc/self/fd/" + fd.Name())
		inodes[target] = true
	}
	for _, table := range []string{"tcp", "tcp6", "udp", "udp6", "raw", "raw6"} {
		for _, inode := range socketTable(t, table) {
			if inodes["socket:["+inode+"]"] {
				found = append(found, table+" "+inode)
			}
		}
	}
	return found
}

func TestC4LinkLostEndsTheSessionAndNobodyRedials(t *testing.T) {
	g := newRig(t)
	links := make(chan *link.Conn, 1)
	g.onUp = func(l *link.Conn) { links <- l }
	r := g.run()
	card := g.fake.Insert("left", cardstest.CPSATR, 1)
	require.NoError(t, r.Start(t.Context(), byHand))
	require.Equal(t, session.SlotCPS, g.next(g.inserted))
	(<-links).Conn.Close()
	eventually(t, "idle", func() bool { return r.Status().State == StateIdle })
	require.Equal(t, CodeLost, r.Status().Last.Code)
	require.Equal(t, 1, g.fake.Count(&card.PowerDowns))
	<-g.ends
	require.EqualValues(t, 1, g.dials.Load())
	g.fake.Swap("left", cardstest.CPSATR, 2) // nor does a card start anything
	eventually(t, "seen", func() bool { return g.seen(session.SlotCPS) != "" })
	require.EqualValues(t, 1, g.dials.Load())
	require.Equal(t, StateIdle, r.Status().State)
}

func TestNoticeIsShown(t *testing.T) {
	g := newRig(t)
	links := make(chan *link.Conn, 1)
	g.onUp = func(l *link.Conn) { links <- l }
	r := g.run()
	require.NoError(t, r.Start(t.Context(), byHand))
	l := <-links
	require.NoError(t,
		l.WriteNotice(link.Notice{Code: link.CodeRevoked, Text: "The certificate of the terminal was revoked."}))
	l.Close()
	eventually(t, "idle", func() bool { return r.Status().State == StateIdle })
	last := r.Status().Last
	require.Equal(t, CodeNotice, last.Code)
	require.Equal(t, "revoked", last.Reason)
	require.Equal(t, "The certificate of the terminal was revoked.", last.Detail)
	<-g.ends
}

// TestStartRefused has one start for each thing that can be wrong, and what the user is told.
func TestStartRefused(t *testing.T) {
	for name, c := range map[string]struct {
		spoil  func(*rig)
		code   Code
		reason string
		peer   string
	}{
		"C2 gateway with another name": {func(g *rig) {
			g.gateway = g.ca.Issue(gwURN, x509.ExtKeyUsageServerAuth, pkitest.DNS("elsewhere"))
		}, CodeRefused, "name_mismatch", "gateway"},
		"C2 gateway expired": {func(g *rig) {
			g.gateway = g.ca.Issue(gwURN, x509.ExtKeyUsageServerAuth, pkitest.DNS("localhost"), pkitest.Expired())
		}, CodeRefused, "expired", "gateway"},
		"C2 gateway of another role": {func(g *rig) {
			g.gateway = g.ca.Issue(pdtURN, x509.ExtKeyUsageServerAuth, pkitest.DNS("localhost"))
		}, CodeRefused, "wrong_role", "gateway"},
		"C2 TLA expired": {func(g *rig) {
			g.tla = g.ca.Issue(tlaURN, x509.ExtKeyUsageClientAuth, pkitest.Expired())
		}, CodeRejected, "expired", gwURN},
		"C2 C4 another PdT than the one asked for": {func(g *rig) {
			g.pdt = g.ca.Issue("urn:tlagate:cabinet:pdt:autre", x509.ExtKeyUsageServerAuth)
		}, CodeRefused, "wrong_peer", pdtURN},
		"C2 PdT refuses the TLA": {func(g *rig) { g.wantTLA.Practice = "autre" }, CodeRejected, "", pdtURN},
		"PdT absent": {func(g *rig) {
			g.problem = &link.Problem{Code: link.ProblemPdTAbsent, Detail: "No link.", Action: "Start it."}
		}, CodeProblem, "pdt_absent", gwURN},
		"wrong practice": {func(g *rig) {
			g.problem = &link.Problem{Code: link.ProblemWrongPractice, Detail: "No."}
		}, CodeProblem, "wrong_practice", gwURN},
		"PdT busy": {func(g *rig) {
			g.bye = &session.Bye{Code: session.ByeBusy, Text: "No free reader pair."}
		}, CodePdT, "busy", pdtURN},
		"PdT silent": {func(g *rig) { g.silent, g.cfg.Timers.Hello = true, 300*time.Millisecond }, CodeTimeout,
			"", pdtURN},
		"C3 captive portal": {func(g *rig) { g.cfg.Gateways = []string{webServer(g.t)} }, CodePortal, "", "gateway"},
		"nothing reachable": {func(g *rig) { g.listener.Close() }, CodeUnreachable, "", ""},
		"PdT of no practice of ours": {func(g *rig) {
			g.tla = g.ca.Issue("", x509.ExtKeyUsageClientAuth)
		}, CodeConfiguration, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t)
			card := g.fake.Insert("left", cardstest.CPSATR, 1)
			c.spoil(g)
			r := g.run()
			var w *Why
			require.ErrorAs(t, r.Start(t.Context(), byHand), &w)
			require.Equal(t, c.code, w.Code, w.Error())
			require.Equal(t, c.reason, w.Reason, w.Error())
			require.Equal(t, c.peer, w.Peer)
			require.Zero(t, g.open.Load())
			require.Equal(t, StateIdle, r.Status().State)
			require.Equal(t, g.fake.Count(&card.Colds), g.fake.Count(&card.PowerDowns))
		})
	}
}

// webServer answers everything as a web server without TLS does.
func webServer(t *testing.T) (addr string) {
	addr = nettest.Serve(t, func(c net.Conn) {
		_, _ = c.Read(make([]byte, 4096))
		_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
	})
	return strings.Replace(addr, "127.0.0.1", "localhost", 1)
}

// TestStopTellsOfACardThatIsNotLetGo: the card of a reader that does not answer is not released, and the status does
// not say that it is free.
func TestStopTellsOfACardThatIsNotLetGo(t *testing.T) {
	g := newRig(t)
	g.cfg.Timers.Release = 20 * time.Millisecond
	block := make(chan struct{})
	card := g.fake.Insert("left", cardstest.CPSATR, 1)
	r := g.run()
	hold := func() cards.Hold {
		for _, reader := range r.Status().Readers {
			if reader.Card != nil {
				return reader.Card.Hold
			}
		}
		return cards.HoldFailed
	}
	require.NoError(t, r.Start(t.Context(), byHand))
	eventually(t, "the card is held", func() bool { return hold() == cards.HoldTaken })
	<-g.inserted
	g.fake.Do(func() { card.Gate = block })
	stuck := make(chan struct{})
	go func() { defer close(stuck); _, _ = g.command(session.SlotCPS) }()
	eventually(t, "a command at the card", func() bool { return g.fake.Count(&card.Commands) > 0 })
	require.True(t, r.Stop())
	require.Equal(t, StateIdle, r.Status().State)
	require.Equal(t, cards.HoldStuck, hold())
	close(block)
	eventually(t, "the card is let go", func() bool { return hold() == cards.HoldNone })
	<-stuck
	<-g.ends
}

func TestNextGatewayIsTried(t *testing.T) {
	g := newRig(t)
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	_, port, _ := net.SplitHostPort(dead.Addr().String())
	dead.Close()
	g.cfg.Gateways = []string{"localhost:" + port, g.cfg.Gateways[0]}
	r := g.run()
	require.NoError(t, r.Start(t.Context(), byHand))
	require.Equal(t, g.cfg.Gateways[1], r.Status().Session.Gateway)
}

func TestStartGivenUp(t *testing.T) {
	for name, give := range map[string]func(*Relay, context.CancelFunc){
		"by its caller": func(_ *Relay, cancel context.CancelFunc) { cancel() },
		"by stop":       func(r *Relay, _ context.CancelFunc) { r.Stop() },
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t)
			g.silent = true
			r := g.run()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			result := make(chan error)
			go func() { result <- r.Start(ctx, byHand) }()
			eventually(t, "starting", func() bool { return r.Status().State == StateStarting && g.open.Load() == 1 })
			give(r, cancel)
			var w *Why
			require.ErrorAs(t, <-result, &w)
			require.Contains(t, []Code{CodeCancelled, CodeStopped}, w.Code)
			require.Zero(t, g.open.Load())
		})
	}
}

func TestCardsComeAndGoInASession(t *testing.T) {
	g := newRig(t)
	r := g.run()
	require.NoError(t, r.Start(t.Context(), byHand))
	g.fake.Insert("left", cardstest.VitaleATR, 1)
	require.Equal(t, session.SlotVitale, g.next(g.inserted))
	stale := g.epochs[session.SlotVitale].Load()
	g.fake.Swap("left", cardstest.VitaleATR, 2)
	require.Equal(t, session.SlotVitale, g.next(g.removed))
	require.Equal(t, session.SlotVitale, g.next(g.inserted))
	_, err := g.workstation.Load().Transmit(t.Context(), session.SlotVitale, stale, apdu)
	require.ErrorIs(t, err, session.StaleEpoch, "the first card's epoch never reads the second")
	answer, err := g.command(session.SlotVitale)
	require.NoError(t, err)
	require.Equal(t, []byte{2, 0x90, 0}, answer)
	g.fake.Unplug("left")
	require.Equal(t, session.SlotVitale, g.next(g.removed))
	g.fake.Insert("right", cardstest.VitaleATR, 3)
	require.Equal(t, session.SlotVitale, g.next(g.inserted))
	g.fake.SetDown(true)
	require.Equal(t, session.SlotVitale, g.next(g.removed))
	require.NotEmpty(t, r.Status().PCSC)
	g.fake.SetDown(false)
	require.Equal(t, session.SlotVitale, g.next(g.inserted))
	answer, err = g.command(session.SlotVitale)
	require.NoError(t, err)
	require.Equal(t, []byte{3, 0x90, 0}, answer)
}

func TestPlugCyclesInASessionLeaveNothing(t *testing.T) {
	g := newRig(t)
	r := g.run()
	require.NoError(t, r.Start(t.Context(), byHand))
	for i := range 300 {
		card := g.fake.Insert("left", cardstest.VitaleATR, byte(i))
		require.Equal(t, session.SlotVitale, g.next(g.inserted))
		answer, err := g.command(session.SlotVitale)
		require.NoError(t, err)
		require.Equal(t, []byte{byte(i), 0x90, 0}, answer)
		g.fake.Remove("left")
		require.Equal(t, session.SlotVitale, g.next(g.removed))
		require.Equal(t, 1, g.fake.Count(&card.Colds))
	}
	eventually(t, "only the watcher's context is open", func() bool {
		return g.fake.Count(&g.fake.Contexts) == 1 && g.fake.Count(&g.fake.Connected) == 0
	})
}

func TestCardLostWhileACommandRuns(t *testing.T) {
	g := newRig(t)
	r := g.run()
	card := g.fake.Insert("left", cardstest.VitaleATR, 1)
	require.NoError(t, r.Start(t.Context(), byHand))
	require.Equal(t, session.SlotVitale, g.next(g.inserted))
	g.fake.Do(func() { card.Err = session.ErrCardLost })
	_, err := g.command(session.SlotVitale)
	require.ErrorIs(t, err, session.Unknown)
	require.Equal(t, session.SlotVitale, g.next(g.removed))
	require.Equal(t, session.SlotVitale, g.next(g.inserted), "it is taken again, reset")
	require.Equal(t, 2, g.fake.Count(&card.Colds))
}

func TestCardHeldByAnotherProgramIsReportedAndTakenLater(t *testing.T) {
	g := newRig(t)
	r := g.run()
	g.fake.Insert("left", cardstest.VitaleATR, 1)
	g.fake.Do(func() { g.fake.Reader("left").Taken = true })
	require.NoError(t, r.Start(t.Context(), byHand))
	eventually(t, "reported", func() bool { return r.Status().Readers[0].Card.Hold == cards.HoldBusy })
	g.fake.Do(func() { g.fake.Reader("left").Taken = false })
	require.Equal(t, session.SlotVitale, g.next(g.inserted))
	require.Equal(t, cards.HoldTaken, r.Status().Readers[0].Card.Hold)
}

func TestC2RevokedPeerEndsTheSession(t *testing.T) {
	g := newRig(t)
	r := g.run()
	card := g.fake.Insert("left", cardstest.VitaleATR, 1)
	require.NoError(t, r.Start(t.Context(), byHand))
	require.Equal(t, session.SlotVitale, g.next(g.inserted))
	g.ca.Issuing.Revoke(pkitest.Chain(g.pdt)[0])
	g.ca.WriteCRLs(g.files)
	g.trust.Reload()
	eventually(t, "idle", func() bool { return r.Status().State == StateIdle })
	last := r.Status().Last
	require.Equal(t, CodeRefused, last.Code)
	require.Equal(t, string(pki.Revoked), last.Reason)
	require.Equal(t, pdtURN, last.Peer)
	require.Equal(t, 1, g.fake.Count(&card.PowerDowns))
	var bye *session.Bye
	require.ErrorAs(t, <-g.ends, &bye)
	require.Equal(t, session.ByeRefused, bye.Code)
}

func TestSilentPeerEndsTheSession(t *testing.T) {
	g := newRig(t)
	g.cfg.Timers.Heartbeat = 500 * time.Millisecond
	r := g.run()
	require.NoError(t, r.Start(t.Context(), byHand))
	g.frozen.Store(true)
	eventually(t, "idle", func() bool { return r.Status().State == StateIdle })
	require.Equal(t, CodeLost, r.Status().Last.Code)
	require.Contains(t, r.Status().Last.Detail, "dead")
	<-g.ends
}

func TestCloseAllowsNoOtherStart(t *testing.T) {
	g := newRig(t)
	r := g.run()
	require.NoError(t, r.Start(t.Context(), byHand))
	r.Close()
	var bye *session.Bye
	require.ErrorAs(t, <-g.ends, &bye)
	require.Equal(t, session.ByeShutdown, bye.Code)
	var w *Why
	require.ErrorAs(t, r.Start(t.Context(), byHand), &w)
	require.Equal(t, CodeShutdown, w.Code)
	require.EqualValues(t, 1, g.dials.Load())
}

func TestConfigRefused(t *testing.T) {
	good := Config{Gateways: []string{"gw.example:8443"}, PdTs: []string{"bureau"}, Policy: reading(t)}
	require.NoError(t, good.check())
	for name, spoil := range map[string]func(*Config){
		"no gateway":            func(c *Config) { c.Gateways = nil },
		"gateway sans port":     func(c *Config) { c.Gateways = []string{"gw.example"} },
		"C1 no card policy":     func(c *Config) { c.Policy = nil },
		"no PdT":                func(c *Config) { c.PdTs = nil },
		"PdT of another role":   func(c *Config) { c.PdTs = []string{"bureau", tlaURN} },
		"PdT with capitals":     func(c *Config) { c.PdTs = []string{"Bureau"} },
		"absolute too long":     func(c *Config) { c.Timers.Absolute = 13 * time.Hour },
		"SA4 inactive too long": func(c *Config) { c.Timers.Inactive = 16 * time.Minute },
		"SA4 absent too long":   func(c *Config) { c.Timers.Human = 16 * time.Minute },
		"never asked":           func(c *Config) { c.Timers.Ask = -1 },
	} {
		c := good
		spoil(&c)
		require.Error(t, c.check(), name)
	}
}

// socketTable returns the inodes of one table of /proc.
func socketTable(t *testing.T, name string) (inodes []string) {
	b, err := os.ReadFile("/proc/self/net/" + name)
	if os.IsNotExist(err) {
		return nil // no IPv6
	}
	require.NoError(t, err)
	for i, line := range strings.Split(strings.TrimSpace(string(b)), "\n") {
		if fields := strings.Fields(line); i > 0 {
			inodes = append(inodes, fields[9])
		}
	}
	return inodes
}

// TestAliveHangsAsTheRelayDoes: on its state.
func TestAliveHangsAsTheRelayDoes(t *testing.T) {
	r := newRig(t).run()
	r.Alive()
	pulsetest.Hangs(t, r.Alive, r.mu.Lock, r.mu.Unlock)
}
