package main

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"tlagate/tla/pin"
)

// terminal returns a pseudo-terminal: what a user types goes into keys.
func terminal(t *testing.T) (keys, tty *os.File) {
	keys, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { keys.Close() })
	require.NoError(t, unix.IoctlSetPointerInt(int(keys.Fd()), unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(int(keys.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	tty, err = os.OpenFile(filepath.Join("/dev/pts", strconv.Itoa(n)), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { tty.Close() })
	return keys, tty
}

// TestSP4NothingOfAPINIsLeftForTheShell: a line that is no PIN is read to its first wrong octet, and the rest is thrown
// away.
func TestSP4NothingOfAPINIsLeftForTheShell(t *testing.T) {
	for _, typed := range []string{" 73914", "7x3914", "1234567890123456", "73 914"} {
		keys, tty := terminal(t)
		command, err := pin.New([4]byte{}, pin.Format{Min: 4, Max: 8})
		require.NoError(t, err)
		restore := silence(tty)
		_, err = keys.WriteString(typed + "\n")
		require.NoError(t, err)
		_, err = command.ReadFrom(tty)
		require.Error(t, err)
		restore()
		command.Wipe()
		_, err = keys.WriteString("next\n")
		require.NoError(t, err)
		line, err := bufio.NewReader(tty).ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, "next\n", line)
	}
}
