package siem

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"tlagate/audit"
	"tlagate/internal/address"
	"tlagate/pki/pkitest"
	"tlagate/pki/pkitest/bed"
	"tlagate/pki/trust"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const name = "siem.example"

// rig is a trace, and a SIEM that gets it.
type rig struct {
	t     *testing.T
	w     *bed.World
	trace *audit.Log
	cfg   Config
	log   *bed.LogBuffer
	siem  *collector
	lines int
}

func newRig(t *testing.T) *rig {
	r := &rig{t: t, w: bed.New(t), log: &bed.LogBuffer{}}
	file := filepath.Join(t.TempDir(), "audit.jsonl")
	var err error
	r.trace, err = audit.Open(audit.Config{File: file, By: "tla-gateway", MaxSize: 20 << 10})
	require.NoError(t, err)
	r.w.Config.Profile = trust.Foreign
	r.siem = r.collector(r.certificate())
	at := address.HostPort{Host: "203.0.113.9", Port: 6514}
	r.cfg = Config{Trace: file, Server: address.Peer{HostPort: at, Name: name},
		Party: &trust.Party{Trust: r.w.Open()}, App: "tla-gateway", Log: slog.New(slog.NewTextHandler(r.log, nil)),
		Poll: time.Millisecond, Settle: 5 * time.Millisecond, First: time.Millisecond, Most: 10 * time.Millisecond,
		Timeout: bed.Patience, Dial: r.siem.dial}
	return r
}

func (r *rig) certificate(opts ...pkitest.Option) tls.Certificate {
	opts = append([]pkitest.Option{pkitest.DNS(name), pkitest.NoPolicy()}, opts...)
	return r.w.Issuing.Issue("", bed.AsServer, opts...)
}

// record adds lines to the trace.
func (r *rig) record(n int) {
	for range n {
		r.lines++
		require.NoError(r.t, r.trace.Record(audit.SessionUp, audit.Count(r.lines)))
	}
}

// run runs a sender until stop is called, or the test ends.
func (r *rig) run() (s *Sender, stop func()) {
	s = New(r.cfg)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { s.Run(ctx) })
	stop = func() { cancel(); running.Wait() }
	r.t.Cleanup(stop)
	return s, stop
}

func (r *rig) await(what string, f func() bool) {
	r.t.Helper()
	require.Eventually(r.t, f, bed.Patience, time.Millisecond, "%s; %s", what, r.log)
}

// collector is a SIEM: it takes each message apart, strictly by RFC 5425 and 5424.
type collector struct {
	t    *testing.T
	conf *tls.Config
	l    net.Listener

	mu     sync.Mutex
	away   bool // connections are refused
	most   int  // messages of each connection before it is reset; 0 = all
	silent bool // nothing is read after the handshake
	talks  bool // something is sent
	conns  map[net.Conn]bool
	got    []got
	count  int // of connections
}

type got struct {
	seq  uint64
	text string // the message
	conn int
}

func (r *rig) collector(cert tls.Certificate) *collector {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(r.t, err)
	c := &collector{t: r.t, l: l, conns: map[net.Conn]bool{}, conf: &tls.Config{Certificates: []tls.Certificate{cert}}}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { c.serve(conn) })
		}
	})
	r.t.Cleanup(func() { l.Close(); c.reset(); serving.Wait() })
	return c
}

// set changes what it does from now on.
func (c *collector) set(f func(*collector)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(c)
}

// dial fits Config.Dial.
func (c *collector) dial(ctx context.Context, _ string) (net.Conn, error) {
	c.mu.Lock()
	away := c.away
	c.mu.Unlock()
	if away {
		return nil, &net.OpError{Op: "dial", Err: io.ErrUnexpectedEOF}
	}
	return new(net.Dialer).DialContext(ctx, "tcp", c.l.Addr().String())
}

// reset kills it: each connection is reset, with what it has not read.
func (c *collector) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.conns {
		_ = conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
	}
}

func (c *collector) serve(conn net.Conn) {
	c.mu.Lock()
	c.conns[conn] = true
	c.count++
	n, most, silent, talks, conf := c.count, c.most, c.silent, c.talks, c.conf
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.conns, conn)
		conn.Close()
	}()
	if silent {
		_ = conn.(*net.TCPConn).SetReadBuffer(16 << 10)
	}
	over := tls.Server(conn, conf)
	if over.Handshake() != nil {
		return
	}
	defer over.Close()
	if talks {
		_, _ = over.Write([]byte("hello"))
	}
	if silent {
		<-c.t.Context().Done()
		return
	}
	in := bufio.NewReader(over)
	for i := 0; ; i++ {
		if most > 0 && i == most {
			_ = conn.(*net.TCPConn).SetLinger(0)
			conn.Close()
			return
		}
		message, err := readFrame(in)
		if err != nil {
			return
		}
		c.mu.Lock()
		c.got = append(c.got, got{numberOf(c.t, message), message, n})
		c.mu.Unlock()
	}
}

func readFrame(in *bufio.Reader) (string, error) {
	digits, err := in.ReadString(' ')
	if err != nil {
		return "", err
	}
	n, err := strconv.Atoi(strings.TrimSuffix(digits, " "))
	if err != nil || digits[0] == '0' {
		return "", fmt.Errorf("bad length %q", digits)
	}
	message := make([]byte, n)
	_, err = io.ReadFull(in, message)
	return string(message), err
}

// form is that of RFC 5424, as far as our messages use it.
var form = regexp.MustCompile(`^<(1[01]\d)>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) ([!-~]{1,255}) ([!-~]{1,48}) ` +
	`([!-~]{1,128}) ([!-~]{1,32}) (\[tlagate@32473(?: [!-~]{1,32}="(?:[^"\\\]]|\\["\\\]])*")*\]) (\{.*\})$`)

func numberOf(t *testing.T, message string) uint64 {
	parts := form.FindStringSubmatch(message)
	var line struct{ Seq uint64 }
	if parts == nil || json.Unmarshal([]byte(parts[8]), &line) != nil {
		t.Errorf("this is no message of RFC 5424: %q", message)
	}
	return line.Seq
}

// messages returns what came so far.
func (c *collector) messages() []got {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]got(nil), c.got...)
}

// last returns the highest number that came.
func (c *collector) last() (most uint64) {
	for _, g := range c.messages() {
		most = max(most, g.seq)
	}
	return most
}

// requireInOrder fails if a line is missing among those from first on, or if one came before its time: a connection may
// only begin with what came already.
func (c *collector) requireInOrder(first, last uint64) {
	c.t.Helper()
	require.Eventually(c.t, func() bool { return c.last() >= last }, bed.Patience, time.Millisecond)
	next, conn, within := first, 0, uint64(0)
	for _, g := range c.messages() {
		if g.conn == conn {
			require.Equal(c.t, within+1, g.seq, "on one connection, each line once and in order")
		}
		conn, within = g.conn, g.seq
		require.LessOrEqual(c.t, g.seq, next, "a line is missing")
		next = max(next, g.seq+1)
	}
	require.Equal(c.t, last+1, next)
}
