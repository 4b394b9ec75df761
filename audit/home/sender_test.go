package home

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/audit"
)

const patience = 2 * time.Minute

func writeFile(t *testing.T, name, text string) {
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
}

// device is a device's trace, and a sender of its lines.
type device struct {
	t   *testing.T
	now time.Time
	log *audit.Log
	s   *Sender
}

func newDevice(t *testing.T) *device {
	d := &device{t: t, now: time.Now()}
	var err error
	d.log, err = audit.Open(audit.Config{File: t.TempDir() + "/audit.jsonl", By: "tla-relay",
		Clock: func() time.Time { return d.now }})
	require.NoError(t, err)
	d.restart()
	return d
}

func (d *device) restart() {
	d.s = NewSender(SenderConfig{Trace: d.log, Pause: time.Nanosecond, Look: time.Millisecond,
		Clock: func() time.Time { return d.now }})
}

func (d *device) record(kind audit.Kind, attrs ...audit.Attr) {
	require.NoError(d.t, d.log.Record(kind, attrs...))
}

// wire is a link; it keeps what was written, and what was confirmed.
type wire struct {
	mu        sync.Mutex
	written   [][]byte
	confirmed int
	lose      int // records that are confirmed before the link is lost; 0 = it is not lost
}

func newWire() *wire { return &wire{} }

func (w *wire) WriteTrace(lines []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.written = append(w.written, bytes.Clone(lines))
	return nil
}

func (w *wire) Echo(context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.lose > 0 && w.confirmed == w.lose {
		return errors.New("the link is lost")
	}
	w.confirmed = len(w.written)
	return nil
}

// seqs returns the numbers of the lines that were written.
func (w *wire) seqs(t *testing.T) (list []uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.written {
		require.LessOrEqual(t, len(r), maxRecord)
		for l := range bytes.Lines(r) {
			said, _, _, err := audit.ParseSent(bytes.TrimSuffix(l, []byte("\n")))
			require.NoError(t, err, "%s", l)
			list = append(list, said.Seq)
		}
	}
	return list
}

// run runs the sender over a wire until the line last of the trace is confirmed.
func (d *device) run(w *wire, session string, last uint64) []uint64 {
	return d.runUntil(w, session, func() bool {
		at, err := d.s.cursor()
		require.NoError(d.t, err)
		return at >= last
	})
}

func (d *device) runUntil(w *wire, session string, enough func() bool) []uint64 {
	ctx, stop := context.WithTimeout(d.t.Context(), patience)
	defer stop()
	done := make(chan struct{})
	go func() { defer close(done); d.s.Run(ctx, session, w) }()
	for !enough() {
		require.NoError(d.t, ctx.Err())
		time.Sleep(time.Millisecond)
	}
	stop()
	<-done
	return w.seqs(d.t)
}

// TestSA2NewLinesAreSentOnce: those of before, those that come during the session, and after a restart only what is
// new. What is not for the gateway is left out.
func TestSA2NewLinesAreSentOnce(t *testing.T) {
	d := newDevice(t)
	d.record(audit.ProgramStart, audit.Version("v1"))
	d.record(audit.ConsentAccepted, audit.Statement("c.s"))
	d.record(audit.SessionUp, audit.Session(session), audit.User("jean.dupont"))
	w := newWire()
	require.Equal(t, []uint64{1, 3}, d.run(w, session, 3))
	require.NotContains(t, string(w.written[0]), "jean")
	require.NotContains(t, string(w.written[0]), "tla-relay")
	d.record(audit.SessionEnded, audit.Session(session))
	d.restart()
	require.Equal(t, []uint64{4}, d.run(newWire(), "2", 4))
	d.record(audit.ConsentAccepted, audit.Statement("c.s"))
	require.Empty(t, d.run(newWire(), "3", 5))
}

