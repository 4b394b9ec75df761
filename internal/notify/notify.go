// Package notify tells the service manager that started a program how the program is: that it serves, reads its
// configuration again, stops, or still works. It is sd_notify(3) of systemd, without its library.
package notify

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"tlagate/internal/retry"
)

// Manager is the service manager. A nil Manager is none, and is told nothing.
type Manager struct {
	conn  *net.UnixConn
	every time.Duration // how often it is told that the program still works; 0 = it does not ask

	mu    sync.Mutex // protects the rest; held while something is said
	stage stage
}

// stage is what the manager was told last, but for a reload.
type stage int

const (
	starting stage = iota
	serving
	stopping
)

// Open returns the manager that the environment names (NOTIFY_SOCKET); nil when it names none.
func Open(getenv func(string) string) (*Manager, error) {
	socket := getenv("NOTIFY_SOCKET")
	if socket == "" {
		return nil, nil
	}
	if !strings.HasPrefix(socket, "/") && !strings.HasPrefix(socket, "@") {
		return nil, fmt.Errorf("cannot tell the service manager how this program is: NOTIFY_SOCKET=%s is neither a "+
			"path nor an abstract socket", socket)
	}
	every, err := watchdog(getenv)
	if err != nil {
		return nil, err
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("cannot tell the service manager how this program is: %w", err)
	}
	return &Manager{conn: conn, every: every}, nil
}

// watchdog returns how often the manager is told that the program still works: three times in the time after which it
// ends a program that does not say so. 0 = it does not ask, or asks another process.
func watchdog(getenv func(string) string) (time.Duration, error) {
	limit := getenv("WATCHDOG_USEC")
	if pid := getenv("WATCHDOG_PID"); limit == "" || pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return 0, nil
	}
	n, err := strconv.ParseInt(limit, 10, 64)
	if err != nil || n <= 0 {
		return 0, fmt.Errorf("cannot tell the service manager that this program still works: WATCHDOG_USEC=%s is no "+
			"number of microseconds", limit)
	}
	return time.Duration(n) * time.Microsecond / 3, nil
}

// Watch says that the program serves, once alive has returned, and that it still works, each time alive returns, as
// often as the manager asks. So alive must ask what matters in the program, and hang as long as that does: nothing is
// said then. failed is called with what could not be said. Watch returns when ctx ends, and not before alive does.
func (m *Manager) Watch(ctx context.Context, alive func(), failed func(error)) {
	if m == nil {
		return
	}
	alive()
	report(m.enter(serving, "READY=1"), failed)
	for m.every > 0 && retry.Sleep(ctx, m.every) {
		alive()
		report(m.say("WATCHDOG=1"), failed)
	}
}

func report(err error, failed func(error)) {
	if err != nil {
		failed(err)
	}
}

// Reload calls f, and says that the program reads its configuration again until f returns.
func (m *Manager) Reload(f func()) error {
	if m == nil || m.at() != serving {
		f()
		return nil
	}
	if err := m.enter(serving, "RELOADING=1"); err != nil {
		f()
		return err
	}
	f()
	return m.enter(serving, "READY=1")
}

// Stop says, once, that the program stops. Nothing but that it works is said afterwards.
func (m *Manager) Stop() error {
	if m == nil {
		return nil
	}
	return m.enter(stopping, "STOPPING=1")
}

func (m *Manager) at() stage {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stage
}

// enter says that the program is at a stage; once it stops, nothing more is said of that.
func (m *Manager) enter(s stage, state string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s < m.stage || m.stage == stopping {
		return nil
	}
	m.stage = s
	return m.write(state)
}

func (m *Manager) say(state string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.write(state)
}

// writeTime bounds the wait for a manager that does not read.
const writeTime = 5 * time.Second

// write sends one datagram. The caller holds m.mu.
func (m *Manager) write(state string) error {
	err := m.conn.SetWriteDeadline(time.Now().Add(writeTime))
	if err == nil {
		_, err = m.conn.Write([]byte(state))
	}
	if err != nil {
		return fmt.Errorf("cannot tell the service manager %s: %w", state, err)
	}
	return nil
}
