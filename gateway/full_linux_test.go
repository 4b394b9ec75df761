package gateway

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/audit"
	"tlagate/gateway/state"
	"tlagate/pki"
	"tlagate/session/link"
)

// fill writes to the trace until there is no more room for what is not essential.
func (r *rig) fill() {
	r.t.Helper()
	for {
		err := r.g.trace.log.Record(audit.ProgramStart, audit.Version("a version"))
		if errors.Is(err, audit.ErrFull) {
			return
		}
		require.NoError(r.t, err)
	}
}

// small is a trace that is soon full, with a reserve.
func small(c *audit.Config) { c.MaxSize, c.Space, c.Reserve = 64<<10, 192<<10, 32<<10 }

// TestSA2NoSessionBeginsUnrecorded: a trace without room for an open refuses it, and lets what runs go on, and on over
// a further link, whose lines come.
func TestSA2NoSessionBeginsUnrecorded(t *testing.T) {
	r := start(t, traced(small))
	tla, p := r.ca.Issue(tla1, clients), r.pdt(pdt1)
	near, far := r.joined(tla, p)
	id := r.logged("joined")["session"].(string)
	r.fill()

	waiting := r.park(p)
	other := r.ca.Issue("urn:tlagate:cab1:tla:t3", clients)
	_, err := r.tryOpen(other, pdt1)
	requireProblem(t, link.ProblemTraceFull, err)
	_, err = waiting.WaitJoined()
	require.NoError(t, err)
	requireNotice(t, link.CodePeerGone, waiting)
	require.Equal(t, 1, r.reserved(), "it may try again")
	r.becomes("tlagate_trace_failing{}", 1)
	r.becomes("tlagate_requests_refused_total{problem=trace_full}", 1)
	r.logged("no session begins: the audit trace cannot be written", "reason", "trace_full")

	ticket := ticketOn(t, near, far)
	waiting = r.park(p)
	again, err := link.Reopen(t.Context(), r.dial(tla), pdt1, id, ticket, unhurried)
	require.NoError(t, err)
	_, err = waiting.WaitJoined()
	require.NoError(t, err)
	require.Equal(t, id, r.told(audit.SessionResumed, 1)[0].With["session"])
	again.Close()
	requireNotice(t, link.CodePeerGone, waiting)
	r.told(audit.SessionEnded, 2)
	require.Len(t, r.lines(audit.SessionOpened), 1)
	_, err = audit.VerifyFile(r.g.trace.log.File())
	require.NoError(t, err)
}

// TestSA2WhatRunsGoesOnWithoutADisk: nothing can be written at all; the lines of what went on follow.
func TestSA2WhatRunsGoesOnWithoutADisk(t *testing.T) {
	r := start(t, traced(nil))
	tla, p := r.ca.Issue(tla1, clients), r.pdt(pdt1)
	near, far := r.joined(tla, p)
	id := r.logged("joined")["session"].(string)
	back := r.unplug()

	waiting := r.park(p)
	_, err := r.tryOpen(r.ca.Issue("urn:tlagate:cab1:tla:t3", clients), pdt1)
	requireProblem(t, link.ProblemTraceFull, err)
	_, err = waiting.WaitJoined()
	require.NoError(t, err)
	requireNotice(t, link.CodePeerGone, waiting)
	ticket := ticketOn(t, near, far)
	waiting = r.park(p)
	again, err := link.Reopen(t.Context(), r.dial(tla), pdt1, id, ticket, unhurried)
	require.NoError(t, err)
	_, err = waiting.WaitJoined()
	require.NoError(t, err)

	back()
	require.Equal(t, id, r.told(audit.SessionResumed, 1)[0].With["session"])
	r.joined(r.ca.Issue("urn:tlagate:cab1:tla:t4", clients), p)
	again.Close()
}

// unplug takes the trace's directory away, and returns what brings it back.
func (r *rig) unplug() (back func()) {
	r.t.Helper()
	return takeAway(r.t, filepath.Dir(r.g.trace.log.File()))
}

// takeAway takes a directory away, and returns what brings it back.
func takeAway(t testing.TB, dir string) (back func()) {
	t.Helper()
	require.NoError(t, os.Rename(dir, dir+".away"))
	require.NoError(t, os.WriteFile(dir, nil, 0o600))
	return func() {
		require.NoError(t, os.Remove(dir))
		require.NoError(t, os.Rename(dir+".away", dir))
	}
}

// TestSA2SessionsMayGoOnUntraced: where the operator has said so, a full trace refuses nobody.
func TestSA2SessionsMayGoOnUntraced(t *testing.T) {
	r := start(t, traced(func(c *audit.Config) { small(c); c.GoOn = true }))
	for r.g.trace.log.Failing() == "" {
		require.NoError(t, r.g.trace.log.Record(audit.ProgramStart, audit.Version("a version")))
	}
	r.joined(r.ca.Issue(tla1, clients), r.pdt(pdt1))
	r.becomes("tlagate_trace_failing{}", 1)
	r.becomes("tlagate_sessions_untraced_total{}", 1)
	r.logged("a session begins, and the audit trace cannot be written")
	require.Empty(t, r.lines(audit.SessionOpened))
}

