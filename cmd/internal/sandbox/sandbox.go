// Package sandbox takes from a running program, for good, what it does not need of the machine (annex code EL2): by
// Landlock, a part of Linux (landlock(7)), all files but those listed, running other programs, listening on TCP, and
// connecting to other TCP ports. It is the program's own act, and holds whoever started it.
//
// Its limits: it says nothing of UDP, of Unix sockets that have a file, and of Multipath TCP, whose sockets Linux does
// not count as TCP. The systemd unit covers these (SocketBindDeny, IPAddressDeny).
package sandbox

import (
	"errors"
	"fmt"
	"strings"

	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
)

// Rules list all that stays allowed. Rights are those of a file system's objects, not of names: a file that others
// replace must be listed by its directory. What does not exist when the rules come in force is left out.
type Rules struct {
	Read    []string // files, and directories with all below them
	Write   []string // directories whose files are read, written, made, renamed and removed
	Sockets []string // directories where Unix sockets are made too
	Devices []string // device files: read, written, controlled
	Connect []uint16 // TCP ports of any host
}

// Rights of each list.
const (
	read  landlock.AccessFSSet = ll.AccessFSReadFile | ll.AccessFSReadDir
	write landlock.AccessFSSet = read | ll.AccessFSWriteFile | ll.AccessFSTruncate | ll.AccessFSMakeReg |
		ll.AccessFSRemoveFile
	sockets landlock.AccessFSSet = write | ll.AccessFSMakeSock
	device  landlock.AccessFSSet = ll.AccessFSReadFile | ll.AccessFSWriteFile | ll.AccessFSIoctlDev
)

// Level is what the kernel knows of Landlock: its ABI; 0 = nothing.
type Level int

// ABIs of Landlock from which on something is restricted.
const (
	files    Level = 1
	truncate Level = 3
	network  Level = 4
	ioctl    Level = 5
	scopes   Level = 6
)

// Files tells whether files are restricted at all.
func (l Level) Files() bool { return l >= files }

// Lacks lists what the kernel cannot restrict; "" = it can do all of it.
func (l Level) Lacks() string {
	var lacks []string
	for _, part := range []struct {
		from Level
		what string
	}{{files, "files"}, {truncate, "emptying files"}, {network, "TCP ports"}, {ioctl, "control of devices"},
		{scopes, "signals and abstract sockets"}} {
		if l < part.from {
			lacks = append(lacks, part.what)
		}
	}
	return strings.Join(lacks, ", ")
}

// Kernel says what this kernel can do.
func Kernel() Level {
	abi, err := ll.LandlockGetABIVersion()
	if err != nil {
		return 0
	}
	return Level(abi)
}

// Enforce restricts all threads of the program, as far as the kernel can. It cannot be undone or widened.
func (r Rules) Enforce() error {
	if err := landlock.V8.BestEffort().Restrict(r.list()...); err != nil {
		return fmt.Errorf("cannot enter the sandbox: %w", err)
	}
	return nil
}

func (r Rules) list() (rules []landlock.Rule) {
	for _, l := range []struct {
		paths  []string
		rights landlock.AccessFSSet
	}{{r.Write, write}, {r.Sockets, sockets}, {r.Devices, device}} {
		for _, path := range l.paths {
			rules = append(rules, landlock.PathAccess(l.rights, path).IgnoreIfMissing())
		}
	}
	for _, path := range r.Read {
		rules = append(rules, readable(path))
	}
	for _, port := range r.Connect {
		rules = append(rules, landlock.ConnectTCP(port))
	}
	return rules
}

// ErrNoKernel is for who must not run without a sandbox.
var ErrNoKernel = errors.New("this kernel has no Landlock: it needs Linux 5.13 or later with landlock in its list " +
	"of security modules (/sys/kernel/security/lsm)")
