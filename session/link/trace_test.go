package link

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const upgradeAnswer = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tla-session/1\r\n"

// ask opens a link of a session whose gateway answers the upgrade with these fields.
func ask(t *testing.T, cfg Config, fields string, see func(*http.Request)) *Conn {
	c := script(t, func(_ *testing.T, r *http.Request) string { see(r); return upgradeAnswer + fields + "\r\n" })
	l, err := Reopen(t.Context(), c, "urn:tlagate:cab1:pdt:p1", vectorSession, "a.b.c", cfg)
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	return l
}

// TestSA2TraceOnlyWhereItIsTaken: an end sends no trace record to a gateway whose 101 does not ask for it, such as an
// older one, which would end the link.
func TestSA2TraceOnlyWhereItIsTaken(t *testing.T) {
	line := vectors(t)["trace"][headerLen:]
	for fields, taken := range map[string]bool{"": false, "Tlagate-Trace: 0\r\n": false, "Tlagate-Trace: 1\r\n": true} {
		l := ask(t, Config{}, fields, func(*http.Request) {})
		require.Equal(t, taken, l.TakesTrace(), fields)
		err := l.WriteTrace(line)
		if !taken {
			require.ErrorAs(t, err, new(*ProtocolError), fields)
			continue
		}
		require.NoError(t, err)
		require.Error(t, l.WriteTrace(make([]byte, MaxTrace+1)))
	}
}

// TestSA2IncidentTravelsWithTheRequest: as the vector says; without a number there is no field.
func TestSA2IncidentTravelsWithTheRequest(t *testing.T) {
	want := fields(t).Get(HeaderIncident)
	for _, number := range []string{want, ""} {
		var got []string
		ask(t, Config{Incident: number}, "", func(r *http.Request) { got = r.Header.Values(HeaderIncident) })
		if number == "" {
			require.Empty(t, got)
			continue
		}
		require.Equal(t, []string{want}, got)
	}
}

// TestSA2IncidentOfANotice: a number is taken, anything else in its place is none.
func TestSA2IncidentOfANotice(t *testing.T) {
	n, err := decodeNotice(vectors(t)["notice-incident"][headerLen:])
	require.NoError(t, err)
	require.Equal(t, "K7M2", n.Incident)
	n, err = decodeNotice([]byte(`{"code":"x","text":"y","incident":"rm -rf"}`))
	require.NoError(t, err)
	require.Empty(t, n.Incident)
}

// TestSA2TraceRecordsAreReturned: a gateway gets the payload as it came, in order with data; an end takes none.
func TestSA2TraceRecordsAreReturned(t *testing.T) {
	l, peer := raw(t, Config{})
	v := vectors(t)
	_, err := peer.Write(append(bytes.Clone(v["trace"]), v["data"]...))
	require.NoError(t, err)
	kind, payload, err := l.ReadRecord()
	require.NoError(t, err)
	require.Equal(t, []any{TypeTrace, v["trace"][headerLen:]}, []any{kind, payload})
	kind, _, err = l.ReadRecord()
	require.NoError(t, err)
	require.Equal(t, TypeData, kind)
	end, gateway := raw(t, Config{})
	_, err = gateway.Write(v["trace"])
	require.NoError(t, err)
	_, err = end.Read(make([]byte, 1))
	require.ErrorAs(t, err, new(*ProtocolError))
}

// TestSA2TraceRecordsNeverEndALink, however many come: the gateway drops what is too much.
func TestSA2TraceRecordsNeverEndALink(t *testing.T) {
	l, peer := raw(t, Config{})
	go func() { _, _ = peer.Write(bytes.Repeat([]byte{byte(TypeTrace), 0, 0}, 10*rationBurst)) }()
	for range 10 * rationBurst {
		_, _, err := l.ReadRecord()
		require.NoError(t, err)
	}
}

// TestSA2EchoConfirmsWhatWasWrittenBefore: Echo returns when its own pong comes; pongs of the heartbeat and strange
// ones do not count, and a context ends it.
func TestSA2EchoConfirmsWhatWasWrittenBefore(t *testing.T) {
	l, peer := raw(t, Config{Heartbeat: time.Hour})
	readOn(l)
	in := reader(peer)
	for range 3 {
		done := make(chan error, 1)
		go func() { done <- l.Echo(t.Context()) }()
		kind, payload, err := in.next()
		require.NoError(t, err)
		require.Equal(t, TypePing, kind)
		own := appendRecord(nil, TypePong, payload)
		for _, other := range [][]byte{make([]byte, pingLen), bytes.Repeat([]byte{0xff}, pingLen)} {
			_, err = peer.Write(appendRecord(nil, TypePong, other))
			require.NoError(t, err)
		}
		require.Empty(t, done)
		_, err = peer.Write(append(own, own...))
		require.NoError(t, err)
		require.NoError(t, <-done)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	go func() { _, _ = io.Copy(io.Discard, peer) }()
	require.ErrorIs(t, l.Echo(ctx), context.Canceled)
}