// TestSA2StrangersKeepNobodyOut: under a flood of refusals, with the trace nearly full, each honest open is recorded
// and goes through.
func TestSA2StrangersKeepNobodyOut(t *testing.T) {
	r := start(t, traced(small))
	p := r.pdt(pdt1)
	room := int64(64 << 10) // for ten sessions, and nothing like what is refused
	for r.g.trace.log.Stats().Free-32<<10 > room {
		require.NoError(t, r.g.trace.log.Record(audit.ProgramStart, audit.Version("a version")))
	}
	strangers, stop := context.WithCancel(t.Context())
	done := make(chan int)
	go func() { done <- r.flood(strangers) }()
	for range 10 {
		near, far := r.joined(r.ca.Issue(tla1, clients), p)
		near.Close()
		requireNotice(t, link.CodePeerGone, far)
		far.Close()
		r.eventually("its end", func() bool { return r.reserved() == 0 })
	}
	stop()
	require.Greater(t, <-done, 1000)
	require.Len(t, r.lines(audit.SessionOpened), 10)
	require.Greater(t, r.metered()["tlagate_trace_rationed_total{}"], 1000.)
}

// flood has the gateway refuse strangers from everywhere, one of them for real, and returns how many.
func (r *rig) flood(ctx context.Context) (n int) {
	for r.attempt(); ctx.Err() == nil || n <= 1000; n++ {
		from := fmt.Sprintf("198.%d.%d.1:1", n>>8&0xff, n&0xff)
		r.g.trace.peers.Refused(from, &pki.Refusal{Reason: pki.HandshakeFailed})
	}
	return n
}

// TestSA2ManyOpensShareSyncs: a hundred opens at once cost ten syncs at most, and none waits for more than two commits.
func TestSA2ManyOpensShareSyncs(t *testing.T) {
	const many = 100
	r := start(t, traced(func(c *audit.Config) { c.Wait = time.Hour }),
		limited(Limits{ParkedPerPdT: many, ConnectionsPerPeer: many}))
	p := r.pdt(pdt1)
	joined := make(chan error, many)
	for range many {
		far := r.park(p)
		go func() { _, err := far.WaitJoined(); joined <- err }()
	}
	var opens []func(context.Context) (*link.Conn, error)
	for i := range many {
		opens = append(opens, r.asking(fmt.Sprintf("urn:tlagate:cab1:tla:t%d", i)))
	}
	r.eventually("all who came are recorded", func() bool { return r.g.trace.log.Stats().Waiting == 0 })
	release, before := r.holdUp(), r.g.trace.log.Stats()
	answers := make(chan error, many)
	for _, open := range opens {
		go func() {
			l, err := open(context.Background())
			if err == nil {
				r.t.Cleanup(func() { l.Close() })
			}
			answers <- err
		}()
	}
	for range many {
		require.NoError(t, <-joined) // all of them are about to be recorded
	}
	require.Empty(t, answers, "nobody has an answer before his line is on the disk")
	release()
	for range many {
		require.NoError(t, <-answers)
	}
	after := r.g.trace.log.Stats()
	require.Len(t, r.lines(audit.SessionOpened), many)
	require.LessOrEqual(t, after.Syncs-before.Syncs, uint64(10))
	require.LessOrEqual(t, after.Waited, 2)
}

// holdUp keeps the gateway from writing its trace, as another program does that writes, until release is called.
func (r *rig) holdUp() (release func()) {
	f, err := os.Open(r.g.trace.log.File() + ".head")
	require.NoError(r.t, err)
	require.NoError(r.t, syscall.Flock(int(f.Fd()), syscall.LOCK_EX))
	r.t.Cleanup(func() { _ = f.Close() })
	return func() { require.NoError(r.t, f.Close()) }
}

// TestSP3ActsWithoutATrace: what takes trust away is done although it cannot be recorded, and the answer says so; what
// gives it is not done.
func TestSP3ActsWithoutATrace(t *testing.T) {
	r := start(t, traced(nil))
	near, _ := r.joined(r.ca.Issue(tla1, clients), r.pdt(pdt1))
	id := r.running(1)[0].ID
	back := r.unplug()
	defer back()
	require.ErrorAs(t, r.g.Deny(tla2, claire), new(*Done))
	require.ErrorAs(t, r.g.End(id, claire), new(*Done))
	requireNotice(t, link.CodeEndedByOperator, near)
	require.Error(t, r.g.Allow(tla2, claire))
	require.Len(t, r.g.Denied(), 1)
	require.ErrorAs(t, r.g.Drain(claire), new(*Done))
	require.True(t, r.g.Draining())
	require.Error(t, r.g.Resume(claire))
	require.True(t, r.g.Draining())
}

// TestSP3TheDenyListCannotBeWritten: a denial counts all the same, until a restart; one that is to be taken back stays,
// and so does the suspicion of a clone; the file is what it was.
func TestSP3TheDenyListCannotBeWritten(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	require.NoError(t, os.Mkdir(dir, 0o700))
	file := filepath.Join(dir, "denied.json")
	r := start(t, traced(nil), denying(file))
	require.NoError(t, r.g.Deny(tla1, claire))
	r.g.fleet.Remember(idOf(tla1), time.Now())
	back := takeAway(t, dir)
	require.ErrorAs(t, r.g.Deny(tla2, claire), new(*Done))
	require.True(t, r.g.Denies(idOf(tla2)))
	require.ErrorIs(t, r.g.Allow(tla1, claire), ErrUnwritten)
	require.True(t, r.g.Denies(idOf(tla1)))
	require.Len(t, r.g.Clones(), 1)
	r.logged("an operator's denial stays in force: it cannot be taken back", "identity", tla1)
	back()
	kept, err := state.OpenDenials(file)
	require.NoError(t, err)
	require.Len(t, kept.Denied(), 1)
	require.NoError(t, r.g.Allow(tla1, claire))
	require.Empty(t, r.g.Clones())
}
