package world

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"time"
)

// Snapshot is what could leak in a world: processes, mounts, listening sockets,
// files in TMPDIR.
type Snapshot map[string]bool

// TakeSnapshot returns what is there now.
func TakeSnapshot() (Snapshot, error) {
	s := Snapshot{}
	for _, look := range []func(Snapshot) error{addProcesses, addMounts, addListeners, addFiles} {
		if err := look(s); err != nil {
			return nil, fmt.Errorf("cannot take stock of the world: %w", err)
		}
	}
	return s, nil
}

// Leaked waits up to timeout until nothing is there that was not there before; the error names what remains.
func (before Snapshot) Leaked(timeout time.Duration) error {
	return Poll(timeout, "everything to be cleaned up", func() error {
		after, err := TakeSnapshot()
		if err != nil {
			return err
		}
		if left := after.beyond(before); len(left) != 0 {
			return fmt.Errorf("left behind:\n  %s", strings.Join(left, "\n  "))
		}
		return nil
	})
}

func (s Snapshot) beyond(before Snapshot) []string {
	var left []string
	for thing := range s {
		if !before[thing] {
			left = append(left, thing)
		}
	}
	sort.Strings(left)
	return left
}

// addProcesses leaves out kernel threads and dead processes, which have no command line.
func addProcesses(s Snapshot) error {
	paths, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return err
	}
	for _, path := range paths {
		cmdline, err := os.ReadFile(path)
		if err != nil || len(cmdline) == 0 {
			continue // the process has just ended
		}
		pid := filepath.Base(filepath.Dir(path))
		s["process "+pid+" "+strings.TrimSpace(strings.ReplaceAll(string(cmdline), "\x00", " "))] = true
	}
	return nil
}

// addMounts notes mount points and their types, without their ids, which differ from one look to the next.
func addMounts(s Snapshot) error {
	return eachLine("/proc/self/mountinfo", func(fields []string) {
		s["mount "+fields[4]+" "+fields[len(fields)-3]] = true
	})
}

func addListeners(s Snapshot) error {
	ports, err := listeningPorts()
	if err != nil {
		return err
	}
	for port := range ports {
		s[fmt.Sprintf("listening TCP port %d", port)] = true
	}
	return nil
}

func addFiles(s Snapshot) error {
	entries, err := os.ReadDir(os.TempDir())
	for _, e := range entries {
		s["file "+filepath.Join(os.TempDir(), e.Name())] = true
	}
	return err
}

// listeningPorts returns the TCP ports, IPv4 and IPv6, on which something listens.
func listeningPorts() (map[int]bool, error) {
	ports := map[int]bool{}
	for _, table := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
		err := eachLine(table, func(fields []string) {
			if port, ok := listening(fields); ok {
				ports[port] = true
			}
		})
		if err != nil && !os.IsNotExist(err) { // no IPv6
			return nil, err
		}
	}
	return ports, nil
}

// listening reads a line of /proc/net/tcp (number, local address, peer, state): the port, and whether it listens.
func listening(fields []string) (int, bool) {
	const stateListen = "0A"
	if len(fields) < 4 || fields[3] != stateListen {
		return 0, false
	}
	_, port, _ := strings.Cut(fields[1], ":")
	n, err := strconv.ParseUint(port, 16, 16)
	return int(n), err == nil
}

func eachLine(path string, use func(fields []string)) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		use(strings.Fields(lines.Text()))
	}
	return lines.Err()
}
