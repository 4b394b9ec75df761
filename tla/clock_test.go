package tla

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
)

// clockAt returns a clock that a test sets.
func clockAt(t *testing.T, file string, now *time.Time, vouched *time.Time) *Clock {
	return OpenClock(ClockConfig{File: file, Built: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		Now: func() time.Time { return *now }, Vouched: func() time.Time { return *vouched }})
}

func TestClockFloorIsRaisedByOthersAlone(t *testing.T) {
	built := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	file := filepath.Join(t.TempDir(), "clock")
	now, vouched := time.Unix(0, 0), time.Time{}
	c := clockAt(t, file, &now, &vouched)
	require.Equal(t, CodeClock, c.check().Code, "before the program was made: no battery, no NTP yet")
	now = built.Add(-4 * time.Minute)
	require.Nil(t, c.check(), "clocks differ a little")

	now = time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC)
	require.Nil(t, c.check())
	c.Save()
	require.Equal(t, built, c.Floor(), "a clock that runs ahead raises nothing")

	vouched = built.AddDate(0, 6, 0)
	require.Equal(t, vouched, c.Floor())
	c.Save()
	now = built.AddDate(0, 7, 0)
	c.accepted()
	require.Equal(t, now.Add(-5*time.Minute), c.Floor(), "the peers accepted our time, give or take five minutes")

	floor := c.Floor()
	again := clockAt(t, file, &now, &time.Time{})
	require.Equal(t, floor, again.Floor(), "across a restart")
	now = floor.Add(-time.Hour)
	require.Equal(t, CodeClock, again.check().Code)
	require.Contains(t, again.check().Detail, "set the clock")
}

func TestClockFloorIsWrittenWhenItHasRisenByMuch(t *testing.T) {
	file := filepath.Join(t.TempDir(), "clock")
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	c := clockAt(t, file, &now, &time.Time{})
	c.accepted()
	first, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, "2026-05-31T23:55:00Z\n", string(first))
	now = now.Add(59 * time.Minute)
	c.accepted()
	second, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, first, second)
	now = now.Add(time.Minute)
	c.accepted()
	third, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, "2026-06-01T00:55:00Z\n", string(third))
}

func TestClockFloorOfABrokenFileBeginsAnew(t *testing.T) {
	for _, text := range []string{"", "tomorrow", "\x00\x00", "2026-13-01T00:00:00Z"} {
		file := filepath.Join(t.TempDir(), "clock")
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
		c := clockAt(t, file, &now, &time.Time{})
		require.Equal(t, c.cfg.Built, c.Floor())
		c.accepted()
		require.Equal(t, now.Add(-5*time.Minute), c.Floor())
	}
}

// TestWrongClockIsNamedBeforeAnyCertificate: the user is told what to do, and nothing is dialled.
func TestWrongClockIsNamedBeforeAnyCertificate(t *testing.T) {
	g := newRig(t)
	now, vouched := time.Unix(0, 0), time.Time{}
	g.cfg.Clock = clockAt(t, "", &now, &vouched)
	r := g.run()
	var w *Why
	require.ErrorAs(t, r.Start(t.Context(), byHand), &w)
	require.Equal(t, CodeClock, w.Code)
	require.Zero(t, g.dials.Load())
	require.Equal(t, CodeClock, r.Status().Last.Code)
	now = time.Now()
	require.NoError(t, r.Start(t.Context(), byHand))
	eventually(t, "the accepted session raises the floor", func() bool {
		return g.cfg.Clock.Floor().After(time.Now().Add(-6 * time.Minute))
	})
}

// TestWrongClockIsNamedForDates: a wrong clock is named for refusals about dates, and for no others.
func TestWrongClockIsNamedForDates(t *testing.T) {
	now, vouched := time.Unix(0, 0), time.Time{}
	c := clockAt(t, "", &now, &vouched)
	for reason, want := range map[pki.Reason]Code{
		pki.NotYetValid: CodeClock, pki.Expired: CodeClock, pki.CRLFuture: CodeClock, pki.OCSPFuture: CodeClock,
		pki.Revoked: CodeRefused, pki.WrongPeer: CodeRefused, "": CodeRefused,
	} {
		require.Equal(t, want, c.named(&Why{Code: CodeRefused, Reason: string(reason)}).Code, reason)
	}
	now = time.Now()
	require.Equal(t, CodeRefused, c.named(&Why{Code: CodeRefused, Reason: string(pki.NotYetValid)}).Code,
		"the clock may be right")
	require.Nil(t, (*Clock)(nil).check())
}
