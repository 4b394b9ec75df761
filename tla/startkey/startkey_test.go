package startkey

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

const (
	patience = 2 * time.Minute
	prog1    = 148
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// encode returns an event as the kernel writes it.
func encode(word int, typ, code uint16, value int32) []byte {
	b := bytes.Repeat([]byte{0xA5}, 2*word) // its time
	b = binary.NativeEndian.AppendUint16(b, typ)
	b = binary.NativeEndian.AppendUint16(b, code)
	return binary.NativeEndian.AppendUint32(b, uint32(value))
}

func TestEventsOfBothWordSizes(t *testing.T) {
	for word, octets := range map[int]int{4: 16, 8: 24} {
		b := encode(word, evKey, prog1, -1)
		require.Len(t, b, octets)
		e, err := parse(b, word)
		require.NoError(t, err)
		require.Equal(t, event{evKey, prog1, -1}, e)
		for n := range b {
			_, err := parse(b[:n], word)
			require.Error(t, err)
		}
		var seen []event
		err = stream(bytes.NewReader(append(encode(word, evSyn, 0, 0), b[:octets-1]...)), word, func(e event) {
			seen = append(seen, e)
		})
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		require.Equal(t, []event{{evSyn, 0, 0}}, seen)
	}
}

// acts records what the user did, at a terminal with or without a session.
type acts struct {
	mu   sync.Mutex
	up   bool
	done []string
}

func (a *acts) do(what string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.done = append(a.done, what)
}

func (a *acts) Start() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.up {
		return false
	}
	a.up, a.done = true, append(a.done, "start")
	return true
}

func (a *acts) Stay() { a.do("stay") }
func (a *acts) Stop() {
	a.do("stop")
	a.mu.Lock()
	defer a.mu.Unlock()
	a.up = false
}

func (a *acts) what() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]string(nil), a.done...)
}

// board is a key whose device is a FIFO.
type board struct {
	t    *testing.T
	acts *acts
	fifo *os.File
}

