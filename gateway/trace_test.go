package gateway

import (
	"crypto/tls"
	"crypto/x509"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/audit"
	"tlagate/audit/peers"
	"tlagate/pki/listen"
	"tlagate/pki/pkitest"
	"tlagate/pki/trust"
	"tlagate/session/consent"
	"tlagate/session/link"
)

// traced has the gateway keep a trace, which is closed when the test ends.
func traced(change func(*audit.Config)) option {
	return func(r *rig, c *Config) {
		cfg := audit.Config{File: filepath.Join(r.dir, "trace", "audit.jsonl"), By: "tla-gateway"}
		if change != nil {
			change(&cfg)
		}
		log, err := audit.Open(cfg)
		require.NoError(r.t, err)
		r.t.Cleanup(func() { _ = log.Close() })
		c.Trace = log
	}
}

// lines returns what is in the trace now, of these kinds; of none = all.
func (r *rig) lines(kinds ...audit.Kind) (list []audit.Entry) {
	r.t.Helper()
	for line, err := range audit.Read(r.g.trace.log.File()) {
		require.NoError(r.t, err)
		require.NoError(r.t, line.Err)
		if len(kinds) == 0 || slices.Contains(kinds, line.Entry.Event) {
			list = append(list, line.Entry)
		}
	}
	return list
}

// told waits until the trace has so many lines of a kind, and returns them.
func (r *rig) told(kind audit.Kind, n int) (list []audit.Entry) {
	r.t.Helper()
	r.eventually(string(kind), func() bool { list = r.lines(kind); return len(list) >= n })
	require.Len(r.t, list, n)
	return list
}

// requireWith requires an entry to have these attributes, and no others.
func requireWith(t *testing.T, want map[string]string, e audit.Entry) {
	t.Helper()
	require.Equal(t, "tla-gateway", e.By)
	require.Equal(t, want, e.With, string(e.Event))
}

// lacking returns the attributes of an entry but some, which must be there.
func lacking(t *testing.T, e audit.Entry, names ...string) audit.Entry {
	t.Helper()
	e.With = maps.Clone(e.With)
	for _, n := range names {
		require.NotEmpty(t, e.With[n], n)
		delete(e.With, n)
	}
	return e
}

func hexSerial(c tls.Certificate) string { return c.Leaf.SerialNumber.Text(16) }

func kindsOf(list []audit.Entry) (kinds []audit.Kind) {
	for _, e := range list {
		kinds = append(kinds, e.Event)
	}
	return kinds
}

// TestSA2ASessionsLines: who came, who agreed, what began and how it ended, in this order, and nothing else.
func TestSA2ASessionsLines(t *testing.T) {
	r := start(t, traced(nil))
	tla, p := r.ca.Issue(tla1, clients), r.pdt(pdt1)
	near, far := r.joined(tla, p)
	id := r.logged("joined")["session"].(string)
	_, err := near.Write([]byte("12345"))
	require.NoError(t, err)
	_, err = far.Write([]byte("123"))
	require.NoError(t, err)
	r.becomes("tlagate_session_data_bytes_total{from=tla}", 5)
	r.becomes("tlagate_session_data_bytes_total{from=pdt}", 3)
	near.Close()
	ended := r.told(audit.SessionEnded, 1)[0]

	lines := r.lines()
	require.Equal(t, []audit.Kind{audit.AccessAccepted, audit.AccessAccepted, audit.ConsentAccepted,
		audit.SessionOpened, audit.SessionEnded}, kindsOf(lines))
	leaf, err := x509.ParseCertificate(p.client.Certificate[0])
	require.NoError(t, err)
	requireWith(t, map[string]string{"identity": pdt1, "role": "pdt", "practice": "cab1",
		"serial": leaf.SerialNumber.Text(16), "address": "127.0.0.1", "group": "X25519MLKEM768", "source": "crl"},
		lacking(t, lines[0], "suite", "age"))
	requireWith(t, map[string]string{"identity": tla1, "role": "tla", "practice": "cab1", "serial": hexSerial(tla),
		"address": "127.0.0.1", "group": "X25519MLKEM768", "source": "crl"}, lacking(t, lines[1], "suite", "age"))
	requireWith(t, map[string]string{"identity": tla1, "serial": hexSerial(tla), "pdt": pdt1, "session": id,
		"act": "command"}, lacking(t, lines[2], "statement", "fingerprint", "until", "user"))
	requireWith(t, map[string]string{"identity": tla1, "pdt": pdt1, "session": id, "address": "127.0.0.1",
		"proof": "user_required"}, lines[3])
	requireWith(t, map[string]string{"identity": tla1, "pdt": pdt1, "session": id, "role": "tla", "from_tla": "5",
		"from_pdt": "3"}, lacking(t, unnumbered(ended), "length", "reason"))
}

