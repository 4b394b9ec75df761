// Package sandbox takes from a running program, for good, what it does not need of the machine (annex code EL2). By
// Landlock, a part of Linux (landlock(7)), it takes all files but those listed, running other programs, listening on
// TCP, and connecting to other TCP ports. The program does this itself, so that it is restricted however it was
// started.
//
// Its limits: it does not restrict UDP, Unix sockets that have a file, and Multipath TCP, whose sockets Linux does not
// count as TCP. The systemd unit covers these (SocketBindDeny, IPAddressDeny).
package sandbox

import (
	"errors"
	"fmt"
	"strings"

	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
)

// Rules lists all that stays allowed. Rights belong to objects of a file system, not to names: a file that others
// replace must be listed by its directory. What does not exist when the rules come into force is left out.
type Rules struct {
	Read    []string // files, and directories with all below them
	Write   []string // directories in which files are read, written, made, renamed and removed
	Sockets []string // directories in which Unix sockets are made, too
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

// ABIs of Landlock from which on it restricts something.
const (
	files    Level = 1
	truncate Level = 3
	network  Level = 4
	ioctl    Level = 5
	scopes   Level = 6
)

// Files reports whether files are restricted at all.
func (l Level) Files() bool { return l >= files }

// Lacks returns what the kernel cannot restrict; "" = it can restrict everything.
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

// Kernel returns the level of this kernel.
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

// ErrNoKernel is the error of a program that must not run without a sandbox.
var ErrNoKernel = errors.New("this kernel has no Landlock: it needs Linux 5.13 or later with landlock in its list " +
	"of security modules (/sys/kernel/security/lsm)")
