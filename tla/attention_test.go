package tla

import (
	"context"
	"crypto/x509"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/pki/pkitest"
	"tlagate/session"
	"tlagate/tla/cards/cardstest"
	"tlagate/tla/control"
)

// TestSA4EachEndPowersTheCardsDown: whatever ends a session, its card is reset and without power, and the PdT is told.
func TestSA4EachEndPowersTheCardsDown(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*rig)
		end   func(*rig)
		code  Code
		bye   session.ByeCode
	}{
		"stop":     {nil, func(g *rig) { g.relay.Stop() }, CodeStopped, session.ByeStopped},
		"key":      {nil, func(g *rig) { g.relay.Key().Stop() }, CodeStopped, session.ByeStopped},
		"shutdown": {nil, func(g *rig) { g.relay.Close() }, CodeShutdown, session.ByeShutdown},
		"absolute": {func(g *rig) { g.cfg.Timers.Absolute = 50 * time.Millisecond }, nil, CodeTimeOver,
			session.ByeTimeOver},
		"inactive": {func(g *rig) { g.cfg.Timers.Inactive = 50 * time.Millisecond }, nil, CodeInactive,
			session.ByeInactive},
		"absent": {func(g *rig) { g.cfg.Timers.Human = 50 * time.Millisecond }, nil, CodeAbsent, session.ByeInactive},
		"our certificate": {func(g *rig) {
			g.tla = g.ca.Issue(tlaURN, x509.ExtKeyUsageClientAuth, pkitest.EndsSoon())
		}, nil, CodeExpired, session.ByeTimeOver},
	} {
		t.Run("SA4 "+name, func(t *testing.T) {
			g := newRig(t)
			if c.spoil != nil {
				c.spoil(g)
			}
			card := g.fake.Insert("left", cardstest.VitaleATR, 1)
			eventually(t, "seen", func() bool { return g.seen(session.SlotVitale) != "" })
			r := g.run()
			if err := r.Start(t.Context(), byHand); c.end != nil {
				require.NoError(t, err)
				require.Equal(t, session.SlotVitale, g.next(g.inserted))
				c.end(g)
			}
			eventually(t, "idle", func() bool { return r.Status().State == StateIdle })
			require.Equal(t, c.code, r.Status().Last.Code)
			var bye *session.Bye
			require.ErrorAs(t, <-g.ends, &bye)
			require.Equal(t, c.bye, bye.Code)
			require.Equal(t, g.fake.Count(&card.Colds), g.fake.Count(&card.PowerDowns))
			require.False(t, cardstest.Get(g.fake, func() bool { return card.Powered || card.Unlocked }))
			require.Zero(t, g.open.Load())
		})
	}
}

// TestC4KeyIsHeardWhileASessionEnds: a press that comes while a session ends does not start another afterwards.
func TestC4KeyIsHeardWhileASessionEnds(t *testing.T) {
	g := newRig(t)
	card := g.fake.Insert("left", cardstest.VitaleATR, 1)
	gate := make(chan struct{})
	cardstest.Get(g.fake, func() int { card.Gate = gate; return 0 })
	r := g.run()
	require.NoError(t, r.Start(t.Context(), byHand))
	require.Equal(t, session.SlotVitale, g.next(g.inserted))
	go func() { _, _ = g.command(session.SlotVitale) }()
	eventually(t, "busy", func() bool { return g.fake.Count(&card.Commands) == 1 })
	r.Key().Stop()
	require.False(t, r.Key().Start())
	close(gate)
	eventually(t, "idle", func() bool { return r.Status().State == StateIdle })
}

// TestSA4AProgramThatPollsDoesNotReplaceItsUser: commands keep a session from ending as inactive, and from no other
// end.
func TestSA4AProgramThatPollsDoesNotReplaceItsUser(t *testing.T) {
	g := newRig(t)
	g.cfg.Timers.Human, g.cfg.Timers.Ask = 3*time.Second, 2900*time.Millisecond
	g.fake.Insert("left", cardstest.VitaleATR, 1)
	r := g.run()
	require.NoError(t, r.Start(t.Context(), byHand))
	require.Equal(t, session.SlotVitale, g.next(g.inserted))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	polled := 0
	var poll sync.WaitGroup
	poll.Go(func() {
		for ctx.Err() == nil {
			if _, err := g.command(session.SlotVitale); err != nil {
				return
			}
			polled++
		}
	})
	eventually(t, "the user is asked", func() bool { s := r.Status().Session; return s != nil && s.Ask != nil })
	eventually(t, "idle", func() bool { return r.Status().State == StateIdle })
	require.Equal(t, CodeAbsent, r.Status().Last.Code)
	cancel()
	poll.Wait()
	require.Positive(t, polled)
	<-g.ends
}

// aged returns a session whose user acted long ago.
func aged(t *testing.T, g *rig) (r *Relay, l *live) {
	g.fake.Insert("left", cardstest.VitaleATR, 1)
	eventually(t, "seen", func() bool { return g.seen(session.SlotVitale) != "" })
	r = g.run()
	require.NoError(t, r.Start(t.Context(), byHand))
	require.Equal(t, session.SlotVitale, g.next(g.inserted))
	return r, r.live
}

// ago sets how long ago the user's last act, and the last command, were.
func ago(l *live, human, command time.Duration) {
	h, c := time.Now().Add(-human), time.Now().Add(-command)
	l.human.Store(&h)
	l.command.Store(&c)
}

