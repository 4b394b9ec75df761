package world

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// startEcho starts a server that sends back what it gets, and ends its half when the client does; it returns its
// address.
func startEcho(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn)
			}()
		}
	}()
	return l.Addr().String()
}

func startProxy(t *testing.T) *Proxy {
	t.Helper()
	p, err := NewProxy(startEcho(t))
	require.NoError(t, err)
	t.Cleanup(p.Close)
	return p
}

func through(t *testing.T, p *Proxy) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", p.Addr())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(Patience)))
	return conn.(*net.TCPConn)
}

func echo(t *testing.T, conn net.Conn, message string) {
	t.Helper()
	_, err := conn.Write([]byte(message))
	require.NoError(t, err)
	got := make([]byte, len(message))
	_, err = io.ReadFull(conn, got)
	require.NoError(t, err)
	require.Equal(t, message, string(got))
}

// refused reports whether a new connection breaks, at once or when it is read.
func refused(p *Proxy) bool {
	conn, err := net.Dial("tcp", p.Addr())
	if err != nil {
		return true
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(Patience))
	_, err = conn.Read(make([]byte, 1))
	return err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
}

func TestProxyKeepsEveryByteAndTheEnd(t *testing.T) {
	p := startProxy(t)
	conn := through(t, p)
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<17) // 2 MiB, more than fits in flight
	go func() {
		_, _ = conn.Write(sent)
		_ = conn.CloseWrite()
	}()
	got, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.True(t, bytes.Equal(sent, got))
	require.NoError(t, Poll(Patience, "the connection to be forgotten", func() error {
		if p.Open() != 0 {
			return io.ErrNoProgress
		}
		return nil
	}))
}

// TestProxyDelays asserts lower bounds only: a busy machine is never too fast.
func TestProxyDelays(t *testing.T) {
	const oneWay = 20 * time.Millisecond
	p := startProxy(t)
	p.SetDelay(oneWay)
	begun := time.Now()
	conn := through(t, p)
	echo(t, conn, "first")
	require.GreaterOrEqual(t, time.Since(begun), 4*oneWay, "handshake and one exchange")
	begun = time.Now()
	echo(t, conn, "second")
	require.GreaterOrEqual(t, time.Since(begun), 2*oneWay)
}

func TestProxyPauses(t *testing.T) {
	p := startProxy(t)
	conn := through(t, p)
	echo(t, conn, "before")
	p.Pause()
	p.Pause()
	_, err := conn.Write([]byte("held"))
	require.NoError(t, err)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	_, err = conn.Read(make([]byte, 4))
	require.ErrorContains(t, err, "timeout")
	p.Resume()
	p.Resume()
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(Patience)))
	got := make([]byte, 4)
	_, err = io.ReadFull(conn, got)
	require.NoError(t, err)
	require.Equal(t, "held", string(got))
}

func TestProxyCutsAndRefuses(t *testing.T) {
	p := startProxy(t)
	conn := through(t, p)
	echo(t, conn, "before")
	p.Cut()
	_, err := conn.Read(make([]byte, 1))
	require.ErrorContains(t, err, "reset")
	echo(t, through(t, p), "a new connection works")
	require.Equal(t, 2, p.Accepted())

	p.Refuse(true)
	require.True(t, refused(p))
	p.Refuse(false)
	echo(t, through(t, p), "open again")
}

func TestProxyFaults(t *testing.T) {
	p := startProxy(t)
	conn := through(t, p)
	p.SetFault(func(d Direction, b []byte) []byte {
		if d == ToTarget {
			return bytes.ToUpper(b)
		}
		return b
	})
	_, err := conn.Write([]byte("abc"))
	require.NoError(t, err)
	got := make([]byte, 3)
	_, err = io.ReadFull(conn, got)
	require.NoError(t, err)
	require.Equal(t, "ABC", string(got))
}

func TestProxyWithoutTargetResets(t *testing.T) {
	p, err := NewProxy("127.0.0.1:1")
	require.NoError(t, err)
	defer p.Close()
	require.True(t, refused(p))
}
