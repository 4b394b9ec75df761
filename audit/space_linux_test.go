package audit_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/audit"
)

// refused is what a stranger causes, from the nth network.
func refused(l *audit.Log, n int, reason string) {
	l.Stranger(fmt.Sprintf("10.%d.%d.1:4711", n/256%256, n%256), audit.AccessRefused, audit.Reason(reason))
}

func written(t *testing.T, l *audit.Log) []audit.Entry {
	require.NoError(t, l.Flush())
	return entries(t, l.File())
}

// TestSA2StrangersAreRationed: the first three of a network and reason are recorded, then a count.
func TestSA2StrangersAreRationed(t *testing.T) {
	l := newLog(t, logFile(t))
	for range 10 {
		refused(l, 1, "expired")
		refused(l, 1, "revoked")
		refused(l, 2, "expired")
	}
	require.Len(t, written(t, l), 9)
	require.Equal(t, 21, l.Stats().Rationed)
	require.NoError(t, l.Close())
	counts := map[string]string{}
	for _, e := range entries(t, l.File())[9:] {
		require.Equal(t, audit.AuditRationed, e.Event)
		require.Equal(t, "access.refused", e.With["event"])
		counts[e.With["network"]+" "+e.With["reason"]] = e.With["count"]
	}
	require.Equal(t, map[string]string{"10.0.1.0/24 expired": "7", "10.0.1.0/24 revoked": "7",
		"10.0.2.0/24 expired": "7"}, counts)
	require.Equal(t, 21, l.Stats().Rationed)
	l.Stranger("192.0.2.1", "access.shut")
	require.Contains(t, l.Failing(), "not in the table")
	(*audit.Log)(nil).Stranger("192.0.2.1", audit.AccessRefused)
}

// TestSA2StrangersTakeATenth of each file, however many networks they have; what is left out is counted, and another
// program that opens the trace knows how much it was.
func TestSA2StrangersTakeATenth(t *testing.T) {
	clock := newClock()
	file := logFile(t)
	small := func(c *audit.Config) { c.MaxSize = 40_000 }
	l := newLog(t, file, clock.in, small)
	const events = 400
	told := func() (octets int, lines, counted int) {
		for line, err := range audit.Read(file) {
			require.NoError(t, err)
			if strings.HasPrefix(line.File, file) && line.Entry.Event == audit.AccessRefused {
				octets, lines = octets+len(line.Text)+1, lines+1
			}
			if line.Entry.Event == audit.AuditRationed {
				n := 0
				_, err := fmt.Sscan(line.Entry.With["count"], &n)
				require.NoError(t, err)
				counted += n
			}
		}
		return octets, lines, counted
	}
	for i := range events {
		refused(l, i, "expired")
		require.NoError(t, l.Flush())
		if i == events/2 {
			l = newLog(t, file, clock.in, small)
		}
	}
	octets, lines, _ := told()
	require.LessOrEqual(t, octets, 4000)
	require.Greater(t, lines, 10)
	record(t, l, 300) // beyond the first file
	clock.add(time.Hour)
	record(t, l, 1)
	_, again, counted := told()
	require.LessOrEqual(t, again, lines)
	require.Equal(t, l.Stats().Rationed, counted)
	require.Empty(t, l.Failing())
	good(t, file)
}

// TestSA2StrangersCannotFillTheDisk: with the space nearly used up, refusals by the thousand leave no line, and honest
// opens are recorded, 10 of 10.
func TestSA2StrangersCannotFillTheDisk(t *testing.T) {
	l := newLog(t, logFile(t), func(c *audit.Config) { c.MaxSize, c.Reserve, c.Space = 1<<20, 1<<16, 400_000 })
	for i := range 20_000 {
		refused(l, i, "expired")
	}
	for range 10 {
		require.NoError(t, l.Record(audit.SessionOpened))
	}
	require.NoError(t, l.Close())
	r := good(t, l.File())
	require.Less(t, r.Lines, 2000)
	require.Greater(t, l.Stats().Rationed, 18_000)
	require.Less(t, l.Stats().Used, int64(200_000))
}

