package gateway

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/session/link"
)

// slowEnv names the variable that makes TestManySessions large (make slow).
const slowEnv = "SLOW"

// Many sessions at once, each with traffic both ways; then all of them end and nothing is left.
func TestManySessions(t *testing.T) {
	sessions := 100
	if os.Getenv(slowEnv) != "" {
		sessions = 500
	}
	r := start(t, limited(Limits{ParkedPerPdT: 1, JoinWait: patience}))
	ends := make([][2]*link.Conn, sessions)
	before := memory()
	atATime(t, 16, sessions, func(i int) {
		ends[i][0], ends[i][1] = r.session(i)
	})
	idle := memory() - before
	atATime(t, 64, sessions, func(i int) { exchange(t, i, ends[i]) })
	busy := memory() - before
	t.Logf("%d sessions, both ends of each in this process: %d KiB a session idle, %d KiB after traffic, %d goroutines",
		sessions, idle/uint64(sessions)>>10, busy/uint64(sessions)>>10, runtime.NumGoroutine())
	require.Equal(t, 2*sessions, r.connections())
	atATime(t, 16, sessions, func(i int) {
		ends[i][0].Close()
		_, err := io.Copy(io.Discard, onlyReader{ends[i][1]})
		requireCode(t, link.CodePeerGone, err)
		ends[i][1].Close()
	})
	r.eventually("nothing left", func() bool { return r.connections() == 0 })
	require.Len(t, r.log.find("session ended"), sessions)
}

func requireCode(t *testing.T, code link.Code, err error) {
	var n *link.Notice
	require.ErrorAs(t, err, &n)
	require.Equal(t, code, n.Code)
}

// session joins TLA i with PdT i of practice i.
func (r *rig) session(i int) (near, far *link.Conn) {
	p := r.pdt(fmt.Sprintf("urn:tlagate:cab%d:pdt:p", i))
	far, err := r.tryPark(p, r.ends)
	require.NoError(r.t, err)
	near, err = r.tryOpen(r.ca.Issue(fmt.Sprintf("urn:tlagate:cab%d:tla:t", i), clients), "p")
	require.NoError(r.t, err)
	_, err = far.WaitJoined()
	require.NoError(r.t, err)
	return near, far
}

// exchange has a TLA ask and its PdT answer, a few times, with octets of their own.
func exchange(t *testing.T, i int, ends [2]*link.Conn) {
	sent := bytes.Repeat([]byte{byte(i), byte(i >> 8)}, 4000)
	for range 10 {
		for way, from := range ends {
			_, err := from.Write(sent)
			require.NoError(t, err)
			got := make([]byte, len(sent))
			_, err = io.ReadFull(ends[1-way], got)
			require.NoError(t, err)
			require.True(t, bytes.Equal(sent, got), "session %d got another one's bytes", i)
		}
	}
}

// atATime calls f for 0 … n-1, w at a time. The test ends here if one of them failed.
func atATime(t *testing.T, w, n int, f func(int)) {
	next := make(chan int)
	var workers sync.WaitGroup
	for range w {
		workers.Go(func() {
			for i := range next {
				f(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	workers.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

// memory returns what heap and stacks use, in octets.
func memory() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}