// TestSA2AnOpenIsOnDiskBeforeItsAnswer: the line is in the file as soon as the terminal has its answer, and so is the
// consent, which anybody can verify again.
func TestSA2AnOpenIsOnDiskBeforeItsAnswer(t *testing.T) {
	r := start(t, traced(nil))
	tla, p := r.ca.Issue(tla1, clients), r.pdt(pdt1)
	for range 5 {
		far := r.park(p)
		near, err := r.tryOpen(tla, pdt1)
		require.NoError(t, err)
		opened := r.lines(audit.SessionOpened)
		j, err := far.WaitJoined()
		require.NoError(t, err)
		require.Equal(t, j.Session, opened[len(opened)-1].With["session"])
		agreed := r.lines(audit.ConsentAccepted)
		_, err = consent.Verify(agreed[len(agreed)-1].With["statement"], tla.Leaf.PublicKey, consent.Want{TLA: tla1,
			PdT: pdt1, Session: j.Session, Nonce: j.Nonce, Now: time.Now()})
		require.NoError(t, err)
		near.Close()
		requireNotice(t, link.CodePeerGone, far)
	}
	require.Len(t, r.lines(audit.SessionOpened), 5)
}

// TestSA2AFurtherLinksLines: each link of a session has its beginning and its end.
func TestSA2AFurtherLinksLines(t *testing.T) {
	r := start(t, traced(nil))
	tla, p := r.ca.Issue(tla1, clients), r.pdt(pdt1)
	near, far := r.joined(tla, p)
	id := r.logged("joined")["session"].(string)
	ticket := ticketOn(t, near, far)
	waiting := r.park(p)
	again, err := link.Reopen(t.Context(), r.dial(tla), pdt1, id, ticket, unhurried)
	require.NoError(t, err)
	_, err = waiting.WaitJoined()
	require.NoError(t, err)
	again.Close()
	ended := r.told(audit.SessionEnded, 2)
	requireWith(t, map[string]string{"identity": tla1, "pdt": pdt1, "session": id, "address": "127.0.0.1"},
		r.told(audit.SessionResumed, 1)[0])
	require.Equal(t, []string{"resumed", "gateway", "1"},
		[]string{ended[0].With["reason"], ended[0].With["role"], ended[0].With["from_pdt"]})
	require.Equal(t, []string{"tla", "0"}, []string{ended[1].With["role"], ended[1].With["from_pdt"]})
	require.Len(t, r.lines(audit.SessionOpened, audit.ConsentAccepted), 2)
}

// TestSA2ACutsLines: whose certificate it was, and the session that ended for it.
func TestSA2ACutsLines(t *testing.T) {
	for name, whose := range map[string]func(w *world) (string, *x509.Certificate){
		"TLA":           func(w *world) (string, *x509.Certificate) { return tla1, w.tla.Leaf },
		"PdT's server":  func(w *world) (string, *x509.Certificate) { return pdt1, w.pdt.server.Leaf },
		"PdT as client": func(w *world) (string, *x509.Certificate) { return pdt1, w.pdt.client.Leaf },
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, traced(nil))
			w := &world{r.ca.Issue(tla1, clients), r.pdt(pdt1)}
			near, far := r.joined(w.tla, w.pdt)
			id := r.logged("joined")["session"].(string)
			identity, leaf := whose(w)
			r.revoke(leaf)
			number := requireNotice(t, link.CodeRevoked, near).Incident
			require.Equal(t, number, requireNotice(t, link.CodeRevoked, far).Incident)
			requireWith(t, map[string]string{"identity": identity, "serial": leaf.SerialNumber.Text(16),
				"reason": "revoked", "session": id, "address": "127.0.0.1", "incident": number},
				r.told(audit.LinkCut, 1)[0])
			ended := r.told(audit.SessionEnded, 1)[0]
			require.Equal(t, []string{"revoked", "gateway", number},
				[]string{ended.With["reason"], ended.With["role"], ended.With["incident"]})
			require.NotEmpty(t, number)
		})
	}
}

// attempt makes a handshake without looking at the gateway's certificate, and waits until it is over.
func (r *rig) attempt(certs ...tls.Certificate) {
	r.t.Helper()
	c, err := net.Dial("tcp", r.addr)
	require.NoError(r.t, err)
	conn := tls.Client(c, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{trust.ALPNOuter},
		Certificates: certs})
	_ = conn.Handshake()
	_, _ = conn.Read(make([]byte, 1))
	conn.Close()
}

// TestSA2ARefusedAccessLines: why, whom it claimed to be, and from where.
func TestSA2ARefusedAccessLines(t *testing.T) {
	r := start(t, traced(nil), limited(Limits{ConnectionsPerPeer: 1}))
	expired := r.ca.Issue(tla2, clients, pkitest.Expired())
	foreign := pkitest.New(t).Issue(tla1, clients)
	r.attempt(expired)
	requireWith(t, map[string]string{"reason": "expired", "peer": tla2, "serial": hexSerial(expired),
		"address": "127.0.0.1"}, r.told(audit.AccessRefused, 1)[0])
	r.attempt(foreign)
	requireWith(t, map[string]string{"reason": "unknown_issuer", "peer": tla1, "serial": hexSerial(foreign),
		"address": "127.0.0.1"}, r.told(audit.AccessRefused, 2)[1])
	r.attempt()
	requireWith(t, map[string]string{"reason": "no_certificate", "address": "127.0.0.1"},
		r.told(audit.AccessRefused, 3)[2])
	good := r.ca.Issue(tla1, clients)
	r.dial(good)
	r.told(audit.AccessAccepted, 1)
	requireClosed(t, r.dial(good))
	requireWith(t, map[string]string{"reason": "too_many", "peer": tla1, "serial": hexSerial(good),
		"address": "127.0.0.1"}, r.told(audit.AccessRefused, 4)[3])
	require.Len(t, r.lines(), 5)
}

