package rates

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
	"tlagate/session/link"
)

const (
	tla1 = "urn:tlagate:cab1:tla:t1"
	tla2 = "urn:tlagate:cab2:tla:t2"
)

// TestC1RatesOfAPeerAndOfItsPractice: what is left of one peer's says nothing about another's, the practice's counts
// for all of its peers, and the wait is told.
func TestC1RatesOfAPeerAndOfItsPractice(t *testing.T) {
	id := func(urn string) pki.Identity {
		id, err := pki.ParseIdentity(urn)
		require.NoError(t, err)
		return id
	}
	r := NewRate(3, time.Hour, 1, 100)
	for range 3 {
		require.Nil(t, r.Take(id(tla1)))
	}
	p := r.Take(id(tla1))
	require.NotNil(t, p)
	require.Equal(t, link.ProblemTooMany, p.Code)
	require.Greater(t, p.RetryAfter, 30*time.Minute)

	for i := range practiceBurst - 3 {
		require.Nil(t, r.Take(id("urn:tlagate:cab1:tla:n"+strconv.Itoa(i))))
	}
	p = r.Take(id("urn:tlagate:cab1:tla:last"))
	require.NotNil(t, p)
	require.Contains(t, p.Detail, "practice")
	require.Nil(t, r.Take(id(tla2)))
}