// TestSA4ActsOfTheUserKeepTheSession: each of them, and nothing that the PdT can do.
func TestSA4ActsOfTheUserKeepTheSession(t *testing.T) {
	before := MaxHuman - 30*time.Second // the user is asked, and half a minute is left
	for name, c := range map[string]struct {
		act  func(*rig)
		kept bool
	}{
		"stay":       {func(g *rig) { require.NoError(g.t, g.relay.Stay(byHand)) }, true},
		"key":        {func(g *rig) { g.relay.Key().Stay() }, true},
		"a card out": {func(g *rig) { g.fake.Remove("left"); g.next(g.removed) }, true},
		"a card in":  {func(g *rig) { g.fake.Insert("right", cardstest.CPSATR, 2); g.next(g.inserted) }, true},
		"another card": {func(g *rig) {
			g.fake.Swap("left", cardstest.VitaleATR, 3)
			g.next(g.removed)
			g.next(g.inserted)
		}, true},
		"a useless card": {func(g *rig) { g.fake.Insert("right", cardstest.StrangeATR, 4) }, true},
		"a command": {func(g *rig) {
			_, err := g.command(session.SlotVitale)
			require.NoError(g.t, err)
		}, false},
		"a reader plugged in": {func(g *rig) { g.fake.Plug("third") }, false},
		"a reader pulled":     {func(g *rig) { g.fake.Unplug("left"); g.next(g.removed) }, false},
		"PC/SC restarted": {func(g *rig) {
			g.fake.SetDown(true)
			g.next(g.removed)
			g.fake.SetDown(false)
			g.next(g.inserted)
		}, false},
	} {
		t.Run("SA4 "+name, func(t *testing.T) {
			g := newRig(t)
			r, l := aged(t, g)
			ago(l, before, 0)
			s := r.Status().Session
			require.NotNil(t, s.Ask)
			require.WithinDuration(t, time.Now().Add(30*time.Second), s.Ask.Until, 5*time.Second)
			require.Equal(t, &Warning{CodeAbsent, s.Ask.Until}, s.Warning)
			c.act(g)
			if c.kept {
				eventually(t, "no longer asked", func() bool { return r.Status().Session.Ask == nil })
				require.Nil(t, r.Status().Session.Warning)
				return
			}
			require.Never(t, func() bool {
				s := r.Status().Session // nil = the test is over: Never does not wait for its last look
				return s != nil && s.Ask == nil
			}, 50*time.Millisecond, 5*time.Millisecond)
		})
	}
}

// TestSA4ThePINIsAnAct: so is a refusal to enter it; a question that nobody answers is not.
func TestSA4ThePINIsAnAct(t *testing.T) {
	for name, c := range map[string]struct {
		sw   []byte
		err  error
		kept bool
	}{
		"right": {[]byte{0x90, 0}, nil, true}, "wrong": {[]byte{0x63, 0xC2}, nil, true},
		"cancelled at the pad": {swPINCancelled[:], nil, true},
		"timeout":              {swPINTimeout[:], nil, false}, "refused by the card": {[]byte{0x69, 0x82}, nil, false},
		"no reader": {nil, errors.New("gone"), false},
	} {
		t.Run("SA4 at the pad, "+name, func(t *testing.T) {
			require.Equal(t, c.kept, entered(c.sw, c.err))
		})
	}
}

// TestSA4WarningsOfEachEnd: one minute before, and the nearest of them.
func TestSA4WarningsOfEachEnd(t *testing.T) {
	g := newRig(t)
	r, l := aged(t, g)
	now := time.Now()
	require.Nil(t, r.Status().Session.Warning)
	soon := 30 * time.Second
	for name, c := range map[string]struct {
		since       time.Time
		human, last time.Duration
		end         time.Time // of our certificate
		code        Code      // "" = no warning
		ask         bool
	}{
		"none near":                  {now, 0, 0, now.Add(time.Hour), "", false},
		"more than a minute":         {now, MaxHuman - 90*time.Second, 0, now.Add(time.Hour), "", false},
		"absolute":                   {now.Add(soon - MaxAbsolute), 0, 0, now.Add(time.Hour), CodeTimeOver, false},
		"inactive":                   {now, 0, 10*time.Minute - soon, now.Add(time.Hour), CodeInactive, false},
		"absent":                     {now, MaxHuman - soon, 0, now.Add(time.Hour), CodeAbsent, true},
		"certificate":                {now, 0, 0, now.Add(soon), CodeExpired, false},
		"the nearest, and the asked": {now, MaxHuman - soon, 0, now.Add(10 * time.Second), CodeExpired, true},
	} {
		t.Run("SA4 "+name, func(t *testing.T) {
			l := &live{cfg: l.cfg, own: &x509.Certificate{NotAfter: c.end}, user: new(user)}
			ago(l, c.human, c.last)
			ask, warning := l.foresee(c.since, now)
			require.Equal(t, c.ask, ask != nil)
			if c.code == "" {
				require.Nil(t, warning)
				return
			}
			require.Equal(t, c.code, warning.Code)
			require.True(t, warning.At.After(now.Add(-time.Second)) && warning.At.Before(now.Add(time.Minute)))
		})
	}
}

func TestStayWithoutASession(t *testing.T) {
	g := newRig(t)
	r := g.run()
	var w *Why
	require.ErrorAs(t, r.Stay(byHand), &w)
	require.Equal(t, CodeNoSession, w.Code)
	a := r.Handle(t.Context(), "uid 0", control.Request{Command: "stay"}).(Answer)
	require.False(t, a.OK)
	require.Equal(t, CodeNoSession, a.Error.Code)
	require.NoError(t, r.Start(t.Context(), byHand))
	require.True(t, r.Handle(t.Context(), "uid 0", control.Request{Command: "stay"}).(Answer).OK)
}