// TestSA2ARefusedRequestsLines: whose request, which, and with what code it was answered.
func TestSA2ARefusedRequestsLines(t *testing.T) {
	r := start(t, traced(nil), limited(Limits{JoinWait: time.Millisecond}))
	c := r.as(tla1)
	for i, ask := range []struct{ path, request, code string }{
		{link.PathPark, "park", "wrong_role"},
		{"/v1/Jean-Dupont", "other", "not_found"},
		{link.PathOpen + "?pdt=" + pdt2, "open", "wrong_practice"},
		{link.PathOpen, "open", "bad_request"},
	} {
		request(t, c, http.MethodGet, ask.path, upgrade())
		requireWith(t, map[string]string{"identity": tla1, "request": ask.request, "code": ask.code,
			"address": "127.0.0.1"}, r.told(audit.RequestRefused, i+1)[i])
	}
	_, err := r.askingLate(tla1)(t.Context())
	requireProblem(t, link.ProblemPdTAbsent, err)
	require.Equal(t, "pdt_absent", r.told(audit.RequestRefused, 5)[4].With["code"], "its first step, 401, has no line")
	r.told(audit.ConsentAccepted, 1)
	require.Empty(t, r.lines(audit.SessionOpened))
	content, err := os.ReadFile(r.g.trace.log.File())
	require.NoError(t, err)
	require.NotContains(t, string(content), "Dupont")
}

// TestSA2WhatOnePeerRepeatsIsCounted: a peer that does the same again and again fills no trace.
func TestSA2WhatOnePeerRepeatsIsCounted(t *testing.T) {
	r := start(t, traced(nil))
	busy, other := r.as(tla1), r.as(tla2)
	for range peers.Burst + 20 {
		request(t, busy, http.MethodGet, "/", nil)
	}
	request(t, busy, http.MethodGet, link.PathPark, upgrade())
	request(t, other, http.MethodGet, "/", nil)
	r.stop()
	require.NoError(t, <-r.ended)
	require.NoError(t, r.g.trace.log.Close())
	refused := map[string]int{}
	for _, e := range r.lines(audit.RequestRefused) {
		refused[e.With["identity"]+" "+e.With["code"]]++
	}
	require.GreaterOrEqual(t, refused[tla1+" not_found"], peers.Burst)
	require.Less(t, refused[tla1+" not_found"], peers.Burst+20)
	require.Equal(t, []int{1, 1}, []int{refused[tla1+" wrong_role"], refused[tla2+" not_found"]}, "others' are not")
	counted := r.told(audit.AuditRationed, 1)[0]
	requireWith(t, map[string]string{"identity": tla1, "event": "request.refused", "reason": "not_found",
		"count": strconv.Itoa(peers.Burst + 20 - refused[tla1+" not_found"])}, counted)
}

// TestSA2SessionsDoNotFillTheTrace: what one terminal may begin is bounded, and what it resumes is counted, not
// written.
func TestSA2SessionsDoNotFillTheTrace(t *testing.T) {
	r := start(t, traced(nil))
	tla, p := r.ca.Issue(tla1, clients), r.pdt(pdt1)
	near, far := r.joined(tla, p)
	id := r.logged("joined")["session"].(string)
	ticket := ticketOn(t, near, far)
	const more = peers.Burst + 10
	for range more {
		far = r.park(p)
		again, err := link.Reopen(t.Context(), r.dial(tla), pdt1, id, ticket, unhurried)
		require.NoError(t, err)
		_, err = far.WaitJoined()
		require.NoError(t, err)
		ticket, near = ticketOn(t, again, far), again
	}
	near.Close()
	requireNotice(t, link.CodePeerGone, far)
	r.g.rates.Begins.Peer = listen.NewBudget(1, time.Hour, 10) // or time alone would give back what is spent
	require.Zero(t, r.g.rates.Begins.Peer.Take(tla1))
	r.park(p)
	_, err := r.tryOpen(tla, pdt1)
	requireProblem(t, link.ProblemTooMany, err)
	_, err = r.tryOpen(r.ca.Issue(tla2, clients), pdt1)
	requireProblem(t, link.ProblemWrongPractice, err)
	require.Len(t, r.lines(audit.SessionOpened), 1)
	require.Less(t, len(r.lines(audit.SessionResumed)), more)
	require.Less(t, len(r.lines(audit.SessionEnded)), more)
}