func newBoard(t *testing.T, cfg Config) *board {
	b := &board{t: t, acts: &acts{}}
	cfg.Device, cfg.FIFO, cfg.Key, cfg.Acts, cfg.Retry = filepath.Join(t.TempDir(), "event0"), true, "KEY_PROG1",
		b.acts, time.Millisecond
	require.NoError(t, unix.Mkfifo(cfg.Device, 0o600))
	var err error
	b.fifo, err = os.OpenFile(cfg.Device, os.O_RDWR, 0)
	require.NoError(t, err)
	k, err := New(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var run sync.WaitGroup
	run.Go(func() { require.NoError(t, k.Run(ctx)) })
	t.Cleanup(func() {
		cancel()
		run.Wait()
		b.fifo.Close()
	})
	return b
}

func (b *board) key(values ...int32) {
	for _, v := range values {
		_, err := b.fifo.Write(append(encode(word, evKey, prog1, v), encode(word, evSyn, 0, 0)...))
		require.NoError(b.t, err)
	}
}

func (b *board) did(want ...string) {
	b.t.Helper()
	require.Eventually(b.t, func() bool { return len(b.acts.what()) >= len(want) }, patience, time.Millisecond, "%v",
		b.acts.what())
	require.Equal(b.t, want, b.acts.what())
}

// ended waits for acts, ends the session, and checks that the next press starts another.
func (b *board) ended(want ...string) {
	b.t.Helper()
	require.Eventually(b.t, func() bool { return len(b.acts.what()) >= len(want) }, patience, time.Millisecond)
	b.acts.mu.Lock()
	b.acts.up = false
	b.acts.mu.Unlock()
	b.key(pressed)
	b.did(append(want, "start")...)
}

// TestC4AKeyIsTheUsersAct: what the presses of one key do.
func TestC4AKeyIsTheUsersAct(t *testing.T) {
	t.Run("C4 a press starts, a short one stays", func(t *testing.T) {
		b := newBoard(t, Config{Long: time.Hour})
		b.key(pressed)
		b.did("start")
		b.key(released, pressed, released, pressed, released)
		b.did("start", "stay", "stay")
	})
	t.Run("C4 a long one stops, and is not over before it is released", func(t *testing.T) {
		b := newBoard(t, Config{Long: 20 * time.Millisecond})
		b.acts.up = true
		b.key(pressed)
		b.did("stop")
		b.key(2, 2, released, pressed)
		b.did("stop", "start")
	})
	t.Run("C4 the press that starts does not stop", func(t *testing.T) {
		b := newBoard(t, Config{Long: 20 * time.Millisecond})
		b.key(pressed)
		b.did("start")
		require.Never(t, func() bool { return len(b.acts.what()) > 1 }, 100*time.Millisecond, 10*time.Millisecond)
		b.key(released, pressed)
		b.did("start", "stop")
	})
	t.Run("C4 one that is to be held", func(t *testing.T) {
		b := newBoard(t, Config{Hold: 100 * time.Millisecond, Long: time.Hour})
		b.key(pressed, released) // too short to start; without a session, a stay does nothing
		b.did("stay")
		b.key(pressed)
		b.did("stay", "start")
	})
	t.Run("C4 what is no press", func(t *testing.T) {
		b := newBoard(t, Config{Long: time.Hour})
		b.key(2, 2, released, 3, -1, 0x7FFFFFFF) // a key that was down before, autorepeat, nonsense
		for _, other := range [][]byte{
			encode(word, evKey, prog1+1, pressed), encode(word, 2, prog1, pressed), encode(word, 4, prog1, pressed),
			encode(word, evSyn, prog1, pressed),
		} {
			_, err := b.fifo.Write(other)
			require.NoError(t, err)
		}
		b.key(pressed, released, pressed, released)
		b.ended("start", "stay")
	})
	t.Run("C4 a press that the kernel lost the end of", func(t *testing.T) {
		b := newBoard(t, Config{Long: time.Hour})
		b.acts.up = true
		b.key(pressed)
		_, err := b.fifo.Write(encode(word, evSyn, synDropped, 0))
		require.NoError(t, err)
		b.key(released, pressed, released)
		b.ended("stay")
	})
}

// TestC4TheDeviceComesAndGoes: a press that was under way is forgotten, the next one counts.
func TestC4TheDeviceComesAndGoes(t *testing.T) {
	b := newBoard(t, Config{Long: time.Hour})
	b.acts.up = true
	path := b.fifo.Name()
	b.key(pressed)
	require.NoError(t, os.Remove(path))
	require.NoError(t, b.fifo.Close()) // the reader sees its end
	require.NoError(t, unix.Mkfifo(path, 0o600))
	var err error
	b.fifo, err = os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	b.key(released, pressed, released)
	b.ended("stay")
}

// TestC4OnlyAnInputDeviceIsAKey: nothing else is read, nor opened.
func TestC4OnlyAnInputDeviceIsAKey(t *testing.T) {
	dir := t.TempDir()
	file, fifo, socket := filepath.Join(dir, "file"), filepath.Join(dir, "fifo"), filepath.Join(dir, "s")
	require.NoError(t, os.WriteFile(file, encode(word, evKey, prog1, pressed), 0o600))
	require.NoError(t, unix.Mkfifo(fifo, 0o600))
	l, err := net.Listen("unix", socket)
	require.NoError(t, err)
	defer l.Close()
	for name, c := range map[string]struct {
		cfg Config
		why string
	}{
		"a file":               {Config{Device: file, Key: "KEY_PROG1", FIFO: true}, "no input device"},
		"a directory":          {Config{Device: dir, Key: "KEY_PROG1", FIFO: true}, "no input device"},
		"a socket":             {Config{Device: socket, Key: "KEY_PROG1", FIFO: true}, "no input device"},
		"another device":       {Config{Device: "/dev/null", Key: "KEY_PROG1", FIFO: true}, "no input device"},
		"a terminal":           {Config{Device: "/dev/tty", Key: "KEY_PROG1", FIFO: true}, "no input device"},
		"a FIFO when sealed":   {Config{Device: fifo, Key: "KEY_PROG1"}, "no input device"},
		"an address":           {Config{Device: "tcp://10.0.0.1:99", Key: "KEY_PROG1"}, "of this machine"},
		"a relative path":      {Config{Device: "event0", Key: "KEY_PROG1"}, "of this machine"},
		"a key of no keyboard": {Config{Device: fifo, Key: "KEY_NETWORK", FIFO: true}, "cannot find the key"},
		"no key":               {Config{Device: fifo, Key: "0", FIFO: true}, "cannot find the key"},
		"held for too long":    {Config{Device: fifo, Key: "28", FIFO: true, Hold: 2 * time.Second}, "which stops"},
	} {
		_, err := New(c.cfg)
		require.ErrorContains(t, err, c.why, name)
	}
	_, err = New(Config{Device: filepath.Join(dir, "absent"), Key: "key_power2"})
	require.NoError(t, err, "it may come later")
}

// FuzzKey: whatever events come, a session starts only at a press of the key, and each press does at most one thing.
func FuzzKey(f *testing.F) {
	for _, word := range []int{4, 8} {
		var all []byte
		for _, v := range []int32{pressed, 2, released, released, pressed} {
			all = append(all, encode(word, evKey, prog1, v)...)
		}
		f.Add(all, word == 8)
		f.Add(all[:len(all)-1], word == 8)
		f.Add(append(encode(word, evSyn, synDropped, 0), all...), word == 8)
	}
	f.Fuzz(func(t *testing.T, data []byte, long bool) {
		word := 4
		if long {
			word = 8
		}
		a := &acts{}
		p := &presses{code: prog1, acts: a, long: time.Hour}
		downs := 0
		err := stream(bytes.NewReader(data), word, func(e event) {
			if e == (event{evKey, prog1, pressed}) {
				downs++
			}
			p.see(e)
			if len(a.done) > downs {
				t.Fatalf("%d acts after %d presses", len(a.done), downs)
			}
		})
		if whole := len(data)%size(word) == 0; whole != errors.Is(err, io.EOF) {
			t.Fatal(fmt.Sprint("a cut event must be an error: ", err))
		}
	})
}
