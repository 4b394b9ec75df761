package gateway

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/session/link"
)

// TestC1RequestsOfOnePeerAreRationed: a peer that has asked too much waits, while others are served.
func TestC1RequestsOfOnePeerAreRationed(t *testing.T) {
	r := start(t)
	busy := r.dial(r.ca.Issue(tla1, clients))
	defer busy.Close()
	r.eventually("it is refused", func() bool {
		for r.g.rates.Requests.Peer.Take(tla1) == 0 {
		}
		answer, body := request(t, busy, "GET", link.PathWhoami, nil)
		if answer.StatusCode == http.StatusOK { // enough time has passed for one more
			return false
		}
		require.Equal(t, http.StatusTooManyRequests, answer.StatusCode)
		require.Equal(t, link.ProblemTooMany, codeOf(t, answer, body))
		require.NotEmpty(t, answer.Header.Get("Retry-After"))
		return true
	})
	other := r.dial(r.ca.Issue(pdt1, clients))
	defer other.Close()
	answer, _ := request(t, other, "GET", link.PathWhoami, nil)
	require.Equal(t, http.StatusOK, answer.StatusCode)
}
