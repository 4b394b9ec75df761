package gateway

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/audit"
	"tlagate/audit/home"
	"tlagate/session/incident"
	"tlagate/session/link"
)

// unnumbered returns an entry without its incident number, if it has one: how a link was closed decides that.
func unnumbered(e audit.Entry) audit.Entry {
	e.With = maps.Clone(e.With)
	delete(e.With, "incident")
	return e
}

// hearing has the gateway keep a trace, and take lines into it.
func hearing(r *rig, c *Config) {
	traced(nil)(r, c)
	var err error
	c.Home, err = home.NewReceiver(home.ReceiverConfig{Log: c.Trace})
	require.NoError(r.t, err)
}

const aTime = "2026-11-24T08:30:00.123Z"

// aLine is a line that a device sends.
func aLine(n int, kind audit.Kind) []byte {
	return fmt.Appendf(nil, `{"seq":%d,"at":"%s","event":"%s","with":{"code":"unreachable","incident":"K7M2"}}`+"\n",
		n, aTime, kind)
}

// reading has a link read until it ends.
func reading(l *link.Conn) { go func() { _, _ = io.Copy(io.Discard, onlyReader{l}) }() }

// TestSA2LinesOfBothEndsAreTaken, each as said by the end that sent it, and by nobody else; the session goes on.
func TestSA2LinesOfBothEndsAreTaken(t *testing.T) {
	r := start(t, hearing)
	near, far := r.joined(r.ca.Issue(tla1, clients), r.pdt(pdt1))
	reading(near)
	for i, l := range []*link.Conn{near, far} {
		require.True(t, l.TakesTrace())
		require.NoError(t, l.WriteTrace(append(aLine(7+i, audit.SessionFailed), aLine(9+i, audit.ProgramStart)...)))
	}
	require.NoError(t, near.Echo(t.Context()))
	failed, started := r.told(audit.SessionFailed, 2), r.told(audit.ProgramStart, 2)
	slices.SortFunc(failed, func(a, b audit.Entry) int { return strings.Compare(b.By, a.By) })
	for i, by := range []string{tla1, pdt1} {
		require.Equal(t, by, failed[i].By)
		require.Equal(t, &audit.Said{Seq: uint64(7 + i), At: aTime}, failed[i].Said)
		require.Equal(t, map[string]string{"code": "unreachable", "incident": "K7M2"}, failed[i].With)
	}
	require.NotEqual(t, started[0].By, started[1].By)
	_, err := near.Write([]byte("data"))
	require.NoError(t, err)
	_, err = io.ReadFull(far, make([]byte, 4))
	require.NoError(t, err)
}

// TestSA2TooManyLinesAreCounted, never a reason to end the session.
func TestSA2TooManyLinesAreCounted(t *testing.T) {
	r := start(t, hearing)
	near, far := r.joined(r.ca.Issue(tla1, clients), r.pdt(pdt1))
	for range 300 {
		require.NoError(t, near.WriteTrace([]byte("no line\n")))
	}
	require.NoError(t, near.WriteRecord(link.TypeTrace, make([]byte, link.MaxPayload)))
	_, err := near.Write([]byte("data"))
	require.NoError(t, err)
	_, err = io.ReadFull(far, make([]byte, 4))
	require.NoError(t, err)
	near.Close()
	counts := map[string]string{}
	r.eventually("counted", func() bool {
		for _, e := range r.lines(audit.AuditDropped) {
			require.Equal(t, []any{"tla-gateway", tla1}, []any{e.By, e.With["identity"]})
			counts[e.With["reason"]] = e.With["count"]
		}
		return len(counts) == 3
	})
	require.Equal(t, "1", counts["record_too_long"])
	require.NotEmpty(t, counts["too_fast"])
	require.NotEmpty(t, counts["unreadable"])
}

// TestC4NoLinesFromAParkedPdT: outside a session the record ends the link, and nothing is recorded.
func TestC4NoLinesFromAParkedPdT(t *testing.T) {
	r := start(t, hearing)
	waiting := r.park(r.pdt(pdt1))
	require.NoError(t, waiting.WriteTrace(aLine(1, audit.SessionFailed)))
	requireNotice(t, link.CodeProtocol, waiting)
	require.Empty(t, r.lines(audit.SessionFailed))
}

// TestSA2OlderEnds: an end that knows nothing of it is served as before, and a gateway without a trace takes no lines.
func TestSA2OlderEnds(t *testing.T) {
	r := start(t, traced(nil))
	near, far := r.joined(r.ca.Issue(tla1, clients), r.pdt(pdt1))
	require.False(t, near.TakesTrace())
	require.False(t, far.TakesTrace())
	require.Error(t, near.WriteTrace(aLine(1, audit.SessionFailed)))
	reading(far)
	require.NoError(t, far.Echo(context.WithoutCancel(t.Context())))
}

// TestSA2ARequestsIncident is in the line about its refusal; what is no number is not.
func TestSA2ARequestsIncident(t *testing.T) {
	r := start(t, hearing)
	tla := r.ca.Issue(tla1, clients)
	number := incident.New()
	for _, n := range []string{number, "<script>"} {
		header := http.Header{link.HeaderIncident: {n}}
		request(t, r.dial(tla), "GET", link.PathOpen+"?pdt=urn:tlagate:cab9:pdt:p9", header)
	}
	refused := r.told(audit.RequestRefused, 2)
	require.Equal(t, []string{number, ""}, []string{refused[0].With["incident"], refused[1].With["incident"]})
	require.Equal(t, "wrong_practice", refused[0].With["code"])
	r.logged("request refused", "incident", number)
}

// TestSA2ANoticesIncident: what the gateway ends has one number, in both notices and in its line.
func TestSA2ANoticesIncident(t *testing.T) {
	r := start(t, hearing)
	near, far := r.joined(r.ca.Issue(tla1, clients), r.pdt(pdt1))
	r.eventually("the session has begun", func() bool { return r.begun() == 1 })
	r.g.sessions.mu.Lock()
	s := r.g.sessions.begun[0]
	r.g.sessions.mu.Unlock()
	s.timeOver()
	number := requireNotice(t, link.CodeTimeOver, near).Incident
	require.NotEmpty(t, incident.Of(number))
	require.Equal(t, number, requireNotice(t, link.CodeTimeOver, far).Incident)
	require.Equal(t, number, r.told(audit.SessionEnded, 1)[0].With["incident"])
}