// TestSA2ALostLinkCostsNothing: what was not confirmed is sent again in the next session.
func TestSA2ALostLinkCostsNothing(t *testing.T) {
	d := newDevice(t)
	long := strings.Repeat("x", 500)
	for range 40 {
		d.record(audit.SessionFailed, audit.Reason(long))
	}
	w := newWire()
	w.lose = 2
	d.s.Run(t.Context(), session, w) // ends with the link
	first := w.seqs(t)
	require.Len(t, w.written, 3)
	again := d.run(newWire(), "2", 40)
	require.Equal(t, first[len(first)-1]+1-uint64(bytes.Count(w.written[2], []byte("\n"))), again[0])
	require.EqualValues(t, 40, again[len(again)-1])
	all := append(slices.Clone(first), again...)
	slices.Sort(all)
	require.Len(t, slices.Compact(all), 40)
}

// TestSA2ATraceOfLongAgoIsNotSent: of a trace of which nothing was sent before, the last day.
func TestSA2ATraceOfLongAgoIsNotSent(t *testing.T) {
	d := newDevice(t)
	d.now = d.now.Add(-25 * time.Hour)
	d.record(audit.ProgramStart)
	d.now = d.now.Add(25 * time.Hour)
	d.record(audit.ProgramStop)
	require.Equal(t, []uint64{2}, d.run(newWire(), session, 2))
}

// TestSA2NoMoreThanASessionTakes is sent, at first and later: the sender stays below what the gateway takes.
func TestSA2NoMoreThanASessionTakes(t *testing.T) {
	d := newDevice(t)
	long := strings.Repeat("x", 500)
	const lines = 600
	for range lines {
		d.record(audit.SessionFailed, audit.Reason(long))
	}
	w := newWire()
	got := d.run(w, session, lines)
	require.EqualValues(t, lines, got[len(got)-1], "the newest")
	size := 0
	for _, r := range w.written {
		size += len(r)
	}
	require.Less(t, size, maxSession)
	for range lines {
		d.record(audit.SessionFailed, audit.Reason(long))
	}
	w = newWire()
	got = append(got, d.runUntil(w, "2", func() bool { return len(w.seqs(t)) >= 300 })...)
	got = append(got, d.run(newWire(), "3", 2*lines)...)
	require.True(t, slices.IsSorted(got))
	require.EqualValues(t, 2*lines, got[len(got)-1])
	require.Len(t, slices.Compact(slices.Clone(got)), len(got))
}

// TestSA2AnotherTraceBeginsAnew: a cursor that is ahead of the trace, or damaged, is none.
func TestSA2AnotherTraceBeginsAnew(t *testing.T) {
	d := newDevice(t)
	d.record(audit.ProgramStart)
	for _, text := range []string{`{"seq":99}`, `{"seq":`, ``, `{"seq":1,"more":2}`} {
		writeFile(t, d.s.file, text)
		require.Equal(t, []uint64{1}, d.run(newWire(), session, 1), text)
	}
}

// TestSA2LongListsAreCut so that a line fits into a record; a longer line is not sent.
func TestSA2LongListsAreCut(t *testing.T) {
	d := newDevice(t)
	d.record(audit.HostPackagesAdded, audit.Names([]string{strings.Repeat("paquet, ", 600)}))
	w := newWire()
	require.Equal(t, []uint64{1}, d.run(w, session, 1))
	require.Contains(t, string(w.written[0]), "paquet")
	require.Contains(t, string(w.written[0]), "…")
}

// TestSA2SenderAndReceiverFit: what one sends, the other takes whole.
func TestSA2SenderAndReceiverFit(t *testing.T) {
	from, to := newDevice(t), newDesk(t)
	for _, m := range audit.Kinds() {
		if m.Kind == audit.AuditPurged {
			continue // which only the trace itself writes
		}
		from.record(m.Kind, audit.Reason(fmt.Sprintf(`<"é&>%s`, m.Kind)), audit.Incident("K7M2"))
	}
	w := newWire()
	last, err := audit.Last(from.log.File())
	require.NoError(t, err)
	sent := from.run(w, session, last)
	for _, r := range w.written {
		to.now = to.now.Add(time.Second)
		to.r.Take(tla1, session, r)
	}
	to.r.Over(tla1, session)
	require.Len(t, to.news(), len(sent))
	for l, err := range audit.Read(to.log.File()) {
		require.NoError(t, err)
		require.True(t, l.Entry.Event.Sayable())
		require.Equal(t, "K7M2", l.Entry.With["incident"])
	}
}
