//go:build linux

package owner

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Plan says what a program is going to do. Empty names do not count.
type Plan struct {
	Config  string   // the file that named all the others
	Written []string // files that it writes
	Read    []string // files that it reads, beside those
	Devices []string // files whose groups it needs, which the account may have only through the service's unit
	Groups  []string // likewise, by name
}

// Become makes a program that root runs, for good, the account that owns the directories of what it is going to write,
// with that account's groups; if they are all root's, the account that owns the configuration, which could name any
// file. It does nothing unless root runs the program and there is such an account. Call it before the first write.
func (p Plan) Become() error {
	if os.Geteuid() != 0 {
		return nil
	}
	who, err := ownerOfAll(p.Written)
	if err == nil && who == nil && p.Config != "" {
		who, err = along(p.Config)
	}
	if err != nil || who == nil {
		return err
	}
	if err := who.become(append(groupsOf(p.Devices), groupsNamed(p.Groups)...)); err != nil {
		return err
	}
	return errors.Join(who.mayWrite(p.Written), ordinary(append(p.Read, p.Written...)))
}

// ordinary refuses a FIFO, at which the program would wait for ever.
func ordinary(files []string) error {
	for _, file := range files {
		if info, err := os.Stat(file); err == nil && info.Mode()&fs.ModeNamedPipe != 0 {
			return fmt.Errorf("cannot use %s: it is a FIFO; remove it", file)
		}
	}
	return nil
}

// mayWrite refuses early what would fail late, when a one-time code is already used up.
func (a *account) mayWrite(files []string) error {
	for _, file := range files {
		if file == "" {
			continue
		}
		dir := filepath.Dir(file)
		err := unix.Access(dir, unix.W_OK|unix.X_OK)
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("cannot write to %s as %s, whom %s belongs to: %w; run this as an account that may "+
				"write to both", dir, a.name(), a.dir, err)
		}
	}
	return nil
}

func ownerOfAll(files []string) (who *account, err error) {
	for _, file := range files {
		if file == "" {
			continue
		}
		a, err := along(file)
		switch {
		case err != nil:
			return nil, fmt.Errorf("cannot tell whose %s is: %w", file, err)
		case a != nil && who != nil && a.uid != who.uid:
			return nil,
				fmt.Errorf("cannot run as root: %s belongs to %s and %s to %s, and both are written to: run this as "+
					"an account that may",
					who.dir, who.name(), a.dir, a.name())
		case who == nil:
			who = a
		}
	}
	return who, nil
}

func (a *account) become(more []int) error {
	groups := append(a.groups(), more...)
	for _, step := range []func() error{
		func() error { return syscall.Setgroups(groups) },
		func() error { return syscall.Setresgid(groups[0], groups[0], groups[0]) },
		func() error { return syscall.Setresuid(a.uid, a.uid, a.uid) },
	} {
		if err := step(); err != nil {
			return fmt.Errorf("cannot become %s, whom %s belongs to: %w", a.name(), a.dir, err)
		}
	}
	became = fmt.Sprintf("root ran this, so it went on as %s, whom %s belongs to", a.name(), a.dir)
	return nil
}

// groups returns the account's groups, its primary one first.
func (a *account) groups() []int {
	u, err := user.LookupId(strconv.Itoa(a.uid))
	if err != nil {
		return []int{a.gid}
	}
	own, err := strconv.Atoi(u.Gid)
	if err != nil {
		return []int{a.gid}
	}
	groups := []int{own}
	names, _ := u.GroupIds() // after an error the account has only its primary group
	for _, name := range names {
		if g, err := strconv.Atoi(name); err == nil && !slices.Contains(groups, g) {
			groups = append(groups, g)
		}
	}
	return groups
}

func (a *account) name() string {
	if u, err := user.LookupId(strconv.Itoa(a.uid)); err == nil {
		return u.Username
	}
	return "uid " + strconv.Itoa(a.uid)
}

// groupsOf returns the groups of devices, without root's.
func groupsOf(devices []string) (groups []int) {
	for _, device := range devices {
		info, err := os.Stat(device)
		if err != nil {
			continue
		}
		if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Gid != 0 {
			groups = append(groups, int(stat.Gid))
		}
	}
	return groups
}

// groupsNamed returns groups by name. It leaves out what is no group: what uses it will say so.
func groupsNamed(names []string) (groups []int) {
	for _, name := range names {
		g, err := user.LookupGroup(name)
		if err != nil {
			continue
		}
		if n, err := strconv.Atoi(g.Gid); err == nil {
			groups = append(groups, n)
		}
	}
	return groups
}
