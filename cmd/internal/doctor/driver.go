package doctor

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"tlagate/pdt/ifd"
)

// Driver is our reader driver in pcscd, whose readers find tla-pdt at Socket (docs/driver.md).
type Driver struct {
	System
	Socket  string            // of tla-pdt; "" = its configuration cannot be used
	Version string            // of tla-pdt
	Names   map[string]string // of the readers by slot ("0"), without pcscd's numbers
	PCSC    string            // the socket at which programs find pcscd
	Beside  string            // where a pcscd of its own has its readers, whether it runs or not; "" = nowhere
	// State asks the running tla-pdt how each slot stands with the driver; nil = it cannot be asked.
	State func() ([]DriverState, error)
}

// DriverState is what tla-pdt says of a slot.
type DriverState struct {
	Connected bool
	Version   string // of the driver
	Error     string
	Foreign   uint64 // connections of accounts that may not be the driver
	Stranger  string // the account of the last one
}

// Checks returns the checks of the driver.
func (d Driver) Checks() []Check {
	return []Check{
		d.linux("driver entries", d.known(d.entries)),
		d.linux("driver owner", d.known(d.owner)),
		d.linux("driver connected", d.known(d.connected)),
		d.linux("driver strangers", d.known(d.strangers)),
		d.linux("PC/SC users", d.users),
		d.linux("vpcd", d.vpcd),
	}
}

// known returns a check that has no result while nobody knows where tla-pdt is.
func (d Driver) known(run func() Finding) func() Finding {
	if d.Socket == "" {
		return func() Finding { return Cannot("", "see configuration") }
	}
	return run
}

// library is the name of the driver's file.
var library = filepath.Base(ifd.Library)

func (e entry) ours() bool { return filepath.Base(e.lib) == library }

// parts returns slot, owner and socket of an entry of ours; ok is false for a placeholder.
func (e entry) parts() (slot, owner, socket string, ok bool) {
	f := strings.SplitN(e.device, ":", 4)
	if len(f) != 4 || f[0] != "ifd" {
		return "", "", "", false
	}
	return f[1], f[2], f[3], true
}

// pcscd returns the readers of the pcscd that has ours: on a host of several practices each may have its own.
func (d Driver) pcscd() []entry {
	all, dirs := d.configured(), map[string]bool{}
	for _, e := range d.of(all) {
		dirs[filepath.Dir(e.file)] = true
	}
	return slices.DeleteFunc(all, func(e entry) bool { return len(dirs) > 0 && !dirs[filepath.Dir(e.file)] })
}

// serves reports whether our readers are configured in a directory.
func (d Driver) serves(dir string) bool {
	return slices.ContainsFunc(d.pcscd(), func(e entry) bool { return filepath.Dir(e.file) == d.path(dir) })
}

// of returns the entries of ours that find tla-pdt at our socket.
func (d Driver) of(all []entry) (ours []entry) {
	for _, e := range all {
		if _, _, socket, ok := e.parts(); ok && e.ours() && socket == d.Socket {
			ours = append(ours, e)
		}
	}
	return ours
}

// Expected returns the readers that pcscd must have: those whose entries have our socket. pcscd counts the readers of
// one library in the order in which it loads them.
func (d Driver) Expected() (names []string) {
	n := 0
	for _, e := range d.pcscd() {
		if !e.ours() {
			continue
		}
		if len(d.of([]entry{e})) == 1 {
			names = append(names, fmt.Sprintf("%s %02X 00", e.name, n))
		}
		n++
	}
	return names
}

const (
	startIt      = "start tla-pdt (or tla-pdt@NAME), and run this again; as root, if this user may not ask it"
	writeEntries = "tla-pdt readers prints the entries for /etc/reader.conf.d/tlagate, or, where each practice has a " +
		"pcscd of its own, for /etc/tlagate/NAME/readers/tlagate; then restart that pcscd"
	install = "install " + ifd.Library + " of this version (docs/setup.md, section 6), and restart pcscd"
)

