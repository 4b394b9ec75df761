package gateway

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/audit"
	"tlagate/gateway/fleet"
	"tlagate/gateway/state"
	"tlagate/pki"
	"tlagate/session/link"
)

// Processes of the tests.
var processA, processB = strings.Repeat("a1", 16), strings.Repeat("b2", 16)

// process returns the configuration of an end of that process.
func process(instance string) link.Config {
	return link.Config{Heartbeat: time.Hour, Instance: instance}
}

func refusing(_ *rig, c *Config) { c.RefuseClones = true }

// lowest sets the lowest version of both programs.
func lowest(t testing.TB, version string, known bool) option {
	return func(_ *rig, c *Config) {
		var err error
		programs := map[string]string{link.ProgramRelay: version, link.ProgramPdT: version}
		c.Lowest, err = fleet.ParseLowest(programs, known)
		require.NoError(t, err)
	}
}

// parkAs parks a link of a process of the PdT.
func (r *rig) parkAs(p pdt, instance string) *link.Conn {
	r.t.Helper()
	before := r.parked()
	l, err := r.tryPark(p, process(instance))
	require.NoError(r.t, err)
	r.eventually("link parked", func() bool { return r.parked() > before })
	return l
}

// openAs opens a session with pdt1 by a process of the TLA.
func (r *rig) openAs(tla tls.Certificate, instance string) (*link.Conn, error) {
	r.t.Helper()
	r.ends = process(instance)
	return r.tryOpen(tla, pdt1)
}

// speaks has the gateway hear from an end, and waits until it has.
func (r *rig) speaks(l *link.Conn) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	go func() { _, _, _ = l.ReadRecord() }() // takes the pong
	require.NoError(r.t, l.Echo(ctx))
}

// TestSP1ProgramTooOld: below the lowest version nobody parks or opens; who says no version may, unless it is demanded.
func TestSP1ProgramTooOld(t *testing.T) {
	for _, known := range []bool{false, true} {
		t.Run(map[bool]string{false: "may be unknown", true: "must be known"}[known], func(t *testing.T) {
			r := start(t, lowest(t, "1.2.0", known))
			for version, refused := range map[string]bool{"1.1.9": true, "1.2.0": false, "": known, "devel": known} {
				cfg := unhurried
				if version != "" {
					cfg.Client = link.Ours(link.ProgramPdT, version)
				}
				l, err := r.tryPark(r.pdt(pdt1), cfg)
				if !refused {
					require.NoError(t, err, version)
					l.Close()
					continue
				}
				p := requireProblem(t, link.ProblemVersionOutdated, err)
				require.Contains(t, p.Detail, "tla-pdt 1.2.0")
				require.NotEmpty(t, p.Action)
			}
			r.ends.Client = link.Ours(link.ProgramRelay, "0.9.0")
			_, err := r.tryOpen(r.ca.Issue(tla1, clients), pdt1)
			require.Contains(t, requireProblem(t, link.ProblemVersionOutdated, err).Detail, "tla-relay 0.9.0")
			_, late := r.g.fleet.Count()
			require.Equal(t, 1, late[pki.RoleTLA])
			require.True(t, r.outdated(tla1))
			r.g.SetLowest(fleet.Lowest{})
			r.ends.Consent = nil
			_, err = r.tryOpen(r.ca.Issue(tla1, clients), pdt2)
			requireProblem(t, link.ProblemWrongPractice, err)
			r.park(r.pdt(pdt1))
			_, err = r.tryOpen(r.ca.Issue(tla1, clients), pdt1)
			require.NoError(t, err)
			require.False(t, r.outdated(tla1))
		})
	}
}

// outdated returns what operators see of a peer's version.
func (r *rig) outdated(urn string) bool {
	id, err := pki.ParseIdentity(urn)
	require.NoError(r.t, err)
	page, _ := r.g.Peers(Filter{Identity: id}, "", 0)
	require.Len(r.t, page, 1)
	return page[0].Outdated
}

// TestSP1GatewayKnowsWhatADeviceRuns: what it said of itself stands with its link.
func TestSP1GatewayKnowsWhatADeviceRuns(t *testing.T) {
	r := start(t)
	cfg := process(processA)
	cfg.Client = link.Software{Program: link.ProgramPdT, Version: "1.0.0", OS: "windows", Arch: "amd64"}
	_, err := r.tryPark(r.pdt(pdt1), cfg)
	require.NoError(t, err)
	for _, c := range r.g.clients.all() {
		require.Equal(t, cfg.Client, c.software())
		require.Equal(t, processA, c.instance())
	}
	c := &client{}
	require.Zero(t, c.software())
	require.Zero(t, c.instance())
}

