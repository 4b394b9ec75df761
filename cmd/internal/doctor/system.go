package doctor

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// System is the machine that is looked at.
type System struct {
	Root      string   // where /proc, /sys, /etc, /lib and /usr are; "" = /
	Program   string   // name of our daemon: tla-relay, tla-pdt
	Elsewhere bool     // its system is not Linux
	PCSCD     []string // uids as which a pcscd may run besides root
	// Daemon is the process of our daemon that is looked at, where several may run; below 1 = it does not run, or
	// cannot be asked. Nil: all that run are.
	Daemon *int
}

// Here returns the machine on which this program runs.
func Here(program string) System {
	return System{Program: program, Elsewhere: runtime.GOOS != "linux"}
}

func (s System) path(name string) string {
	if s.Root == "" {
		return name
	}
	return filepath.Join(s.Root, name)
}

// read returns the content of a file; if there is none, the error wraps fs.ErrNotExist.
func (s System) read(name string) (string, error) {
	raw, err := os.ReadFile(s.path(name))
	return string(raw), err
}

// glob returns the names of files, below the root.
func (s System) glob(pattern string) []string {
	found, _ := filepath.Glob(s.path(pattern)) // the pattern is ours
	slices.Sort(found)
	return found
}

// linux returns a check of what only Linux has.
func (s System) linux(name string, run func() Finding) Check {
	return Check{name, func(context.Context) Finding {
		if s.Elsewhere {
			return elsewhere()
		}
		return run()
	}}
}

// process is a running program.
type process struct {
	pid  int
	uid  string // "" = not known
	dir  string // below /proc
	args []string
}

// processes returns the running programs of a name. A zombie, which has ended but whose parent has not yet waited for
// it, is not among them: nothing of it can be read.
func (s System) processes(name string) []process {
	var all []process
	for _, comm := range s.glob("/proc/[0-9]*/comm") {
		raw, err := os.ReadFile(comm)
		if err != nil || strings.TrimSpace(string(raw)) != name {
			continue
		}
		dir := filepath.Dir(comm)
		if ended(dir) {
			continue
		}
		cmdline, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		pid, _ := strconv.Atoi(filepath.Base(dir))
		uid, _, _ := owning(dir) // not of what is in it, which is root's if the process wishes (PR_SET_DUMPABLE)
		all = append(all, process{pid, uid, dir, strings.Split(strings.TrimRight(string(cmdline), "\x00"), "\x00")})
	}
	return all
}

// pcscds returns the running pcscd's, of root and of accounts that may be one: anybody can call a program so.
func (s System) pcscds() []process {
	return slices.DeleteFunc(s.processes("pcscd"), func(p process) bool {
		return !s.isRoot(p.uid) && !slices.Contains(s.PCSCD, p.uid)
	})
}

// isRoot reports whether an account is root's; that of a test's machine is its maker's.
func (s System) isRoot(uid string) bool {
	maker, _, err := owning(s.path("/"))
	return uid == "0" || err == nil && uid == maker
}

// ended reports whether a process is a zombie, or gone: its state is the first letter after the name, which may have
// any character in it (proc_pid_stat(5)).
func ended(dir string) bool {
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		_, gone := os.Stat(dir)
		return gone != nil
	}
	rest := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	return len(rest) > 0 && (rest[0] == "Z" || rest[0] == "X")
}

// daemons returns the processes of the service that is looked at.
func (s System) daemons() []process {
	return slices.DeleteFunc(s.services(), func(p process) bool {
		return s.Daemon != nil && p.pid != *s.Daemon
	})
}

// services returns the processes of our program that run as a service, which this command does not.
func (s System) services() []process {
	return slices.DeleteFunc(s.processes(s.Program), func(p process) bool { return !slices.Contains(p.args, "run") })
}

// environ returns the environment of a process.
func (p process) environ() ([]string, error) {
	raw, err := os.ReadFile(filepath.Join(p.dir, "environ"))
	return strings.Split(strings.TrimRight(string(raw), "\x00"), "\x00"), err
}

// limit returns the soft limit of a process by its name in /proc/PID/limits: "unlimited" or a number.
func (p process) limit(name string) (string, error) {
	raw, err := os.ReadFile(filepath.Join(p.dir, "limits"))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(line, name); ok && len(strings.Fields(rest)) > 0 {
			return strings.Fields(rest)[0], nil
		}
	}
	return "", errors.New("it has no line " + name)
}

// unit returns the lines of a unit and its drop-ins, as systemd would read them: a unit in /etc hides the one of that
// name in /lib.
func (s System) unit(name string) []string {
	var lines []string
	for _, dir := range []string{"/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system",
		"/lib/systemd/system"} {
		if text, err := s.read(dir + "/" + name); err == nil {
			lines = append(lines, assignments(text)...)
			break
		}
	}
	for _, dir := range []string{"/usr/lib/systemd/system", "/lib/systemd/system", "/run/systemd/system",
		"/etc/systemd/system"} {
		for _, file := range s.glob(dir + "/" + name + ".d/*.conf") {
			if raw, err := os.ReadFile(file); err == nil {
				lines = append(lines, assignments(string(raw))...)
			}
		}
	}
	return lines
}

// assignments returns the lines of a unit that set something.
func assignments(text string) []string {
	var lines []string
	for line := range strings.Lines(strings.ReplaceAll(text, "\\\n", " ")) {
		if line = strings.TrimSpace(line); strings.Contains(line, "=") && !strings.HasPrefix(line, "#") &&
			!strings.HasPrefix(line, ";") {
			lines = append(lines, line)
		}
	}
	return lines
}

// setting returns the last value of a setting in the lines of a unit; "" = there is none.
func setting(lines []string, name string) (value string) {
	for _, line := range lines {
		if v, ok := strings.CutPrefix(line, name+"="); ok {
			value = strings.TrimSpace(v)
		}
	}
	return value
}

func denied(err error) bool { return errors.Is(err, fs.ErrPermission) }

const asRoot = "run this command as root"
