package integration

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/integration/lab"
	"tlagate/integration/world"
	"tlagate/tla"
)

// TestSA4ASessionWithoutItsUserEnds: a program of the PdT reads the card all the time. The user is asked to stay, and
// does, by a command and by a card; then no longer, and the session ends, and its cards lose their power.
func TestSA4ASessionWithoutItsUserEnds(t *testing.T) {
	l := newLab(t)
	require.NoError(t, l.RelayProc.Stop())
	require.NoError(t, l.StartRelay("limits: {human: 20s}"))
	waitRelay(t, l, "two cards", func(s *tla.Status) bool { return len(s.Readers) == 2 })
	startSession(t, l)
	waitCard(t, l.PdTReaders, vitaleSlot, true)
	ctx, cancel := context.WithCancel(t.Context())
	var polling sync.WaitGroup
	defer polling.Wait()
	defer cancel()
	c := startClient(t, l.PdTReaders)
	require.Equal(t, "ok", c.do("connect "+slotName(l.PdTReaders, cpsSlot)))
	polling.Go(func() {
		for ctx.Err() == nil {
			c.transmit("00A4040009A0000003080000100000")
		}
	})

	until := askedAfter(t, l, time.Time{})
	for _, act := range []func(){
		func() { _, err := l.Relay("stay"); require.NoError(t, err) },
		l.VitaleSlot.Remove,
		func() { require.NoError(t, l.VitaleSlot.Insert(l.Vitale)) },
	} {
		require.NoError(t, world.Poll(patience, "two seconds without the user", func() error {
			if left := time.Until(until); left > 18*time.Second {
				return fmt.Errorf("%v are left", left)
			}
			return nil
		}))
		act()
		until = askedAfter(t, l, until)
	}

	cps := l.CPS.Counts().PowerOffs
	waitRelay(t, l, "the session to be over", func(s *tla.Status) bool { return s.State == tla.StateIdle })
	require.Equal(t, tla.CodeAbsent, relayStatus(t, l).Last.Code)
	waitPowerOff(t, l.CPS.Counts, cps)
	_, err := l.PdTProc.WaitLine(patience, "session ended", "inactive")
	require.NoError(t, err)
	waitCard(t, l.PdTReaders, vitaleSlot, false)
	require.Empty(t, networkSockets(t, l.RelayProc.PID()))
	out, err := l.Relay("status")
	require.NoError(t, err)
	require.Contains(t, out, "Personne n'a répondu au terminal")
	_, err = l.Relay("stay")
	require.ErrorContains(t, err, "Aucune session n'est ouverte.")
}

// askedAfter waits until the user is asked for a stay that ends later than before, and returns when it ends.
func askedAfter(t *testing.T, l *lab.Lab, before time.Time) (until time.Time) {
	t.Helper()
	waitRelay(t, l, "the question", func(s *tla.Status) bool {
		if s.Session == nil || s.Session.Ask == nil || s.Session.Warning == nil || !s.Session.Ask.Until.After(before) {
			return false
		}
		require.Equal(t, tla.CodeAbsent, s.Session.Warning.Code)
		until = s.Session.Ask.Until
		return true
	})
	return until
}

// TestWrongClockOfTheTerminal: a clock below the floor is reported, whatever the certificates are; a session that was
// accepted raises the floor.
//
// Fault: a clock jumps.
func TestWrongClockOfTheTerminal(t *testing.T) {
	b := newBed(t)
	b.ca.publish(t)
	require.NoError(t, b.StartGateway())
	b.startPdT(t)
	floor := b.Path("clock")
	require.NoError(t, b.StartRelay("clock_floor: "+floor))
	b.startAccepted(t)
	kept, err := os.ReadFile(floor)
	require.NoError(t, err)
	at, err := time.Parse(time.RFC3339+"\n", string(kept))
	require.NoError(t, err)
	require.True(t, at.Before(time.Now()) && at.After(time.Now().Add(-time.Hour)))

	require.NoError(t, b.RelayProc.Stop())
	require.NoError(t, os.WriteFile(floor, []byte(time.Now().Add(24*time.Hour).UTC().Format(time.RFC3339)), 0o600))
	require.NoError(t, b.StartRelay("clock_floor: "+floor))
	mark := b.GatewayProc.Mark()
	_, err = b.Relay("start")
	require.ErrorContains(t, err, "L'horloge de ce terminal est fausse")
	require.Equal(t, "clock_wrong", b.startRefused(t).Code)
	require.Equal(t, mark, b.GatewayProc.Mark(), "nothing was dialled")
	require.Empty(t, networkSockets(t, b.RelayProc.PID()))
}
