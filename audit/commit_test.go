package audit_test

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/audit"
)

// patience is how long a test waits for what must happen.
const patience = 3 * time.Minute

// blockFirst makes the first commit of a log wait, in the middle, until the returned function is called.
func blockFirst(l *audit.Log) (begun chan struct{}, release func()) {
	begun, free := make(chan struct{}), make(chan struct{})
	var once sync.Once
	l.OnStep(func(step string) {
		if step == "written" {
			once.Do(func() { close(begun); <-free })
		}
	})
	return begun, func() { close(free) }
}

// TestSA2ManyRecordsCostFewSyncs: what 100 callers record at once is written with a few syncs, and none of them waits
// for more than two commits. They are counted.
func TestSA2ManyRecordsCostFewSyncs(t *testing.T) {
	l := newLog(t, logFile(t))
	begun, release := blockFirst(l)
	before := l.Syncs()
	var running sync.WaitGroup
	errs := make(chan error, 100)
	one := func() { errs <- l.Record(audit.SessionOpened, audit.Session("1")) }
	running.Go(one)
	<-begun
	for range 99 {
		running.Go(one)
	}
	require.Eventually(t, func() bool { return l.Queued() == 99 }, patience, time.Millisecond)
	release()
	running.Wait()
	for range 100 {
		require.NoError(t, <-errs)
	}
	require.LessOrEqual(t, l.Syncs()-before, uint64(10))
	require.LessOrEqual(t, l.Stats().Waited, 2)
	require.Equal(t, 100, good(t, l.File()).Lines)
	require.EqualValues(t, 100, l.Stats().Lines)
}

// TestSA2ABatchThatFails: all its callers are told, and the log is as it was before.
func TestSA2ABatchThatFails(t *testing.T) {
	l := newLog(t, logFile(t))
	record(t, l, 1)
	require.NoError(t, os.Chmod(l.File(), 0o666))
	var running sync.WaitGroup
	errs := make(chan error, 20)
	for range 20 {
		running.Go(func() { errs <- l.Record(audit.SessionOpened) })
	}
	running.Wait()
	for range 20 {
		require.ErrorContains(t, <-errs, "cannot record session.opened in the audit trace "+l.File())
	}
	require.Contains(t, l.Failing(), "chmod")
	require.NoError(t, os.Chmod(l.File(), 0o600))
	record(t, l, 1)
	require.Equal(t, 2, good(t, l.File()).Lines)
	require.Empty(t, l.Failing())
}

// TestSA2TooLongFailsAlone: an event that is no line does not take those beside it along.
func TestSA2TooLongFailsAlone(t *testing.T) {
	l := newLog(t, logFile(t))
	begun, release := blockFirst(l)
	var running sync.WaitGroup
	running.Go(func() { _ = l.Record(audit.ProgramStart) })
	<-begun
	much := strings.Repeat("<", 4096) // six octets each in JSON
	var long error
	running.Go(func() {
		long = l.Record(audit.KeyLoaded, audit.Statement(much), audit.Signature(much), audit.Names([]string{much}))
	})
	running.Go(func() { record(t, l, 1) })
	require.Eventually(t, func() bool { return l.Queued() == 2 }, patience, time.Millisecond)
	release()
	running.Wait()
	require.ErrorContains(t, long, "longer than 65536 octets")
	require.Equal(t, 2, good(t, l.File()).Lines)
	l.Later(audit.KeyLoaded, audit.Statement(much), audit.Signature(much), audit.Names([]string{much}))
	require.Eventually(t, func() bool { return l.Stats().Lost == 1 && l.Flush() == nil }, patience, time.Millisecond)
	all := entries(t, l.File())
	require.Equal(t, audit.AuditGap, all[len(all)-1].Event)
}

// TestSA2RecordAllIsOneCommit: several events of one caller are side by side, with one sync, or none of them is there.
func TestSA2RecordAllIsOneCommit(t *testing.T) {
	l := newLog(t, logFile(t))
	before := l.Syncs()
	require.NoError(t, l.RecordAll(audit.Event{Kind: audit.ConsentAccepted},
		audit.Event{Kind: audit.SessionOpened, Attrs: []audit.Attr{audit.Session("a1")}}))
	require.EqualValues(t, 1, l.Syncs()-before)
	all := entries(t, l.File())
	require.Equal(t, []audit.Kind{audit.ConsentAccepted, audit.SessionOpened}, []audit.Kind{all[0].Event, all[1].Event})
	err := l.RecordAll(audit.Event{Kind: audit.ConsentAccepted}, audit.Event{Kind: "session.shut"})
	require.ErrorContains(t, err, "cannot record consent.accepted, session.shut in")
	require.Error(t, l.RecordAll())
	require.Len(t, entries(t, l.File()), 2)
}

// TestSA2OnlyTheTraceSaysWhatIsPurged: nobody else can record it.
func TestSA2OnlyTheTraceSaysWhatIsPurged(t *testing.T) {
	l := newLog(t, logFile(t))
	require.ErrorContains(t, l.Record(audit.AuditPurged, audit.Number(1)), "only the trace itself")
}

