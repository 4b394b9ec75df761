package gateway

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/gateway/rates"
	"tlagate/session/link"
)

func ofPractice(l PracticeLimits) option { return limited(Limits{PerPractice: l}) }

// TestC1SessionsOfAPractice: its limit is its own, and is free again when a session ends.
func TestC1SessionsOfAPractice(t *testing.T) {
	r := start(t, ofPractice(PracticeLimits{Sessions: 1}))
	p1, p2 := r.pdt(pdt1), r.pdt(pdt2)
	near, far := r.joined(r.ca.Issue(tla1, clients), p1)
	r.park(p1)
	other := r.ca.Issue("urn:tlagate:cab1:tla:other", clients)
	_, err := r.tryOpen(other, pdt1)
	p := requireProblem(t, link.ProblemTooMany, err)
	require.Equal(t, retrySessions, p.RetryAfter)
	r.joined(r.ca.Issue(tla2, clients), p2) // of another practice

	near.Close()
	requireNotice(t, link.CodePeerGone, far)
	r.eventually("one session less", func() bool { return r.g.sessions.count() == 1 })
	_, err = r.tryOpen(other, pdt1)
	require.NoError(t, err)
}

// TestC1ParkedLinksOfAPractice: those of all its PdTs count together, until they are gone.
func TestC1ParkedLinksOfAPractice(t *testing.T) {
	r := start(t, ofPractice(PracticeLimits{Parked: 2}))
	first := r.park(r.pdt(pdt1))
	r.park(r.pdt("urn:tlagate:cab1:pdt:other"))
	_, err := r.tryPark(r.pdt(pdt1), unhurried)
	p := requireProblem(t, link.ProblemTooMany, err)
	require.Equal(t, retryParked, p.RetryAfter)
	r.park(r.pdt(pdt2))
	first.Close()
	r.eventually("one link less", func() bool { return r.parked() == 2 })
	r.park(r.pdt(pdt1))
	r.g.parked.mu.Lock()
	defer r.g.parked.mu.Unlock()
	require.Equal(t, practiceCount{"cab1": 2, "cab2": 1}, r.g.parked.practice)
}

// TestC1ConnectionsOfAPractice: one too many is closed before it is read, and another practice is not concerned.
func TestC1ConnectionsOfAPractice(t *testing.T) {
	r := start(t, ofPractice(PracticeLimits{Connections: 1}))
	kept := r.as(tla1)
	r.eventually("connected", func() bool { return r.connections() == 1 })
	requireClosed(t, r.as(pdt1))
	r.logged("connection refused", "reason", "too_many", "error", errTooManyOfPractice.Error())
	resp, _ := request(t, r.as(tla2), http.MethodGet, link.PathWhoami, nil)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	kept.Close()
	r.eventually("one connection less", func() bool {
		r.g.clients.mu.Lock()
		defer r.g.clients.mu.Unlock()
		return r.g.clients.perPractice["cab1"] == 0
	})
}

// TestC1HastyConnectionIsTold: a peer that connects too often is told so at its first request, and when to come back;
// then the connection ends.
func TestC1HastyConnectionIsTold(t *testing.T) {
	r := start(t)
	r.g.rates.Handshakes.Peer = rates.NewRate(1, time.Hour, 1, 100).Peer
	cert := r.ca.Issue(tla1, clients)
	resp, _ := request(t, r.dial(cert), http.MethodGet, link.PathWhoami, nil)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	c := r.dial(cert)
	resp, body := request(t, c, http.MethodGet, link.PathWhoami, nil)
	require.Equal(t, link.ProblemTooMany, codeOf(t, resp, body))
	require.Equal(t, http.StatusTooManyRequests, resp.StatusCode)
	seconds, err := strconv.Atoi(resp.Header.Get("Retry-After"))
	require.NoError(t, err)
	require.Greater(t, seconds, 1800)
	requireClosed(t, c)
}

// TestC1OpensAreRationed: beyond the rate an open is refused before its consent is looked at.
func TestC1OpensAreRationed(t *testing.T) {
	r := start(t)
	r.g.rates.Opens.Peer = rates.NewRate(1, time.Hour, 1, 100).Peer
	tla := r.ca.Issue(tla1, clients)
	_, err := r.tryOpen(tla, pdt2)
	requireProblem(t, link.ProblemWrongPractice, err) // which costs nothing
	near, far := r.joined(tla, r.pdt(pdt1))
	near.Close()
	requireNotice(t, link.CodePeerGone, far)
	r.park(r.pdt(pdt1))
	_, err = r.tryOpen(tla, pdt1)
	requireProblem(t, link.ProblemTooMany, err)
}
