package ifd

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/session"
)

// hostile is what a program in tla-pdt's place says to the driver. It hangs up after a few requests.
type hostile struct {
	welcome []byte   // on events; nil = a proper one
	events  []byte   // after that; nil = a card
	second  []byte   // the welcome on requests; nil = a proper one
	answers [][]byte // to each request, numbered by number; nil = nothing
}

var (
	hostileID   = linkID{1, 2, 3, 4, 5, 6, 7, 8}
	properly    = appendWelcome(nil, welcomed, hostileID)
	someCard    = appendFrame(nil, frameInserted, 7, vitaleATR)
	anATR       = appendFrame(nil, frameAnswer, 0, []byte{byte(done)}, vitaleATR)
	tooLong     = []byte{byte(frameAnswer), 0, 0, 0, 1, 0xFF, 0xFF, 0xFF, 0xFF}
	manySwaps   = bytes.Repeat(append(appendFrame(nil, frameRemoved, 7), someCard...), 5000)
	longestBody = make([]byte, maxPayload-1)
	longestAPDU = appendFrame(nil, frameAnswer, 0, make([]byte, 1+maxPayload-insertionLen))
)

// answering answers every request so, with the request's own number.
func answering(o byte, body []byte) hostile {
	return hostile{answers: [][]byte{appendFrame(nil, frameAnswer, 0, []byte{o}, body)}}
}

func saying(events []byte) hostile { return hostile{events: events, answers: [][]byte{anATR}} }

// hostiles are the programs in tla-pdt's place, in their order.
var hostiles = map[string]hostile{
	"a card whose every answer is an ATR":  {answers: [][]byte{anATR}},
	"silence":                              {welcome: []byte{}},
	"half a welcome":                       {welcome: properly[:12]},
	"a short welcome":                      {welcome: appendFrame(nil, frameWelcome, 0, []byte{0, 1})},
	"a numbered welcome":                   {welcome: appendFrame(nil, frameWelcome, 9, properly[headerLen:])},
	"an unknown status":                    {welcome: appendWelcome(nil, 9, hostileID)},
	"a card in place of a welcome":         {welcome: someCard},
	"a second welcome that is none":        {second: someCard},
	"an ATR of 34":                         saying(appendFrame(nil, frameInserted, 7, make([]byte, session.MaxATR+1))),
	"an ATR of 1":                          saying(appendFrame(nil, frameInserted, 7, []byte{0x3B})),
	"an ATR of none":                       saying(appendFrame(nil, frameInserted, 7)),
	"an ATR as long as a frame":            saying(appendFrame(nil, frameInserted, 7, make([]byte, maxPayload))),
	"insertion 0":                          saying(appendFrame(nil, frameInserted, 0, vitaleATR)),
	"a removal with something in it":       saying(appendFrame(nil, frameRemoved, 7, []byte{0})),
	"an answer on events":                  saying(anATR),
	"a length of 4 GB":                     saying(tooLong),
	"ten thousand swaps":                   saying(manySwaps),
	"a power-up's ATR of 34":               answering(byte(done), make([]byte, session.MaxATR+1)),
	"nothing in an answer":                 answering(byte(done), nil),
	"one octet in an answer":               answering(byte(done), []byte{0x90}),
	"the longest answer":                   answering(byte(done), longestBody),
	"the longest APDU":                     {answers: [][]byte{anATR, longestAPDU}},
	"gone with something in it":            answering(byte(gone), []byte{0x90, 0}),
	"failed":                               answering(byte(failed), nil),
	"an unknown outcome":                   answering(9, nil),
	"no outcome":                           {answers: [][]byte{appendFrame(nil, frameAnswer, 0)}},
	"an answer's length of 4 GB":           {answers: [][]byte{tooLong}},
	"half an answer":                       {answers: [][]byte{anATR[:headerLen+3]}},
	"an answer twice":                      {answers: [][]byte{append(bytes.Clone(anATR), anATR...)}},
	"an answer and half of another":        {answers: [][]byte{append(bytes.Clone(anATR), anATR[:5]...)}},
	"a working with something in it":       {answers: [][]byte{appendFrame(nil, frameWorking, 0, []byte{1})}},
	"an event in place of an answer":       {answers: [][]byte{someCard}},
	"the end of the connection, no answer": {answers: [][]byte{nil}},
}