// TestC1ClonedPdTGetsNoCards: as long as the first PdT is heard from, a second one with its certificate is not joined,
// however fresh its links are. If the first one is gone, it is.
func TestC1ClonedPdTGetsNoCards(t *testing.T) {
	r := start(t)
	p, tla := r.pdt(pdt1), r.ca.Issue(tla1, clients)
	first := r.parkAs(p, processA)
	second := r.parkAs(p, processB)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	joined := make(chan error, 1)
	go func() { _, err := first.WaitJoined(); joined <- err }()
	require.NoError(t, first.Echo(ctx))
	r.speaks(second) // the last that is heard from
	near, err := r.tryOpen(tla, pdt1)
	require.NoError(t, err)
	require.NoError(t, <-joined)
	near.Close()
	requireNotice(t, link.CodePeerGone, first)
	r.eventually("TLA free again", func() bool { return r.reserved() == 0 })
	_, err = r.tryOpen(tla, pdt1)
	require.NoError(t, err, "only the second one is there")
}

// TestC1ACloneThatMakesUpProcessesGetsNoCards: it says that it is a process which came before the last one, as the true
// PdT did; nor does it park so many links that the true one gets no place.
func TestC1ACloneThatMakesUpProcessesGetsNoCards(t *testing.T) {
	r := start(t, limited(Limits{ParkedPerPdT: 4}))
	p, tla := r.pdt(pdt1), r.ca.Issue(tla1, clients)
	first := r.parkAs(p, processA)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	joined := make(chan error, 1)
	go func() { _, err := first.WaitJoined(); joined <- err }()
	var fakes []*link.Conn
	for i := range 3 {
		fakes = append(fakes, r.parkAs(p, fmt.Sprintf("%032x", i)))
	}
	require.NoError(t, first.Echo(ctx))
	for _, l := range fakes {
		r.speaks(l) // the last that are heard from
	}
	near, err := r.tryOpen(tla, pdt1)
	require.NoError(t, err)
	require.NoError(t, <-joined)

	r.parkAs(p, fmt.Sprintf("%032x", 2)) // the last place
	_, err = r.tryPark(p, process(processB))
	requireProblem(t, link.ProblemTooMany, err)
	again, err := r.tryPark(p, process(processA))
	require.NoError(t, err)
	r.eventually("it is parked", func() bool {
		return slices.ContainsFunc(r.g.parked.list(), func(e *end) bool { return e.client.instance() == processA })
	})
	go func() { _, err := again.WaitJoined(); joined <- err }()
	require.NoError(t, again.Echo(ctx))
	near.Close()
	r.eventually("TLA free again", func() bool { return r.reserved() == 0 })
	_, err = r.tryOpen(tla, pdt1)
	require.NoError(t, err)
	require.NoError(t, <-joined)
}

// TestC1RestartedPdTIsJoined: links of a process that lost its power, which nobody found dead yet, come after those of
// the process that took its place.
func TestC1RestartedPdTIsJoined(t *testing.T) {
	r := start(t)
	p := r.pdt(pdt1)
	r.parkAs(p, processA)
	second := r.parkAs(p, processB)
	_, err := r.tryOpen(r.ca.Issue(tla1, clients), pdt1)
	require.NoError(t, err)
	_, err = second.WaitJoined()
	require.NoError(t, err)
	require.Empty(t, r.g.Clones(), "a restart is no clone")
}

// TestC1CloneIsTold: in log and trace, once, and everybody goes on.
func TestC1CloneIsTold(t *testing.T) {
	r := start(t, traced(nil))
	p := r.pdt(pdt1)
	for _, instance := range []string{processA, processB, processA, processB} {
		r.parkAs(p, instance)
	}
	r.logged("two programs seem to use one identity", "peer", pdt1, "reason", signReturned, "instance", processA[:8])
	require.Len(t, r.log.find("two programs seem to use one identity"), 1)
	require.Len(t, r.g.Clones(), 1)
	require.Equal(t, 4, r.parked())
	requireWith(t, map[string]string{"identity": pdt1, "reason": signReturned, "instance": processA[:8],
		"address": "127.0.0.1"}, r.told(audit.CloneSuspected, 1)[0])
}

// TestC1CloneBesideIsTold: two that have links and answer, of which none ever comes back.
func TestC1CloneBesideIsTold(t *testing.T) {
	r := start(t)
	p := r.pdt(pdt1)
	r.parkAs(p, processA)
	r.parkAs(p, processB)
	r.g.programs.look(time.Now().Add(-time.Hour)) // then they were here already
	require.Empty(t, r.g.Clones())
	r.g.programs.look(time.Now())
	r.logged("two programs seem to use one identity", "peer", pdt1, "reason", signBeside, "instance", processB[:8])
}

