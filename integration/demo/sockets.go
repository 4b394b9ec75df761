package main

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// socket is an open socket of a process.
type socket struct {
	Kind   string // "tcp", "tcp6", "udp", "udp6", "unix", "netlink"; "" = another kind, which nobody here should have
	Listen bool
	Local  string // address and port; the path of a Unix socket, "" if it has none
	Remote string // of a connection
}

// network reports whether a socket can reach, or be reached from, another machine. A socket of unknown kind can; one to
// the kernel, by which a program learns that addresses or routes have changed, cannot.
func (s socket) network() bool { return s.Kind != "unix" && s.Kind != "netlink" }

func (s socket) String() string {
	switch {
	case s.Kind == "":
		return "a socket of unknown kind"
	case s.Listen:
		return s.Kind + " listening on " + s.Local
	case s.Remote != "":
		return s.Kind + " connected to " + s.Remote
	}
	return s.Kind + " " + s.Local
}

// socketsOf returns the sockets of a process, from /proc/PID/fd and the tables in /proc/PID/net.
func socketsOf(pid int) ([]socket, error) {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	known, err := tables(filepath.Join(dir, "net"))
	if err != nil {
		return nil, fmt.Errorf("cannot list the sockets of process %d: %w", pid, err)
	}
	fds, err := os.ReadDir(filepath.Join(dir, "fd"))
	if err != nil {
		return nil, fmt.Errorf("cannot list the sockets of process %d: %w", pid, err)
	}
	var held []socket
	for _, fd := range fds {
		link, err := os.Readlink(filepath.Join(dir, "fd", fd.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // closed meanwhile
		}
		if err != nil {
			return nil, fmt.Errorf("cannot list the sockets of process %d: %w", pid, err)
		}
		if inode, ok := strings.CutPrefix(link, "socket:["); ok {
			held = append(held, known[strings.TrimSuffix(inode, "]")])
		}
	}
	return held, nil
}

// tables reads every socket of the process's network namespace, by inode.
func tables(dir string) (map[string]socket, error) {
	all := map[string]socket{}
	for kind, read := range map[string]func(kind string, fields []string) (inode string, s socket){
		"tcp": inet, "tcp6": inet, "udp": inet, "udp6": inet, "unix": local,
		"netlink": kernel,
	} {
		table, err := os.ReadFile(filepath.Join(dir, kind))
		if errors.Is(err, fs.ErrNotExist) && strings.HasSuffix(kind, "6") {
			continue // no IPv6
		}
		if err != nil {
			return nil, err
		}
		for _, line := range strings.Split(string(table), "\n")[1:] {
			if inode, s := read(kind, strings.Fields(line)); inode != "" {
				all[inode] = s
			}
		}
	}
	return all, nil
}

// inet reads a line of tcp, tcp6, udp or udp6: number, local, remote, state, … and, as the tenth field, the inode.
func inet(kind string, f []string) (string, socket) {
	const listening = "0A"
	if len(f) < 10 {
		return "", socket{}
	}
	s := socket{Kind: kind, Local: endpoint(f[1]), Listen: strings.HasPrefix(kind, "tcp") && f[3] == listening}
	if !strings.HasSuffix(f[2], ":0000") {
		s.Remote = endpoint(f[2])
	}
	return f[9], s
}

// local reads a line of unix: number, references, protocol, flags, type, state, inode, and perhaps a path.
func local(kind string, f []string) (string, socket) {
	const accepting = "00010000" // __SO_ACCEPTCON
	if len(f) < 7 {
		return "", socket{}
	}
	s := socket{Kind: kind, Listen: f[3] == accepting}
	if len(f) > 7 {
		s.Local = f[7]
	}
	return f[6], s
}

// kernel reads a line of netlink: address, protocol, port ID, … and, as the tenth field, the inode.
func kernel(kind string, f []string) (string, socket) {
	if len(f) < 10 {
		return "", socket{}
	}
	return f[9], socket{Kind: kind}
}

// endpoint reads "0100007F:4E20": the address in words of the machine's byte order, little endian here, and the port.
func endpoint(text string) string {
	address, port, _ := strings.Cut(text, ":")
	raw, err := hex.DecodeString(address)
	number, err2 := strconv.ParseUint(port, 16, 16)
	if err != nil || err2 != nil || len(raw)%4 != 0 {
		return text
	}
	for i := 0; i < len(raw); i += 4 {
		binary.NativeEndian.PutUint32(raw[i:], binary.BigEndian.Uint32(raw[i:]))
	}
	ip, ok := netip.AddrFromSlice(raw)
	if !ok {
		return text
	}
	return netip.AddrPortFrom(ip.Unmap(), uint16(number)).String()
}
