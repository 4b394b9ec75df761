package link

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"tlagate/internal/nettest"
	"tlagate/pki/pkitest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pair gives an end's Conn and a gateway's.
func pair(t testing.TB, end, gateway Config) (*Conn, *Conn) {
	a, b := nettest.Pair(t)
	l, g := New(a, nil, end), New(b, nil, gateway)
	t.Cleanup(func() { l.Close(); g.Close() })
	return l, g
}

// readOn reads and discards until the link is over, and returns why it is.
func readOn(l *Conn) <-chan error {
	over := make(chan error, 1)
	go func() {
		for {
			if _, _, err := l.ReadRecord(); err != nil {
				over <- err
				return
			}
		}
	}()
	return over
}

const short = 20 * time.Millisecond

// raw is a peer that speaks records by hand.
func raw(t testing.TB, cfg Config) (*Conn, net.Conn) {
	a, b := nettest.Pair(t)
	l := New(a, nil, cfg)
	t.Cleanup(func() { l.Close() })
	return l, b
}

func TestPingIsAnswered(t *testing.T) {
	l, peer := raw(t, Config{})
	over := readOn(l)
	v := vectors(t)
	_, err := peer.Write(append(append([]byte{}, v["status"]...), v["ping"]...))
	require.NoError(t, err)
	got := make([]byte, len(v["pong"]))
	_, err = io.ReadFull(peer, got)
	require.NoError(t, err)
	require.Equal(t, v["pong"], got)
	l.Close()
	require.ErrorIs(t, <-over, net.ErrClosed)
}

func TestSilentPeerIsPingedThenDead(t *testing.T) {
	l, peer := raw(t, Config{Heartbeat: short})
	kind, payload, err := reader(peer).next()
	require.NoError(t, err)
	require.Equal(t, TypePing, kind)
	require.Len(t, payload, pingLen)
	require.ErrorIs(t, <-readOn(l), ErrDead)
	require.ErrorIs(t, l.WriteRecord(TypeData, nil), ErrDead)
}

func TestTwoQuietEndsStayAlive(t *testing.T) {
	const beat = 500 * time.Millisecond // three of them are long enough for a busy machine
	l, g := pair(t, Config{Heartbeat: beat}, Config{Heartbeat: beat})
	first := l.Heard()
	ends, endg := readOn(l), readOn(g)
	for seen := 0; seen < 5; { // pings or pongs
		if h := l.Heard(); h.After(first) {
			first = h
			seen++
		}
		select {
		case err := <-ends:
			t.Fatal("dead: ", err)
		case <-time.After(time.Millisecond):
		}
	}
	l.Close()
	require.Error(t, <-endg)
	<-ends
}

func TestStatusIsHandedOver(t *testing.T) {
	got := make(chan []byte, 1)
	l, peer := raw(t, Config{OnStatus: func(s []Status) { got <- bytes.Clone(s[0].DER) }})
	over := readOn(l)
	_, err := peer.Write(vectors(t)["status"])
	require.NoError(t, err)
	require.Equal(t, vectors(t)["status"][headerLen+pieceHeaderLen:], <-got)
	l.Close()
	<-over
}

func TestWrongDirection(t *testing.T) {
	v := vectors(t)
	for name, c := range map[string]struct {
		sent [][]byte
		read func(l *Conn) error
	}{
		"data before joined": {[][]byte{v["data"]}, waitJoined},
		"joined to a TLA":    {[][]byte{v["joined"]}, readSome},
		"joined twice": {[][]byte{v["joined"], v["joined"]}, func(l *Conn) error {
			return errors.Join(waitJoined(l), readSome(l))
		}},
		"status cut short":    {[][]byte{{byte(TypeStatus), 0, 4, 1, 0, 2, 0}}, readSome},
		"ticket to a PdT":     {[][]byte{v["ticket"]}, waitJoined},
		"unknown type":        {[][]byte{{9, 0, 0}}, readSome},
		"too long":            {[][]byte{{2, 0xff, 0xff}}, waitJoined},
		"notice no one reads": {[][]byte{{6, 0, 1, '{'}}, readSome},
		"joined no one reads": {[][]byte{{1, 0, 2, '{', '}'}}, waitJoined},
	} {
		t.Run(name, func(t *testing.T) {
			l, peer := raw(t, Config{})
			for _, b := range c.sent {
				_, err := peer.Write(b)
				require.NoError(t, err)
			}
			var broken *ProtocolError
			require.ErrorAs(t, c.read(l), &broken)
		})
	}
}

func waitJoined(l *Conn) error { _, err := l.WaitJoined(); return err }

func readSome(l *Conn) error { _, err := l.Read(make([]byte, 1)); return err }

