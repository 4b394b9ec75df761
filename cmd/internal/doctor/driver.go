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
	Socket  string // of tla-pdt; "" = its configuration cannot be used
	Version string // of tla-pdt
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
		d.linux("driver entries", d.entries),
		d.linux("driver owner", d.owner),
		d.linux("driver connected", d.connected),
		d.linux("driver strangers", d.strangers),
		d.linux("vpcd", d.vpcd),
	}
}

// entry is one reader of pcscd's configuration.
type entry struct {
	name, lib, device string
	file              string
}

// configured returns the readers of pcscd's configuration: the one that the running pcscd names, or else the usual one.
func (s System) configured() (all []entry) {
	dirs := map[string]bool{}
	for _, p := range s.processes("pcscd") {
		for i, arg := range p.args {
			if value, ok := strings.CutPrefix(arg, "--config="); ok {
				dirs[value] = true
			} else if (arg == "--config" || arg == "-c") && i+1 < len(p.args) {
				dirs[p.args[i+1]] = true
			}
		}
	}
	if len(dirs) == 0 {
		dirs["/etc/reader.conf.d"] = true
	}
	for dir := range dirs {
		for _, file := range s.glob(dir + "/*") {
			all = append(all, readEntries(file)...)
		}
	}
	return all
}

// readEntries reads a file of reader.conf(5): a FRIENDLYNAME begins an entry.
func readEntries(file string) (all []entry) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(raw)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if tab := strings.IndexByte(key, '\t'); tab >= 0 {
			key, value = key[:tab], key[tab:]+" "+value
		}
		value = strings.Trim(strings.TrimSpace(value), `"`)
		if key == "FRIENDLYNAME" {
			all = append(all, entry{name: value, file: file})
		}
		if n := len(all) - 1; n >= 0 {
			switch key {
			case "LIBPATH":
				all[n].lib = value
			case "DEVICENAME":
				all[n].device = value
			}
		}
	}
	return all
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
	for _, e := range d.configured() {
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

const writeEntries = "tla-pdt readers prints the entries for /etc/reader.conf.d/tlagate; then restart pcscd"

func (d Driver) entries() Finding {
	all := d.configured()
	files, slots := map[string]bool{}, map[string]int{}
	for _, e := range all {
		if e.ours() {
			files[e.file] = true
			if _, err := os.Stat(d.path(e.lib)); err != nil {
				return Fail("make install", "the driver of the entry %q is missing: %v", e.name, err)
			}
			if file := cmp.Or(d.changeable(d.path(e.lib)), d.changeable(e.file)); file != "" {
				return Fail("chown root and chmod go-w "+file, "others than root can change %s, and pcscd, which is "+
					"root, runs what it finds there", file)
			}
		}
	}
	for _, e := range d.of(all) {
		slot, _, _, _ := e.parts()
		slots[slot]++
	}
	switch {
	case len(d.of(all)) == 0:
		return Fail(writeEntries, "pcscd's configuration has no reader that finds tla-pdt at %s", d.Socket)
	case len(slots) != 2 || slots["0"] != 1 || slots["1"] != 1:
		return Fail(writeEntries, "there must be one entry for slot 0 (Vitale) and one for slot 1 (CPS) with %s",
			d.Socket)
	case len(files) > 1:
		return Fail("put all readers of tlagate into one file", "they are in %d files, which pcscd reads in no "+
			"particular order: their names can change", len(files))
	case len(all) > maxReaders:
		return Fail("run another pcscd for some of them", "there are %d readers, and pcscd drops those above %d in "+
			"silence", len(all), maxReaders)
	}
	return Good("%s", list(d.Expected()))
}

// changeable returns which of a file and its directory others than root can change; "" = neither.
func (s System) changeable(file string) string {
	root, _ := owning(s.path("/"))
	for _, name := range []string{file, filepath.Dir(file)} {
		info, err := os.Stat(name)
		if err != nil {
			continue
		}
		if uid, _ := owning(name); uid != "0" && uid != root || info.Mode().Perm()&0o022 != 0 {
			return name
		}
	}
	return ""
}

// owner checks that the driver takes the account that tla-pdt runs as for tla-pdt.
func (d Driver) owner() Finding {
	uid, err := owning(d.path(d.Socket))
	if err != nil {
		return Cannot("start tla-pdt, and run this again", "tla-pdt has no socket: %v", err)
	}
	for _, e := range d.of(d.configured()) {
		if _, owner, _, _ := e.parts(); owner != uid && uidOf(owner) != uid {
			return Fail(writeEntries, "tla-pdt runs as uid %s, and the entry %q takes nobody but %s: its reader stays "+
				"empty", uid, e.name, owner)
		}
	}
	return Good("the entries name the account of tla-pdt, uid %s", uid)
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
		return Cannot("start tla-pdt, and run this again", "%v", err)
	}
	for _, s := range states {
		ours, theirs := release.FindStringSubmatch(d.Version), release.FindStringSubmatch(s.Version)
		switch {
		case s.Error != "":
			return Fail("make install; restart pcscd", "the driver and tla-pdt do not get on: %s", s.Error)
		case !s.Connected:
			return Warn("systemctl start pcscd; its log says what the driver thinks", "no driver is connected: pcscd "+
				"is away until a program asks for it, or has not loaded the driver")
		case ours != nil && theirs != nil && ours[1] != theirs[1]:
			return Warn("make install; restart pcscd", "the driver is of version %s, tla-pdt of version %s", s.Version,
				d.Version)
		}
	}
	return Good("the driver serves both readers")
}

func (d Driver) strangers() Finding {
	states, err := d.ask()
	if err != nil {
		return Cannot("start tla-pdt, and run this again", "%v", err)
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
	for _, e := range d.configured() {
		if !strings.Contains(filepath.Base(e.lib), "vpcd") {
			continue
		}
		const do = "apt purge vsmartcard-vpcd, or remove its entry; restart pcscd"
		_, number, _ := strings.Cut(e.device, ":")
		port, _ := strconv.ParseInt(number, 0, 32)
		if addrs, _ := d.listening(int(port)); len(addrs) > 0 {
			return Fail(do, "the reader %q of vpcd listens on port %d of %s: whoever connects is a card in it", e.name,
				port, addrs[0])
		}
		return Warn(do, "%s has the reader %q of vpcd, which listens on all interfaces when pcscd runs", e.file, e.name)
	}
	return Good("no reader of vpcd is left")
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