// TestSA2LaterIsWrittenInOrder: what cannot be written waits, without its caller, and is there in the end, in order and
// with the times at which it happened.
func TestSA2LaterIsWrittenInOrder(t *testing.T) {
	clock := newClock()
	l := newLog(t, logFile(t), clock.in)
	require.NoError(t, os.Chmod(l.File(), 0o666))
	var want []string
	for i := range 20 {
		l.Later(audit.SessionEnded, audit.Count(i))
		want = append(want, fmt.Sprintf("%d %s", i, clock.now().Format("15:04:05")))
		clock.add(time.Minute)
	}
	require.ErrorContains(t, l.Flush(), "cannot write 20 events")
	require.Equal(t, 20, l.Stats().Waiting)
	require.NoError(t, os.Chmod(l.File(), 0o600))
	require.NoError(t, l.Flush())
	var got []string
	for _, e := range entries(t, l.File()) {
		got = append(got, e.With["count"]+" "+e.Time().Format("15:04:05"))
	}
	require.Equal(t, want, got)
	require.Empty(t, good(t, l.File()).Back)
}

// TestSA2LaterIsTriedAgain: nobody need ask for it.
func TestSA2LaterIsTriedAgain(t *testing.T) {
	l := newLog(t, logFile(t))
	require.NoError(t, os.Chmod(l.File(), 0o666))
	l.Later(audit.SessionEnded)
	require.Eventually(t, func() bool { return l.Failing() != "" }, patience, time.Millisecond)
	require.NoError(t, os.Chmod(l.File(), 0o600))
	require.Eventually(t, func() bool { return good(t, l.File()).Lines == 1 }, patience, 10*time.Millisecond)
}

// TestSA2TheGapIsTold: when more waits than may, the first line that can be written says how much is lost. What is
// essential is not.
func TestSA2TheGapIsTold(t *testing.T) {
	clock := newClock()
	l := newLog(t, logFile(t), clock.in)
	require.NoError(t, os.Chmod(l.File(), 0o666))
	l.Later(audit.SessionEnded, audit.Count(-1))
	from := clock.now()
	for i := range audit.MostKept + 100 {
		l.Later(audit.AccessAccepted, audit.Count(i))
		clock.add(time.Second)
	}
	lost := l.Stats().Lost
	require.Equal(t, 101, lost)
	require.NoError(t, os.Chmod(l.File(), 0o600))
	require.NoError(t, l.Flush())
	all := entries(t, l.File())
	require.Len(t, all, audit.MostKept+1)
	require.Equal(t, audit.AuditGap, all[0].Event)
	require.Equal(t, map[string]string{"count": "101", "from": from.Format(time.RFC3339),
		"to": from.Add(100 * time.Second).Format(time.RFC3339)}, all[0].With)
	require.Equal(t, audit.SessionEnded, all[1].Event)
	require.Equal(t, "101", all[2].With["count"])
	record(t, l, 1)
	require.Equal(t, audit.MostKept+2, good(t, l.File()).Lines, "it is told once")
}

// TestSA2NotOfTheTable: an event that Later cannot take is a gap, too.
func TestSA2NotOfTheTable(t *testing.T) {
	l := newLog(t, logFile(t))
	l.Later("session.shut")
	require.Contains(t, l.Failing(), "not in the table")
	record(t, l, 1)
	all := entries(t, l.File())
	require.Equal(t, []audit.Kind{audit.AuditGap, audit.KeyLoaded}, []audit.Kind{all[0].Event, all[1].Event})
}

// TestSA2Close writes what waits; of what it cannot write, it says so.
func TestSA2Close(t *testing.T) {
	l := newLog(t, logFile(t))
	for range 100 {
		l.Later(audit.SessionEnded)
	}
	require.NoError(t, l.Close())
	require.Equal(t, 100, good(t, l.File()).Lines)
	require.NoError(t, l.Close(), "twice")
	record(t, l, 1)
	require.NoError(t, os.Chmod(l.File(), 0o666))
	l.Later(audit.SessionEnded)
	require.ErrorContains(t, l.Close(), "cannot write 1 events")
	require.NoError(t, os.Chmod(l.File(), 0o600))
	record(t, l, 1)
	require.Equal(t, audit.AuditGap, entries(t, l.File())[101].Event)
	require.NoError(t, (*audit.Log)(nil).Close())
}

// TestSA2Head: the head is that of the last line.
func TestSA2Head(t *testing.T) {
	clock := newClock()
	l := newLog(t, logFile(t), clock.in, func(c *audit.Config) { c.MaxSize = 1 })
	number, _, at, err := l.Head()
	require.NoError(t, err)
	require.Zero(t, number)
	require.True(t, at.IsZero())
	record(t, l, 3)
	want := good(t, l.File())
	for _, l := range []*audit.Log{l, newLog(t, l.File(), clock.in)} {
		number, hash, at, err := l.Head()
		require.NoError(t, err)
		require.Equal(t, []any{want.Last, want.Hash}, []any{number, hash})
		require.True(t, at.Equal(clock.now()), at)
	}
}

// TestSA2Rotated: the caller is told of each further file.
func TestSA2Rotated(t *testing.T) {
	told := make(chan struct{}, 10)
	l := newLog(t, logFile(t), func(c *audit.Config) { c.MaxSize, c.Rotated = 1, func() { told <- struct{}{} } })
	record(t, l, 3)
	<-told
	<-told
	require.Empty(t, told)
}

// clock is a clock that only tests move.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 11, 24, 8, 30, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func (c *clock) in(cfg *audit.Config) { cfg.Clock = c.now }