func TestNoticeIsTheReason(t *testing.T) {
	var heard Notice
	l, g := pair(t, Config{OnNotice: func(n Notice) { heard = n }}, Config{})
	over := readOn(g)
	want := Notice{Code: CodeTimeOver, Text: "The session has reached its longest time."}
	g.Part(want)
	g.Part(Notice{Code: CodePeerGone, Text: "Too late."})
	err := readSome(l)
	var n *Notice
	require.ErrorAs(t, err, &n)
	require.Equal(t, want, *n)
	require.Equal(t, want, heard)
	require.Equal(t, want, *l.Notice())
	l.Close()
	require.ErrorAs(t, <-over, &n, "the gateway's own reader learns why as well")
	require.Equal(t, want, *n)
	require.Error(t, g.WriteRecord(TypeData, []byte{1}), "nothing after the last word")
}

// A peer that is still sending gets the notice: closing at once would have reset the connection.
func TestPartedInFullFlow(t *testing.T) {
	for range 20 {
		l, g := pair(t, Config{}, Config{})
		over := readOn(g)
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			for l.WriteRecord(TypeData, make([]byte, MaxPayload)) == nil {
			}
		}()
		g.Part(Notice{Code: CodeRevoked})
		var n *Notice
		require.ErrorAs(t, readSome(l), &n)
		require.Equal(t, CodeRevoked, n.Code)
		l.Close()
		<-sent
		<-over
		g.Close()
	}
}

// Part closes the link of a peer that reads nothing.
func TestPartDoesNotWaitForEver(t *testing.T) {
	a, b := net.Pipe()
	defer b.Close()
	g := New(a, nil, Config{})
	over := readOn(g)
	g.Part(Notice{Code: CodeDraining})
	var n *Notice
	require.ErrorAs(t, <-over, &n)
}

// A notice does not hide that a deadline has passed.
func TestTimeoutAfterANotice(t *testing.T) {
	l, peer := raw(t, Config{})
	_, err := peer.Write(vectors(t)["notice-revoked"])
	require.NoError(t, err)
	require.NoError(t, l.SetReadDeadline(time.Now().Add(short)))
	require.ErrorIs(t, readSome(l), os.ErrDeadlineExceeded)
	require.NotNil(t, l.Notice())
	require.NoError(t, l.SetReadDeadline(time.Time{}))
	_, err = peer.Write(vectors(t)["data"])
	require.NoError(t, err)
	require.NoError(t, readSome(l), "reading goes on")
}

func TestWriteThatTakesTooLongEndsTheLink(t *testing.T) {
	a, b := net.Pipe()
	defer b.Close()
	l := New(a, nil, Config{WriteTimeout: short})
	err := l.WriteRecord(TypeData, []byte{1})
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.ErrorIs(t, <-readOn(l), os.ErrDeadlineExceeded)
}

func TestRecordTooLongToWrite(t *testing.T) {
	l, g := pair(t, Config{}, Config{})
	require.Error(t, l.WriteRecord(TypeData, make([]byte, MaxPayload+1)))
	require.NoError(t, l.WriteRecord(TypeData, []byte{1}), "it did no harm")
	kind, payload, err := g.ReadRecord()
	require.NoError(t, err)
	require.Equal(t, TypeData, kind)
	require.Equal(t, []byte{1}, payload)
}

func TestCloseWithGivesItsCause(t *testing.T) {
	l, _ := pair(t, Config{}, Config{})
	over := readOn(l)
	why := errors.New("the user said stop")
	require.NoError(t, l.CloseWith(why))
	require.NoError(t, l.Close())
	require.Equal(t, why, <-over)
	_, err := l.Write([]byte{1})
	require.Equal(t, why, err)
}

// Two ends run a TLS session through a gateway that passes records on.
func TestInnerTLS(t *testing.T) {
	tla, atTLA := pair(t, Config{}, Config{})
	pdt, atPdT := pair(t, Config{}, Config{})
	var pumps sync.WaitGroup
	for from, to := range map[*Conn]*Conn{atTLA: atPdT, atPdT: atTLA} {
		pumps.Go(func() { pass(from, to) })
	}
	p := pkitest.New(t)
	roots := x509.NewCertPool()
	roots.AddCert(p.Root.Cert)
	server := tls.Server(pdt, &tls.Config{Certificates: []tls.Certificate{
		p.Issue("urn:tlagate:cab1:pdt:p1", x509.ExtKeyUsageServerAuth, pkitest.DNS("pdt.invalid"))}})
	client := tls.Client(tla, &tls.Config{RootCAs: roots, ServerName: "pdt.invalid"})
	sent := make([]byte, 1<<20)
	_, _ = rand.Read(sent)
	go func() { // the PdT sends back what it gets
		_, _ = io.Copy(server, server)
		server.Close()
	}()
	go func() {
		_, _ = client.Write(sent)
		_ = client.CloseWrite()
	}()
	got, err := io.ReadAll(client)
	require.NoError(t, err)
	require.True(t, bytes.Equal(sent, got))
	require.NoError(t, client.Close())
	atTLA.Close()
	atPdT.Close()
	pumps.Wait()
}

func pass(from, to *Conn) {
	for {
		t, payload, err := from.ReadRecord()
		if err != nil || to.WriteRecord(t, payload) != nil {
			return
		}
	}
}
