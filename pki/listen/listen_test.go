package listen

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"maps"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/internal/logtest"
	"tlagate/internal/pulse/pulsetest"
	"tlagate/pki/pkitest"
	"tlagate/pki/revocation"
	"tlagate/pki/trust"
)

// patience is how long a test waits for what must happen, on a machine however slow.
const patience = 2 * time.Minute

type rig struct {
	ca    *pkitest.PKI
	trust *trust.Trust
	l     *Listener
	log   *logtest.Buffer
}

func start(t *testing.T, cfg Config) *rig {
	r := &rig{ca: pkitest.New(t), log: &logtest.Buffer{}}
	files := r.ca.WriteTrust(t.TempDir())
	var err error
	r.trust, err = trust.Open(trust.Config{Anchors: []trust.AnchorFile{{File: files.Anchor, Practices: []string{"*"}}},
		Revocation: revocation.Config{CRLs: files.CRLs()}})
	require.NoError(t, err)
	cfg.Party = r.party(r.ca.Issue("urn:tlagate:op:pki:ca1", x509.ExtKeyUsageServerAuth, pkitest.DNS("localhost")))
	cfg.Log = slog.New(slog.NewTextHandler(r.log, nil))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r.l = New(l, cfg)
	t.Cleanup(func() { r.l.Close() })
	return r
}

func (r *rig) party(cert tls.Certificate) *trust.Party {
	return &trust.Party{Trust: r.trust, Certificate: func() *tls.Certificate { return &cert }}
}

func (r *rig) dial(t *testing.T) net.Conn {
	c, err := net.Dial("tcp", r.l.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

func (r *rig) logged(t *testing.T, text string) {
	require.Eventually(t, func() bool { return strings.Contains(r.log.String(), text) }, patience,
		time.Millisecond, text)
}

func TestC2OnlyProvenPeersAreHandedOn(t *testing.T) {
	r := start(t, Config{})
	go func() { // a stranger first
		_ = tls.Client(r.dial(t), &tls.Config{InsecureSkipVerify: true,
			NextProtos: []string{trust.ALPNOuter}}).Handshake()
	}()
	r.logged(t, "reason=no_certificate")
	r.requireProven(t)
}

// requireProven connects an honest client, and wants it to be passed on.
func (r *rig) requireProven(t *testing.T) {
	const identity = "urn:tlagate:op:gateway:g1"
	proven := make(chan error, 1)
	go func() {
		_, _, err := r.party(r.ca.Issue(identity, x509.ExtKeyUsageClientAuth)).Client(t.Context(), r.dial(t),
			trust.ALPNOuter,
			trust.Want{Usage: x509.ExtKeyUsageServerAuth, DNSName: "localhost"})
		proven <- err
	}()
	c, err := r.l.Accept()
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, <-proven)
	require.Equal(t, identity, c.(*Conn).Peer.Identity.String())
}

func TestC2AnOpenListenerHandsOnStrangersToo(t *testing.T) {
	r := start(t, Config{Open: true})
	go func() {
		_ = tls.Client(r.dial(t), &tls.Config{InsecureSkipVerify: true,
			NextProtos: []string{trust.ALPNOuter}}).Handshake()
	}()
	c, err := r.l.Accept()
	require.NoError(t, err)
	defer c.Close()
	require.True(t, c.(*Conn).Peer.Anonymous())
}

// Observe is called with the reason that is logged.
func TestC2HandshakesAreObserved(t *testing.T) {
	var mu sync.Mutex
	seen, refused := map[string]int{}, map[string]int{}
	r := start(t, Config{Handshakes: 1, Observe: func(took time.Duration, err error) {
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			seen["proven"]++
			return
		}
		seen[ReasonOf(err)]++
	}, Refused: func(remote string, err error) {
		mu.Lock()
		defer mu.Unlock()
		refused[SourceOf(remote)+" "+ReasonOf(err)]++
	}})
	saw := func(what string) {
		t.Helper()
		require.Eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return seen[what] == 1 }, patience,
			time.Millisecond, what)
	}
	client := func(usage x509.ExtKeyUsage, want trust.Want) {
		c := r.dial(t)
		_, _, _ = r.party(r.ca.Issue("urn:tlagate:op:gateway:g1", usage)).Client(t.Context(), c, trust.ALPNOuter, want)
		c.Close()
	}
	good := trust.Want{Usage: x509.ExtKeyUsageServerAuth, DNSName: "localhost"}
	client(x509.ExtKeyUsageClientAuth, good)
	saw("proven")
	client(x509.ExtKeyUsageServerAuth, good)
	saw("ext_key_usage")
	client(x509.ExtKeyUsageClientAuth, trust.Want{Usage: x509.ExtKeyUsageServerAuth, DNSName: "elsewhere"})
	saw("rejected")
	r.dial(t)
	require.Eventually(t, func() bool { return r.l.Pending() == 1 }, patience, time.Millisecond)
	r.dial(t)
	saw("too_many")
	require.Eventually(t, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return maps.Equal(refused, map[string]int{"127.0.0.1 ext_key_usage": 1, "127.0.0.1 rejected": 1,
			"127.0.0.1 too_many": 1})
	}, patience, time.Millisecond, "%v", refused)
}

func TestCloseEndsEverything(t *testing.T) {
	r := start(t, Config{})
	slow := r.dial(t)
	accepted := make(chan error, 1)
	go func() { _, err := r.l.Accept(); accepted <- err }()
	require.NoError(t, r.l.Close())
	require.ErrorIs(t, <-accepted, net.ErrClosed)
	_, _ = io.ReadAll(slow) // closed or reset, either way it ends
}

func TestSourceOf(t *testing.T) {
	for remote, want := range map[string]string{
		"192.0.2.1:5":                   "192.0.2.1",
		"[::ffff:192.0.2.1]:5":          "192.0.2.1",
		"[2001:db8:1:2:3:4:5:6]:5":      "2001:db8:1:2::/64",
		"[2001:db8:1:2:ffff:4:5:6]:6":   "2001:db8:1:2::/64",
		"[fe80::1%eth0]:5":              "fe80::/64",
		"somewhere":                     "somewhere",
		"[2001:db8:1:3:ffff:4:5:6]:443": "2001:db8:1:3::/64",
	} {
		require.Equal(t, want, SourceOf(remote))
	}
}

// TestAliveHangsUntilSomebodyAccepts: so that a program whose loop hangs does not seem to work.
func TestAliveHangsUntilSomebodyAccepts(t *testing.T) {
	r := start(t, Config{})
	accepted := make(chan error, 1)
	pulsetest.Hangs(t, r.l.Alive, func() {}, func() {
		go func() { _, err := r.l.Accept(); accepted <- err }()
	})
	require.NoError(t, r.l.Close())
	require.ErrorIs(t, <-accepted, net.ErrClosed)
	r.l.Alive() // it accepts no more, and hangs in nothing
}
