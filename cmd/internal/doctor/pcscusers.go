package doctor

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// users checks who can open the socket of pcscd: on a host of several practices, not everybody should. Polkit, which
// Debian 13's pcscd asks, is no help there: it lets somebody in at every pcscd, or at none.
func (d Driver) users() Finding {
	names, err := d.openedBy(d.PCSC)
	switch {
	case denied(err):
		return Cannot(asRoot, "this user may not look at %s", d.PCSC)
	case err != nil:
		return Cannot("see PC/SC service", "pcscd has no socket: %v", err)
	case len(names) == 0:
		return Good("root alone can open %s", d.PCSC)
	case slices.Contains(names, everybody) && d.several():
		return Warn(`docs/setup.md, "Several practices on one host", says how to keep each to its own users`,
			"several Postes de Travail are here, and everybody can open %s, users of other practices too", d.PCSC)
	}
	return Good("besides root, %s can open %s", strings.Join(names, " and "), d.PCSC)
}

// several reports whether there are several practices on this host, whether they run or not.
func (s System) several() bool {
	return len(s.services()) > 1 || len(s.glob("/etc/tlagate/*/pdt.yaml")) > 0
}

const everybody = "everybody"

// openedBy returns who besides root can connect to a socket: "everybody", or who must be all of what is named.
func (s System) openedBy(socket string) (names []string, err error) {
	need := fs.FileMode(0o2) // to write to the socket, and to search what it is in
	for file, last := socket, ""; file != last; file, last, need = filepath.Dir(file), file, 0o1 {
		name, err := s.admitted(file, need)
		if err != nil || name == "root" {
			return nil, err
		}
		if name != everybody && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		names = []string{everybody}
	}
	return names, nil
}

// admitted returns to whom a file gives the right need of others: "everybody", "group NAME", or its owner.
func (s System) admitted(file string, need fs.FileMode) (string, error) {
	info, err := os.Stat(s.path(file))
	if err != nil {
		return "", err
	}
	uid, gid, err := owning(s.path(file))
	switch mode := info.Mode().Perm(); {
	case mode&need != 0:
		return everybody, err
	case mode&(need<<3) != 0:
		return "group " + groupOf(gid), err
	}
	return nameOf(uid), err
}
