package trust_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
	"tlagate/pki/pkitest/bed"
	"tlagate/pki/trust"
)

const gw1 = "gw.example:8443"

var hybrids = []tls.CurveID{tls.X25519MLKEM768, tls.SecP256r1MLKEM768}

// box is a middlebox before a server: it drops, or resets, a connection that begins with a hello longer than one
// segment.
type box struct {
	*bed.World
	client *trust.Party
	told   []time.Time     // with which Without was called
	sizes  []int           // of the hellos
	groups [][]tls.CurveID // that the hellos offered which got through
	open   func(hello int) bool
}

func newBox(t *testing.T, largest int) *box {
	w := bed.New(t)
	b := &box{World: w, client: w.Party(w.Open(), bed.TLA1, bed.AsClient),
		open: func(n int) bool { return n <= largest }}
	b.client.Hybrids = &trust.Hybrids{Without: func(address string, until time.Time) {
		require.Equal(t, gw1, address)
		b.told = append(b.told, until)
	}}
	b.client.Timeout = 5 * time.Second
	return b
}

// dial performs one handshake through the box. It is all in memory, and so runs in a synctest bubble's time.
func (b *box) dial(want trust.Want) (*tls.Conn, error) {
	near, far := net.Pipe()
	go b.carry(far)
	want.Usage = bed.AsServer
	conn, _, err := b.client.Client(context.Background(), near, trust.ALPNCard, want)
	if err == nil {
		defer near.Close()
	}
	return conn, err
}

// carry reads the hello, and then acts as the server, or closes the connection.
func (b *box) carry(far net.Conn) {
	defer far.Close()
	hello := make([]byte, 4096)
	n, err := far.Read(hello)
	if err != nil {
		return
	}
	b.sizes = append(b.sizes, n)
	if !b.open(n) {
		return
	}
	conf := bed.Stranger(b.Issue(bed.PdT1, bed.AsServer))
	conf.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		b.groups = append(b.groups, h.SupportedCurves)
		return nil, nil
	}
	server := tls.Server(&replay{far, hello[:n]}, conf)
	if server.Handshake() == nil {
		_, _ = io.Copy(io.Discard, server)
	}
}

// replay is a connection whose first octets were read already.
type replay struct {
	net.Conn
	read []byte
}

func (r *replay) Read(p []byte) (int, error) {
	if len(r.read) == 0 {
		return r.Conn.Read(p)
	}
	n := copy(p, r.read)
	r.read = r.read[n:]
	return n, nil
}

var atGateway = trust.Want{Dialled: gw1}

// TestG5RetryOfWhatConnectsOnce: Retry gets through such a box with one call, and does not try again when another hello
// would not help.
func TestG5RetryOfWhatConnectsOnce(t *testing.T) {
	for name, c := range map[string]struct {
		largest, hellos int
		required, good  bool
	}{
		"a box that takes no large hello": {1200, 3, false, true},
		"and hybrids are required":        {1200, 1, true, false},
		"a box that takes none":           {0, 3, false, false},
		"no box":                          {4096, 1, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBox(t, c.largest)
				b.client.Hybrids.Required = c.required
				err := b.client.Hybrids.Retry(gw1, func() error {
					_, err := b.dial(atGateway)
					return err
				})
				require.Equal(t, c.good, err == nil, "%v", err)
				require.Len(t, b.sizes, c.hellos)
			})
		})
	}
	calls, failed := 0, errors.New("no route")
	for _, h := range []*trust.Hybrids{nil, {}} {
		require.Equal(t, failed, h.Retry(gw1, func() error { calls++; return failed }))
	}
	require.Equal(t, 2, calls)
}

// TestG5HelloWithoutHybridsAfterTwoSilences: after two silences an address is sent no hybrids for an hour; then they
// are tried again. Only the hybrids are left out of the groups, and nothing else changes.
func TestG5HelloWithoutHybridsAfterTwoSilences(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t, 1200)
		h := b.client.Hybrids
		for range 2 {
			require.False(t, h.Again(gw1) && len(b.sizes) == 0)
			_, err := b.dial(atGateway)
			require.Equal(t, pki.HandshakeFailed, pki.ReasonOf(err))
			require.True(t, h.Again(gw1))
			require.Zero(t, h.Until(gw1))
		}
		for range 3 {
			conn, err := b.dial(atGateway)
			require.NoError(t, err)
			require.EqualValues(t, tls.VersionTLS13, conn.ConnectionState().Version)
			require.False(t, h.Again(gw1))
		}
		require.Equal(t, []time.Time{time.Now().Add(time.Hour)}, b.told, "told once")
		require.Equal(t, b.told[0], h.Until(gw1))
		require.Greater(t, b.sizes[0], 1280)
		require.Less(t, b.sizes[2], 300)
		isHybrid := func(g tls.CurveID) bool { return slices.Contains(hybrids, g) }
		require.ElementsMatch(t, slices.DeleteFunc(slices.Clone(pki.CryptoDefault.Groups(true)), isHybrid), b.groups[0])

		time.Sleep(time.Hour)
		require.Zero(t, h.Until(gw1))
		_, err := b.dial(atGateway)
		require.Error(t, err)
		require.Greater(t, b.sizes[len(b.sizes)-1], 1280, "with them again")
		b.open = func(int) bool { return true }
		_, err = b.dial(atGateway)
		require.NoError(t, err)
		require.Contains(t, b.groups[len(b.groups)-1], tls.X25519MLKEM768)
		require.Len(t, b.told, 1)
	})
}

// TestG5HelloWithoutHybridsElsewhere: what happens at one address says nothing about another, nor about the session
// inside a link, which dials no address.
func TestG5HelloWithoutHybridsElsewhere(t *testing.T) {
	b := newBox(t, 1200)
	for range 3 {
		_, _ = b.dial(atGateway)
	}
	require.NotZero(t, b.client.Hybrids.Until(gw1))
	b.open = func(int) bool { return true }
	for _, want := range []trust.Want{{Dialled: "gw2.example:8443"}, {}} {
		conn, err := b.dial(want)
		require.NoError(t, err)
		require.Contains(t, hybrids, conn.ConnectionState().CurveID)
	}
}

// TestG5HybridsAreRequired: if hybrids are required, no hello goes without them.
func TestG5HybridsAreRequired(t *testing.T) {
	b := newBox(t, 1200)
	b.client.Hybrids.Required = true
	for range 5 {
		_, err := b.dial(atGateway)
		require.Error(t, err)
		require.False(t, b.client.Hybrids.Again(gw1))
	}
	require.Greater(t, slices.Min(b.sizes), 1280)
	require.Empty(t, b.told)
}

// TestG5SilenceThatIsNoBox: a server that is down answers neither hello, and is not remembered; one that answers
// anything at all is not silent; and silences long ago do not count.
func TestG5SilenceThatIsNoBox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t, 0)
		for range 7 {
			_, err := b.dial(atGateway)
			require.Error(t, err)
		}
		large := slices.DeleteFunc(slices.Clone(b.sizes), func(n int) bool { return n < 1280 })
		require.Len(t, large, 5, "every third one is small")
		require.Empty(t, b.told)
		require.Zero(t, b.client.Hybrids.Until(gw1))
	})
	synctest.Test(t, func(t *testing.T) {
		b := newBox(t, 0)
		for range 3 {
			_, _ = b.dial(atGateway)
			time.Sleep(61 * time.Minute)
		}
		require.Greater(t, slices.Min(b.sizes), 1280)
	})
}