func (d Driver) entries() Finding {
	all := d.pcscd()
	ours := d.of(all)
	if f, ok := d.library(all); !ok {
		return f
	}
	files, slots := d.files(all), map[string]int{}
	for _, e := range ours {
		slot, _, _, _ := e.parts()
		slots[slot]++
	}
	switch {
	case len(ours) == 0:
		return Fail(writeEntries, "pcscd's configuration has no reader that finds tla-pdt at %s", d.Socket)
	case len(files) > 1:
		return Fail("keep one file with all readers of a pcscd, remove them from the others, and restart pcscd",
			"the readers of tlagate are in several files, %s: pcscd reads them in no particular order, and the names "+
				"of the readers can change", list(files))
	case len(slots) != 2 || slots["0"] != 1 || slots["1"] != 1:
		return Fail(writeEntries, "there must be one entry for slot 0 (Vitale) and one for slot 1 (CPS) with %s",
			d.Socket)
	case len(all) > maxReaders:
		return Fail("run another pcscd for some of them", "there are %d readers, and pcscd drops those above %d in "+
			"silence", len(all), maxReaders)
	}
	return d.named(ours)
}

// library checks that the driver is where the entries of ours say, and root's alone.
func (d Driver) library(all []entry) (Finding, bool) {
	for _, e := range all {
		if !e.ours() {
			continue
		}
		if _, err := os.Stat(d.path(e.lib)); err != nil {
			return Fail(install, "the driver of the entry %q is missing: %v", e.name, err), false
		}
		if file := cmp.Or(d.changeable(d.path(e.lib)), d.changeable(e.file)); file != "" {
			return Fail("chown root and chmod go-w "+file, "others than root can change %s, and pcscd, which is "+
				"root, runs what it finds there", file), false
		}
	}
	return Finding{}, true
}

