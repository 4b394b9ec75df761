package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Configuration is the finding about the file itself: err is what loading it came to.
func Configuration(file string, err error) Finding {
	switch {
	case denied(err):
		return Cannot(asRoot, "%s is not for this user", file)
	case errors.Is(err, fs.ErrNotExist):
		return Fail("write it from the example (deploy/examples), or name another with --config", "%v", err)
	case err != nil:
		return Fail("correct it", "%v", err)
	}
	return Good("%s is read", file)
}

// Members gives the users of a group, by the system's files; an error when there is no such group. What a directory
// service adds is not seen.
func Members(groups, users, name string) (members []string, err error) {
	gid := ""
	for _, f := range colons(groups) {
		if len(f) > 3 && f[0] == name {
			gid = f[2]
			members = append(members, strings.FieldsFunc(f[3], func(r rune) bool { return r == ',' })...)
		}
	}
	if gid == "" {
		return nil, fmt.Errorf("there is no group %s", name)
	}
	for _, f := range colons(users) {
		if len(f) > 3 && f[3] == gid && !slices.Contains(members, f[0]) {
			members = append(members, f[0])
		}
	}
	return members, nil
}

func colons(file string) (lines [][]string) {
	raw, _ := os.ReadFile(file)
	for line := range strings.Lines(string(raw)) {
		lines = append(lines, strings.Split(strings.TrimSpace(line), ":"))
	}
	return lines
}

// NoNetwork is the check that our daemon listens on no network socket (C4, EL2).
func (s System) NoNetwork() Check {
	return s.linux("listening sockets", func() Finding {
		running := s.daemons()
		if len(running) == 0 {
			return Cannot("systemctl start "+s.Program+", and run this again", "%s is not running", s.Program)
		}
		for _, p := range running {
			held, err := p.sockets()
			if err != nil {
				return Cannot(asRoot, "the sockets of process %d are not to be seen", p.pid)
			}
			if where := p.listens(held); where != "" {
				return Fail("that is not our program, or it was altered: tell your operator", "%s (process %d) listens on the network: %s", s.Program, p.pid, where)
			}
		}
		return Good("%s listens on no network socket", s.Program)
	})
}

// sockets gives the inodes of a process's sockets.
func (p process) sockets() (map[string]bool, error) {
	held := map[string]bool{}
	list, err := os.ReadDir(filepath.Join(p.dir, "fd"))
	for _, fd := range list {
		to, _ := os.Readlink(filepath.Join(p.dir, "fd", fd.Name()))
		if inode, ok := strings.CutPrefix(to, "socket:["); ok {
			held[strings.TrimSuffix(inode, "]")] = true
		}
	}
	return held, err
}

// listens gives the table and local address of a listening socket among those held; "" = none. Every UDP socket that is not connected listens.
func (p process) listens(held map[string]bool) string {
	for table, state := range map[string]string{"tcp": "0A", "tcp6": "0A", "udp": "07", "udp6": "07"} {
		raw, _ := os.ReadFile(filepath.Join(p.dir, "net", table))
		for line := range strings.Lines(string(raw)) {
			if f := strings.Fields(line); len(f) > 9 && f[3] == state && held[f[9]] {
				return table + " " + f[1]
			}
		}
	}
	return ""
}
