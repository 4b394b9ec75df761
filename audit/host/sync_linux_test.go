package host_test

import (
	"bytes"
	"encoding/binary"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestEL1BaselineIsThereToStay: when the file has its name, the directory is opened, which nothing needs but writing it
// through: without that a loss of power takes the name back, and with it the machine's state that was accounted for.
func TestEL1BaselineIsThereToStay(t *testing.T) {
	m := newMachine(t)
	m.cfg.State = filepath.Join(t.TempDir(), "state")
	seen := watch(t, filepath.Dir(m.cfg.State))
	m.start()
	events := seen()
	require.Contains(t, events, "moved state")
	require.Equal(t, "directory opened", events[len(events)-1], "%v", events)
}

// watch follows a directory; seen says what has become of it.
func watch(t *testing.T, dir string) (seen func() []string) {
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	require.NoError(t, err)
	t.Cleanup(func() { unix.Close(fd) })
	_, err = unix.InotifyAddWatch(fd, dir, unix.IN_MOVED_TO|unix.IN_OPEN)
	require.NoError(t, err)
	return func() (events []string) {
		buf := make([]byte, 64<<10)
		n, err := unix.Read(fd, buf)
		require.NoError(t, err)
		for rest := buf[:n]; len(rest) > 0; {
			mask, length := binary.NativeEndian.Uint32(rest[4:]), binary.NativeEndian.Uint32(rest[12:])
			name := string(bytes.TrimRight(rest[unix.SizeofInotifyEvent:][:length], "\x00"))
			rest = rest[unix.SizeofInotifyEvent+length:]
			switch {
			case mask&unix.IN_MOVED_TO != 0:
				events = append(events, "moved "+name)
			case mask&unix.IN_ISDIR != 0 && name == "":
				events = append(events, "directory opened")
			}
		}
		return events
	}
}