// TestC1CloneIsRefused: by choice both are ended and refused, until the operator lets the identity in.
func TestC1CloneIsRefused(t *testing.T) {
	r := start(t, refusing)
	tla, p := r.ca.Issue(tla1, clients), r.pdt(pdt1)
	far := r.parkAs(p, processA)
	near, err := r.openAs(tla, processA)
	require.NoError(t, err)
	_, err = far.WaitJoined()
	require.NoError(t, err)
	parked := r.parkAs(p, processB)
	_, err = r.tryPark(p, process(processA))
	require.NotEmpty(t, requireProblem(t, link.ProblemCloneSuspected, err).Action)
	for _, l := range []*link.Conn{near, far, parked} {
		requireNotice(t, link.CodeEndedByOperator, l)
	}
	_, err = r.tryPark(p, process(processB))
	requireProblem(t, link.ProblemCloneSuspected, err)
	r.parkAs(r.pdt("urn:tlagate:cab1:pdt:p9"), processB)
	seen := func() PeerInfo {
		page, _ := r.g.Peers(Filter{}, "", 10)
		return page[slices.IndexFunc(page, func(i PeerInfo) bool { return i.Identity == pdt1 })]
	}
	require.NotEmpty(t, seen().Clone)
	require.NoError(t, r.g.Allow(pdt1, Act{Who: "urn:tlagate:op:admin:a", Role: "security", Reason: "a new machine"}))
	require.Empty(t, seen().Clone)
	r.parkAs(p, processA)
}

// TestC1CloneStaysRefused: over a restart, too, until an operator lets the identity in.
func TestC1CloneStaysRefused(t *testing.T) {
	before, after := filepath.Join(t.TempDir(), "seen.json"), filepath.Join(t.TempDir(), "seen.json")
	kept := func(file string) option {
		return func(r *rig, c *Config) {
			refusing(r, c)
			c.Roll = rollIn(t, file)
		}
	}
	suspect := func(file string) bool {
		s, _ := rollIn(t, file).Of(idOf(pdt1))
		return !s.Suspect.IsZero()
	}
	r := start(t, kept(before))
	p := r.pdt(pdt1)
	r.parkAs(p, processA)
	r.parkAs(p, processB)
	_, err := r.tryPark(p, process(processA))
	requireProblem(t, link.ProblemCloneSuspected, err)
	r.eventually("it is written, and not only at the end", func() bool { return suspect(before) })

	text, err := os.ReadFile(before) // which the first gateway writes again
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(after, text, 0o600))
	again := begin(t, kept(after))
	p = again.pdt(pdt1)
	_, err = again.tryPark(p, process(processA))
	requireProblem(t, link.ProblemCloneSuspected, err)
	require.NoError(t, again.g.Allow(pdt1, claire))
	again.parkAs(p, processA)
	again.eventually("that is written, too", func() bool { return !suspect(after) })
}

func rollIn(t *testing.T, file string) *state.Roll {
	roll, err := state.OpenRoll(file)
	require.NoError(t, err)
	return roll
}

// TestEL1PowerCut: a TLA that comes back as another process, while nobody found its old link dead, has its session.
func TestEL1PowerCut(t *testing.T) {
	r := start(t)
	tla, p := r.ca.Issue(tla1, clients), r.pdt(pdt1)
	far := r.parkAs(p, processA)
	_, err := r.openAs(tla, processA) // nobody reads it
	require.NoError(t, err)
	_, err = far.WaitJoined()
	require.NoError(t, err)
	next := r.parkAs(p, processA)
	_, err = r.openAs(tla, processA)
	requireProblem(t, link.ProblemTLABusy, err) // the same process
	asked := time.Now()
	_, err = r.openAs(tla, processB)
	require.NoError(t, err)
	require.GreaterOrEqual(t, time.Since(asked), answerWithin)
	_, err = next.WaitJoined()
	require.NoError(t, err)
	requireNotice(t, link.CodePeerGone, far)
	r.logged("session ended", "reason", "dead", "by", "tla")
	require.Empty(t, r.g.Clones())
}

// TestC1CloneThrowsOutNobody: nor does one that asks and goes away at once.
func TestC1CloneThrowsOutNobody(t *testing.T) {
	r := start(t)
	tla, p := r.ca.Issue(tla1, clients), r.pdt(pdt1)
	far := r.parkAs(p, processA)
	near, err := r.openAs(tla, processA)
	require.NoError(t, err)
	_, err = far.WaitJoined()
	require.NoError(t, err)
	got := make(chan string, 1)
	go func() {
		b := make([]byte, 4)
		_, _ = io.ReadFull(near, b)
		got <- string(b)
	}()
	for range 3 {
		_, err = r.openAs(tla, processB)
		requireProblem(t, link.ProblemTLABusy, err)
	}
	_, err = far.Write([]byte("data"))
	require.NoError(t, err)
	require.Equal(t, "data", <-got)
	require.Equal(t, 1, r.begun())
}
