package integration

import (
	"bytes"
	"encoding/binary"
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"tlagate/integration/world"
	"tlagate/tla"
)

// button is a physical key: a FIFO with the kernel's input events.
type button struct {
	t    *testing.T
	fifo *os.File
}

const keyPower2 = 0x164

func newButton(t *testing.T, path string) *button {
	require.NoError(t, unix.Mkfifo(path, 0o600))
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	return &button{t, f}
}

// move writes events of the key: 1 down, 2 autorepeat, 0 up.
func (b *button) move(values ...uint32) {
	for _, v := range values {
		e := bytes.Repeat([]byte{0}, 2*strconv.IntSize/8)
		e = binary.NativeEndian.AppendUint16(e, 1)
		e = binary.NativeEndian.AppendUint16(e, keyPower2)
		_, err := b.fifo.Write(binary.NativeEndian.AppendUint32(e, v))
		require.NoError(b.t, err)
	}
}

// TestC4APhysicalKeyStartsAndStops: a press of the key is the act of which gateway and PdT are told; a key that is
// already down when the relay starts is none.
func TestC4APhysicalKeyStartsAndStops(t *testing.T) {
	b := newBed(t)
	b.ca.publish(t)
	key := newButton(t, b.Path("key"))
	require.NoError(t, b.StartGateway())
	require.NoError(t, b.StartRelay("start_key: {device: "+b.Path("key")+", key: KEY_POWER2}"))
	b.startPdT(t)
	logged(t, b.RelayProc, 0, "start key in use")

	key.move(2, 2, 0)
	key.move(1)
	waitRelay(t, b.Lab, "the session to be up", func(s *tla.Status) bool { return s.State == tla.StateUp })
	logged(t, b.GatewayProc, 0, "consent of the user", "act=key")
	logged(t, b.PdTProc, 0, "consent of the user", "act=key")
	mark := b.RelayProc.Mark()
	key.move(2, 2, 0, 1, 0)
	logged(t, b.RelayProc, mark, "the user stays", "act=key")
	require.Equal(t, "up", b.relay(t, "status").Status.State)

	key.move(1) // and kept down
	waitRelay(t, b.Lab, "the session to be over", func(s *tla.Status) bool { return s.State == tla.StateIdle })
	require.Equal(t, tla.CodeStopped, relayStatus(t, b.Lab).Last.Code)
	require.Empty(t, networkSockets(t, b.RelayProc.PID()))
	key.move(0)

	require.NoError(t, b.PdTProc.Stop())
	mark = b.RelayProc.Mark()
	key.move(1, 0)
	logged(t, b.RelayProc, mark, "session not started", "pdt_absent")
	require.Equal(t, tla.CodeProblem, relayStatus(t, b.Lab).Last.Code, "the status says why the key did nothing")
	require.Empty(t, networkSockets(t, b.RelayProc.PID()))
	require.NoError(t, world.Poll(patience, "the relay to be alive", func() error {
		_, err := b.Relay("status")
		return err
	}))
}
