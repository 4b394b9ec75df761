package api

import (
	"bufio"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/gateway"
)

// TestSA1EventsAreResumed: a stream begins after the event that the client had last.
func TestSA1EventsAreResumed(t *testing.T) {
	r := start(t)
	socket := r.local()
	for _, c := range []struct {
		last  string
		since uint64
	}{{"", 0}, {"41", 41}, {"0", 1}} {
		headers := []string{"Last-Event-ID: " + c.last}
		res, err := socket.Do(socket.request("GET", "events", "", headers...))
		require.NoError(t, err)
		require.Equal(t, "text/event-stream", res.Header.Get("Content-Type"))
		r.g.events <- gateway.Event{ID: 42, Kind: "session.ended", Session: sessions}
		in := bufio.NewReader(res.Body)
		var got strings.Builder
		for !strings.Contains(got.String(), "data: ") {
			line, err := in.ReadString('\n')
			require.NoError(t, err)
			got.WriteString(line)
		}
		require.Contains(t, got.String(), "id: 42\nevent: session.ended\ndata: {\"id\":42,")
		res.Body.Close()
		r.g.mu.Lock()
		require.Equal(t, c.since, r.g.since[len(r.g.since)-1])
		r.g.mu.Unlock()
		r.eventually("the stream is over", func() bool { return r.server.streams.Taken() == 0 })
	}
	require.Equal(t, BadRequest, socket.code("GET", "events", "", "Last-Event-ID: x"))
}

// TestC1StreamsAreBounded: one caller has so many streams, and those who read none of them keep nobody out.
func TestC1StreamsAreBounded(t *testing.T) {
	r := start(t, parsed(t, "claire", "read"))
	socket := r.local()
	for range streamsPerName {
		res, err := socket.Do(socket.request("GET", "events", ""))
		require.NoError(t, err)
		defer res.Body.Close()
		require.Equal(t, http.StatusOK, res.StatusCode)
	}
	require.Equal(t, TooMany, socket.code("GET", "events", ""))
	require.Empty(t, r.as(admin("claire")).code("GET", "sessions", ""))
}

// TestSA1AStreamLastsLongerThanARequestMay: the deadline for reading a request ends no stream.
func TestSA1AStreamLastsLongerThanARequestMay(t *testing.T) {
	t.Parallel()
	r := start(t)
	socket := r.local()
	res, err := socket.Do(socket.request("GET", "events", ""))
	require.NoError(t, err)
	defer res.Body.Close()
	in := bufio.NewReader(res.Body)
	for line := ""; line != ": beat\n"; { // comes after that deadline
		line, err = in.ReadString('\n')
		require.NoError(t, err)
	}
	r.g.events <- gateway.Event{ID: 1, Kind: "cut"}
	for line := ""; line != "event: cut\n"; {
		line, err = in.ReadString('\n')
		require.NoError(t, err)
	}
}