// files returns the files that have readers of ours.
func (d Driver) files(all []entry) (names []string) {
	for _, e := range all {
		if name := strings.TrimPrefix(e.file, d.Root); e.ours() && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// named checks that the readers have the names that tla-pdt's configuration gives them.
func (d Driver) named(ours []entry) Finding {
	for _, e := range ours {
		slot, _, _, _ := e.parts()
		if want := d.Names[slot]; want != "" && want != e.name {
			return Warn("put driver.prefix right; or write the entries again (tla-pdt readers) and restart pcscd",
				"the reader %q should be called %q, by driver.prefix: programs see the former", e.name, want)
		}
	}
	return Good("%s", list(d.Expected()))
}

// changeable returns which of a file and its directory others than root can change; "" = neither.
func (s System) changeable(file string) string {
	for _, name := range []string{file, filepath.Dir(file)} {
		info, err := os.Stat(name)
		if err != nil {
			continue
		}
		if uid, _, _ := owning(name); !s.isRoot(uid) || info.Mode().Perm()&0o022 != 0 {
			return name
		}
	}
	return ""
}

// owner checks that the driver takes the account that tla-pdt runs as for tla-pdt.
func (d Driver) owner() Finding {
	uid, _, err := owning(d.path(d.Socket))
	if err != nil {
		return Cannot(startIt, "tla-pdt has no socket at %s: %v", d.Socket, err)
	}
	for _, e := range d.of(d.configured()) {
		if _, owner, _, _ := e.parts(); owner != uid && uidOf(owner) != uid {
			return Fail("tla-pdt readers --owner "+nameOf(uid)+" prints the entries; then restart pcscd",
				"tla-pdt runs as %s, and the entry %q takes nobody but %s: its reader stays empty", nameOf(uid), e.name,
				owner)
		}
	}
	return Good("the entries name the account of tla-pdt, %s", nameOf(uid))
}

// nameOf returns an account's name, or its uid if it has none.
func nameOf(uid string) string {
	if u, err := user.LookupId(uid); err == nil {
		return u.Username
	}
	return uid
}

// groupOf returns a group's name, or its gid if it has none.
func groupOf(gid string) string {
	if g, err := user.LookupGroupId(gid); err == nil {
		return g.Name
	}
	return gid
}

func uidOf(name string) string {
	u, err := user.Lookup(name)
	if err != nil {
		return ""
	}
	return u.Uid
}

// release is the form of a version that can be compared.
var release = regexp.MustCompile(`^v?(\d+\.\d+\.\d+)$`)

func (d Driver) connected() Finding {
	states, err := d.ask()
	if err != nil {
		return Cannot(startIt, "%v", err)
	}
	for _, s := range states {
		ours, theirs := release.FindStringSubmatch(d.Version), release.FindStringSubmatch(s.Version)
		switch {
		case s.Error != "":
			return Fail(install, "the driver and tla-pdt do not get on: %s", s.Error)
		case !s.Connected:
			return Warn("start pcscd (or pcscd@NAME); its log says what the driver thinks", "no driver is connected: "+
				"pcscd is away until a program asks for it, or has not loaded the driver")
		case ours != nil && theirs != nil && ours[1] != theirs[1]:
			return Warn(install, "the driver is of version %s, tla-pdt of version %s", s.Version,
				d.Version)
		}
	}
	return Good("the driver serves both readers")
}

func (d Driver) strangers() Finding {
	states, err := d.ask()
	if err != nil {
		return Cannot(startIt, "%v", err)
	}
	for _, s := range states {
		if s.Foreign > 0 {
			return Warn("find out who that is; if pcscd runs as that account, name it in driver.pcscd",
				"accounts that may not be the driver tried %d times, the last was %s; they got nothing", s.Foreign,
				s.Stranger)
		}
	}
	return Good("nobody but the driver has tried")
}

func (d Driver) ask() ([]DriverState, error) {
	if d.State == nil {
		return nil, fmt.Errorf("tla-pdt cannot be asked")
	}
	return d.State()
}

// vpcd looks for the driver that was used before, which listens on all interfaces: whoever connects to it is a card.
func (d Driver) vpcd() Finding {
	const do = "apt purge vsmartcard-vpcd, or remove its entry; restart pcscd"
	found := Good("no reader of vpcd is left")
	for _, e := range d.configured() {
		if !strings.Contains(filepath.Base(e.lib), "vpcd") {
			continue
		}
		_, number, _ := strings.Cut(e.device, ":")
		port, _ := strconv.ParseInt(number, 0, 32)
		if addrs, _ := d.listening(int(port)); len(addrs) > 0 {
			return Fail(do, "the reader %q of vpcd listens on port %d of %s: whoever connects is a card in it", e.name,
				port, addrs[0])
		}
		found = Warn(do, "%s has the reader %q of vpcd, which listens on all interfaces when pcscd runs", e.file,
			e.name)
	}
	return found
}

// listening returns the addresses, of both families, on which something listens on a port.
func (s System) listening(port int) (addrs []netip.Addr, err error) {
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, e := s.read(file)
		if e != nil && file == "/proc/net/tcp" {
			return nil, e
		}
		for line := range strings.Lines(text) {
			f := strings.Fields(line)
			if len(f) < 4 || f[3] != "0A" { // TCP_LISTEN
				continue
			}
			host, number, _ := strings.Cut(f[1], ":")
			if n, err := strconv.ParseUint(number, 16, 16); err == nil && int(n) == port {
				if a, ok := kernelAddr(host); ok {
					addrs = append(addrs, a)
				}
			}
		}
	}
	return addrs, nil
}

// kernelAddr reads an address as /proc/net prints it: words of 32 bits, each in the machine's order (here:
// little-endian).
func kernelAddr(text string) (netip.Addr, bool) {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw)%4 != 0 {
		return netip.Addr{}, false
	}
	for i := 0; i < len(raw); i += 4 {
		slices.Reverse(raw[i : i+4])
	}
	a, ok := netip.AddrFromSlice(raw)
	return a.Unmap(), ok
}
