package gateway

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/session/link"
)

// TestC1ASlowReaderHoldsUpNobodyElse: a terminal that reads nothing while its PdT sends gets no more than what sockets
// hold, and is cut off; another session of the same PdT goes on all the while.
//
// Fault: a peer reads slowly, or not at all.
func TestC1ASlowReaderHoldsUpNobodyElse(t *testing.T) {
	r := start(t)
	p := r.pdt(pdt1)
	_, flooding := r.joined(r.ca.Issue(tla1, clients), p)
	near, far := r.joined(r.ca.Issue("urn:tlagate:cab1:tla:t3", clients), p)
	stuck := make(chan struct{})
	go func() {
		defer close(stuck)
		for flooding.WriteRecord(link.TypeData, make([]byte, link.MaxPayload)) == nil {
		}
	}()
	pace := time.NewTicker(10 * time.Millisecond)
	defer pace.Stop()
	for running := true; running; {
		require.NoError(t, near.WriteRecord(link.TypeData, []byte("meanwhile")))
		_, payload, err := far.ReadRecord()
		require.NoError(t, err)
		require.Equal(t, "meanwhile", string(payload))
		select {
		case <-stuck:
			running = false
		case <-pace.C:
		}
	}
	end := r.logged("session ended", "by", "tla", "reason", "network")
	require.Less(t, end["from_pdt"], float64(64<<20), "the gateway keeps nothing for the terminal")
	require.Equal(t, 1, r.begun(), "the other session")
}
