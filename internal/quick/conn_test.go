package quick

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/internal/nettest"
)

const patience = 2 * time.Minute

// onEach runs a test on two ends of a connection of each kind.
func onEach(t *testing.T, test func(t *testing.T, near, far net.Conn)) {
	t.Run("tcp", func(t *testing.T) {
		near, far := nettest.Pair(t)
		test(t, near, far)
	})
	t.Run("unix", func(t *testing.T) {
		l, err := net.Listen("unix", filepath.Join(t.TempDir(), "socket"))
		require.NoError(t, err)
		defer l.Close()
		far, err := net.Dial("unix", l.Addr().String())
		require.NoError(t, err)
		near, err := l.Accept()
		require.NoError(t, err)
		t.Cleanup(func() { near.Close(); far.Close() })
		test(t, near, far)
	})
}

// TestMoreThanTheSocketHolds: writes and reads wait for each other, and nothing is lost.
func TestMoreThanTheSocketHolds(t *testing.T) {
	onEach(t, func(t *testing.T, near, far net.Conn) {
		sent := make([]byte, 16<<20)
		_, _ = rand.Read(sent)
		done := make(chan error, 1)
		go func() {
			n, err := Conn(near).Write(sent)
			if err == nil && n != len(sent) {
				err = io.ErrShortWrite
			}
			done <- errors.Join(err, near.Close())
		}()
		got, err := io.ReadAll(Conn(far))
		require.NoError(t, err)
		require.NoError(t, <-done)
		require.True(t, bytes.Equal(sent, got))
	})
}

func TestNoOctets(t *testing.T) {
	onEach(t, func(t *testing.T, near, _ net.Conn) {
		for _, f := range []func([]byte) (int, error){Conn(near).Read, Conn(near).Write} {
			n, err := f(nil)
			require.NoError(t, err)
			require.Zero(t, n)
		}
	})
}

// TestErrorsAreThoseOfNet: of what a caller does to its end, or the peer to the other, both kinds of connection say the
// same.
func TestErrorsAreThoseOfNet(t *testing.T) {
	long := make([]byte, 16<<20)
	read := func(c net.Conn) error { _, err := c.Read(make([]byte, 1)); return err }
	write := func(c net.Conn) error { _, err := c.Write(long); return err }
	past := time.Unix(1, 0)
	for name, trial := range map[string]struct {
		before func(near, far net.Conn)
		do     func(net.Conn) error
		want   error
	}{
		"peer closed":    {func(_, far net.Conn) { far.Close() }, read, io.EOF},
		"read too late":  {func(near, _ net.Conn) { _ = near.SetDeadline(past) }, read, os.ErrDeadlineExceeded},
		"write too late": {func(near, _ net.Conn) { _ = near.SetDeadline(past) }, write, os.ErrDeadlineExceeded},
		"nobody reads": {func(near, _ net.Conn) { _ = near.SetWriteDeadline(time.Now().Add(time.Millisecond)) }, write,
			os.ErrDeadlineExceeded},
		"read closed":  {func(near, _ net.Conn) { near.Close() }, read, net.ErrClosed},
		"write closed": {func(near, _ net.Conn) { near.Close() }, write, net.ErrClosed},
		"write shut":   {shut, write, syscall.EPIPE},
	} {
		t.Run(name, func(t *testing.T) {
			said := map[string]bool{}
			for _, kind := range []func(net.Conn) net.Conn{func(c net.Conn) net.Conn { return c }, Conn} {
				onEach(t, func(t *testing.T, near, far net.Conn) {
					trial.before(near, far)
					err := trial.do(kind(near))
					require.ErrorIs(t, err, trial.want)
					said[strings.ReplaceAll(err.Error(), addresses(near), "")] = true
				})
			}
			require.LessOrEqual(t, len(said), 2, "one for each network: %v", said)
		})
	}
}

// TestOneDirectionEndsAlone: the peer reads to the end, and what it answers then still comes.
func TestOneDirectionEndsAlone(t *testing.T) {
	onEach(t, func(t *testing.T, near, far net.Conn) {
		one := Conn(near)
		shut(one, nil)
		require.NoError(t, far.SetReadDeadline(time.Now().Add(patience)))
		_, err := far.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
		_, err = far.Write([]byte("late"))
		require.NoError(t, err)
		got := make([]byte, 4)
		_, err = io.ReadFull(one, got)
		require.NoError(t, err)
	})
}

// TestPartOfAWriteIsCounted: a write that a deadline ends tells how much of it went, as that of package net does.
func TestPartOfAWriteIsCounted(t *testing.T) {
	onEach(t, func(t *testing.T, near, far net.Conn) {
		require.NoError(t, near.SetWriteDeadline(time.Now().Add(10*time.Millisecond)))
		n, err := Conn(near).Write(make([]byte, 16<<20))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.NoError(t, near.Close())
		got, err := io.ReadAll(far)
		require.NoError(t, err)
		require.Len(t, got, n)
	})
}

// TestResetWhileItWrites: a peer that resets the connection ends a write that waits, and kills nobody.
func TestResetWhileItWrites(t *testing.T) {
	near, far := nettest.Pair(t)
	ended := make(chan error, 1)
	go func() { _, err := Conn(near).Write(make([]byte, 64<<20)); ended <- err }()
	_, err := io.ReadFull(far, make([]byte, 1<<20))
	require.NoError(t, err)
	require.NoError(t, far.(*net.TCPConn).SetLinger(0))
	require.NoError(t, far.Close())
	select {
	case err = <-ended:
		require.True(t, errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE), "%v", err)
	case <-time.After(patience):
		t.Fatal("the write goes on")
	}
}

// shut ends what near sends.
func shut(near, _ net.Conn) { _ = near.(interface{ CloseWrite() error }).CloseWrite() }

// addresses returns both, as an error names them.
func addresses(c net.Conn) string { return c.LocalAddr().String() + "->" + c.RemoteAddr().String() }

// TestReadEndsWithTheConnection: closing it, or a deadline, ends a read that waits.
func TestReadEndsWithTheConnection(t *testing.T) {
	late := func(c net.Conn) error { return c.SetReadDeadline(time.Unix(1, 0)) }
	for _, end := range []func(net.Conn) error{net.Conn.Close, late} {
		onEach(t, func(t *testing.T, near, _ net.Conn) {
			ended := make(chan error, 1)
			go func() { _, err := Conn(near).Read(make([]byte, 1)); ended <- err }()
			require.NoError(t, end(near))
			select {
			case err := <-ended:
				require.Error(t, err)
			case <-time.After(patience):
				t.Fatal("the read goes on")
			}
		})
	}
}

// TestOthersAreLeftAlone: what is no socket is returned as it is.
func TestOthersAreLeftAlone(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	require.Equal(t, near, Conn(near))
}
