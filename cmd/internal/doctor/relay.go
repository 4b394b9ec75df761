package doctor

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"tlagate/cmd/internal/cli"
)

// Configuration returns the findings about the file itself, one for each fault: err is that of loading it, and more are
// those for which the program would refuse to start.
func Configuration(file string, err error, more ...error) (all []Check) {
	add := func(f Finding) {
		all = append(all, Check{"configuration", func(context.Context) Finding { return f }})
	}
	said := map[string]bool{}
	for _, fault := range cli.FaultsOf(errors.Join(append([]error{err}, more...)...)) {
		if said[fault.Error()] {
			continue
		}
		said[fault.Error()] = true
		switch {
		case denied(fault):
			add(Cannot(asRoot, "this user may not read %s", file))
		case errors.Is(fault, fs.ErrNotExist):
			add(Fail("write it from the example (deploy/examples), or name another with --config",
				"cannot read the configuration: %s is not there",
				file))
		default:
			add(Fail("correct it in "+file, "%v", fault))
		}
	}
	if len(said) == 0 {
		add(Good("%s is read", file))
	}
	return all
}

// NoNetwork returns the check that our daemon listens on no network socket (C4, EL2).
func (s System) NoNetwork() Check {
	return s.linux("listening sockets", func() Finding {
		running := s.daemons()
		if len(running) == 0 {
			return Cannot("systemctl start "+s.Program+", and run this again", "%s is not running", s.Program)
		}
		for _, p := range running {
			inodes, err := p.sockets()
			if err != nil {
				return Cannot(asRoot, "the sockets of process %d cannot be seen", p.pid)
			}
			if where := p.listens(inodes); where != "" {
				return Fail("that is not our program, or it was altered: tell your operator",
					"%s (process %d) listens on the network: %s", s.Program, p.pid, where)
			}
		}
		return Good("%s listens on no network socket", s.Program)
	})
}

// sockets returns the inodes of a process's sockets.
func (p process) sockets() (map[string]bool, error) {
	inodes := map[string]bool{}
	list, err := os.ReadDir(filepath.Join(p.dir, "fd"))
	for _, fd := range list {
		to, _ := os.Readlink(filepath.Join(p.dir, "fd", fd.Name()))
		if inode, ok := strings.CutPrefix(to, "socket:["); ok {
			inodes[strings.TrimSuffix(inode, "]")] = true
		}
	}
	return inodes, err
}

// listens returns the table and local address of a listening socket among those of inodes; "" = none. Every UDP socket
// that is not connected listens.
func (p process) listens(inodes map[string]bool) string {
	for table, state := range map[string]string{"tcp": "0A", "tcp6": "0A", "udp": "07", "udp6": "07"} {
		raw, _ := os.ReadFile(filepath.Join(p.dir, "net", table))
		for line := range strings.Lines(string(raw)) {
			if f := strings.Fields(line); len(f) > 9 && f[3] == state && inodes[f[9]] {
				return table + " " + f[1]
			}
		}
	}
	return ""
}