// TestC2HostilePeer runs the whole driver, as pcscd does, with programs in tla-pdt's place that break every rule: under
// sanitizers, of which one finds threads that disagree. Each time it comes again.
func TestC2HostilePeer(t *testing.T) {
	for name, sanitizers := range map[string]string{"memory": "address,undefined", "threads": "thread"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sources, err := filepath.Glob("handler/*.c")
			require.NoError(t, err)
			program := compiled(t, sanitizers, append(sources, "testdata/live.c")...)
			s := newHostileServer(t)
			var said bytes.Buffer
			cmd := exec.Command(program, fmt.Sprintf("ifd:0:%d:%s", os.Getuid(), s.path))
			cmd.Stdout, cmd.Stderr = &said, &said
			in, err := cmd.StdinPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			defer cmd.Process.Kill()
			s.work(t)
			for name, h := range hostiles {
				s.play(t, name, h)
			}
			require.NoError(t, in.Close())
			s.close()
			require.NoError(t, cmd.Wait(), "%s", said.String())
			require.Empty(t, said.String())
		})
	}
}

// hostileServer listens in tla-pdt's place.
type hostileServer struct {
	path  string
	l     net.Listener
	conns chan net.Conn
	runs  sync.WaitGroup
}

func newHostileServer(t *testing.T) *hostileServer {
	t.Helper()
	s := &hostileServer{path: filepath.Join(t.TempDir(), "s"), conns: make(chan net.Conn)}
	var err error
	s.l, err = net.Listen("unix", s.path)
	require.NoError(t, err)
	s.runs.Go(func() {
		defer close(s.conns)
		for {
			c, err := s.l.Accept()
			if err != nil {
				return
			}
			s.conns <- c
		}
	})
	return s
}

func (s *hostileServer) close() {
	s.l.Close()
	for c := range s.conns {
		c.Close()
	}
	s.runs.Wait()
}

// play has one program serve one link, until the driver hangs up or enough was said.
func (s *hostileServer) play(t *testing.T, name string, h hostile) {
	t.Helper()
	events := s.greet(t, name, connEvents, h.welcome)
	defer events.Close()
	if h.welcome != nil {
		_, _ = io.Copy(io.Discard, events) // until it hangs up
		return
	}
	requests := s.greet(t, name, connRequests, h.second)
	defer requests.Close()
	if h.second != nil {
		_, _ = io.Copy(io.Discard, requests)
		return
	}
	said := h.events
	if said == nil {
		said = someCard
	}
	_, _ = events.Write(said)
	h.answer(requests)
}

// work says of the first power-up that it is under way, until the driver hangs up: pcscd lets no program of any reader
// begin before that has ended.
func (s *hostileServer) work(t *testing.T) {
	t.Helper()
	events := s.greet(t, "work", connEvents, nil)
	defer events.Close()
	requests := s.greet(t, "work", connRequests, nil)
	defer requests.Close()
	_, err := events.Write(someCard)
	require.NoError(t, err)
	in := &frames{r: requests}
	f, err := in.next()
	require.NoError(t, err)
	require.Equal(t, framePowerUp, f.typ)
	working := appendFrame(nil, frameWorking, f.number)
	require.Eventually(t, func() bool { _, err := requests.Write(working); return err != nil }, patience,
		10*time.Millisecond, "the driver goes on waiting")
}

// greet takes the driver's next connection, and welcomes it.
func (s *hostileServer) greet(t *testing.T, name string, want connection, welcome []byte) net.Conn {
	t.Helper()
	c := <-s.conns
	f, err := (&frames{r: c}).next()
	require.NoError(t, err, name)
	got, err := parseHello(f)
	require.NoError(t, err, name)
	require.Equal(t, want, got.conn, name)
	if welcome == nil {
		welcome = properly
	}
	_, err = c.Write(welcome)
	require.NoError(t, err, name)
	return c
}

// mostRequests is how many requests of a link are answered.
const mostRequests = 20

// answer answers requests, each with the next of the answers, until one is incomplete or the driver hangs up.
func (h hostile) answer(c net.Conn) {
	in := &frames{r: c}
	for i := range mostRequests {
		f, err := in.next()
		a := h.answers[min(i, len(h.answers)-1)]
		if err != nil || a == nil {
			return
		}
		if _, err := c.Write(numbered(a, f.number)); err != nil || len(a) < len(anATR) && a[headerLen-1] > 1 {
			return
		}
	}
}

// numbered gives all frames that are in a the number n.
func numbered(a []byte, n uint32) []byte {
	a = bytes.Clone(a)
	for at := 0; at+5 <= len(a); {
		binary.BigEndian.PutUint32(a[at+1:], n)
		if at+headerLen > len(a) {
			break
		}
		at += headerLen + int(binary.BigEndian.Uint32(a[at+5:]))
	}
	return a
}