// TestSA2WhatIsEssentialHasTheReserve: with the space used up, no session begins, those that run end in the trace, what
// waited is there once there is room, and nothing is lost unsaid.
func TestSA2WhatIsEssentialHasTheReserve(t *testing.T) {
	file := logFile(t)
	const space, reserve = 30_000, 10_000
	bounded := func(c *audit.Config) { c.Space, c.Reserve, c.MaxSize = space, reserve, 8_000 }
	l := newLog(t, file, bounded)
	opened := 0
	err := error(nil)
	for err == nil {
		if err = l.Record(audit.SessionOpened); err == nil {
			opened++
		}
	}
	require.ErrorIs(t, err, audit.ErrFull)
	require.ErrorContains(t, err, "cannot record session.opened")
	require.ErrorContains(t, err, "audit.space")
	require.InDelta(t, space-reserve, float64(l.Stats().Used), 300)
	l.Later(audit.AccessAccepted)
	l.Later(audit.SessionResumed)
	require.NoError(t, l.Record(audit.SessionEnded))
	require.NoError(t, l.Record(audit.LinkCut))
	require.NoError(t, l.Record(audit.OperatorAct, audit.Act("hold")))
	require.ErrorIs(t, l.Record(audit.SessionOpened), audit.ErrFull)
	require.Equal(t, 1, l.Stats().Waiting)
	require.Equal(t, opened+4, good(t, file).Lines)
	ended := 0
	for l.Record(audit.SessionEnded) == nil {
		ended++
	}
	require.InDelta(t, space, float64(l.Stats().Used), 300, "the reserve has an end")

	again := newLog(t, file, func(c *audit.Config) { bounded(c); c.Space = 0 })
	require.NoError(t, again.Record(audit.SessionOpened))
	require.Equal(t, opened+4+ended+1, good(t, file).Lines)
	_ = l.Close()
}

// TestSA2GoOn: an operator may choose that sessions begin although there is no room for their lines, which follow.
func TestSA2GoOn(t *testing.T) {
	l := newLog(t, logFile(t), func(c *audit.Config) { c.Space, c.GoOn = 1, true })
	require.NoError(t, l.Record(audit.SessionOpened))
	require.Contains(t, l.Failing(), "no more room")
	require.Equal(t, 1, l.Stats().Waiting)
	require.NoError(t, os.Chmod(l.File(), 0o666))
	require.Error(t, l.Record(audit.SessionOpened), "only for lack of room")
	require.Error(t, l.Close())
}

// TestSA2WhatIsLostAtTheEndIsSaid: a program that ends while there is no room says, in the reserve, what it could not
// write.
func TestSA2WhatIsLostAtTheEndIsSaid(t *testing.T) {
	l := newLog(t, logFile(t), func(c *audit.Config) { c.Space, c.Reserve = 10_000, 10_000 })
	l.Later(audit.AccessAccepted)
	l.Later(audit.AccessAccepted)
	require.ErrorContains(t, l.Close(), "cannot write 2 events")
	all := entries(t, l.File())
	require.Len(t, all, 1)
	require.Equal(t, audit.AuditGap, all[0].Event)
	require.Equal(t, "2", all[0].With["count"])
}

// TestSA2TheReserveIsTheFilesOwn: it is there before it is needed, behind the file's end, also after a rotation and a
// torn line; a full file gives it back.
func TestSA2TheReserveIsTheFilesOwn(t *testing.T) {
	const reserve = 1 << 20
	file := logFile(t)
	l := newLog(t, file, func(c *audit.Config) { c.Reserve, c.MaxSize = reserve, 2000 })
	if !l.Stats().Reserve {
		t.Skip("this file system gives no file a place that it does not use")
	}
	record(t, l, 30)
	whole := func() {
		require.True(t, l.Stats().Reserve)
		require.GreaterOrEqual(t, onDisk(t, file), int64(reserve))
	}
	whole()
	names, err := os.ReadDir(strings.TrimSuffix(file, "audit.jsonl"))
	require.NoError(t, err)
	for _, name := range names {
		if strings.HasPrefix(name.Name(), "audit-") {
			require.Less(t, onDisk(t, strings.TrimSuffix(file, "audit.jsonl")+name.Name()), int64(100_000))
		}
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteString("half a line")
	require.NoError(t, errors.Join(err, f.Close()))
	record(t, l, 1)
	whole()
	good(t, file)
	require.False(t, newLog(t, logFile(t)).Stats().Reserve, "there is none")
}

// TestSA2Stats are what metrics show.
func TestSA2Stats(t *testing.T) {
	clock := newClock()
	l := newLog(t, logFile(t), clock.in, func(c *audit.Config) { c.MaxSize = 1 })
	record(t, l, 3)
	s := l.Stats()
	require.EqualValues(t, 3, s.Lines)
	require.True(t, s.Oldest.Equal(clock.now()))
	require.False(t, s.Held)
	size := int64(0)
	for line, err := range audit.Read(l.File()) {
		require.NoError(t, err)
		size += int64(len(line.Text)) + 1
	}
	require.Equal(t, size, s.Used)
	require.Equal(t, size, newLog(t, l.File()).Stats().Used)
	require.Equal(t, audit.Stats{Free: -1}, (*audit.Log)(nil).Stats())
}
