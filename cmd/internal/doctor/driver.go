package doctor

import (
	"encoding/hex"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// slots is how many slots, each with a port, a virtual driver's entry has.
const slots = 2

// Driver is the virtual reader driver (vpcd) whose first slot has a port.
type Driver struct {
	System
	Port int
	// returns the packet filter's rules, as nft or iptables-save print them; "" = there are none. nil = ask these
	Rules func() (string, error)
	Addrs func() ([]net.Addr, error) // of this machine; nil = net.InterfaceAddrs
}

// Checks returns the checks of the driver.
func (d Driver) Checks() []Check {
	return []Check{
		d.linux("driver entries", d.entries),
		d.linux("driver listens", d.listens),
		d.linux("driver from outside", d.outside),
		d.linux("driver from this host", d.inside),
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

func (e entry) virtual() bool { return strings.Contains(filepath.Base(e.lib), "vpcd") }

// port returns the port of the first slot: DEVICENAME /dev/null:0x8C7B.
func (e entry) port() int {
	_, number, _ := strings.Cut(e.device, ":")
	n, _ := strconv.ParseInt(number, 0, 32)
	return int(n)
}

func (s System) virtual() []entry {
	return slices.DeleteFunc(s.configured(), func(e entry) bool { return !e.virtual() })
}

// Expected returns the readers that pcscd must have: both slots of the entry with our port.
func (d Driver) Expected() (names []string) {
	for _, e := range d.virtual() {
		if e.port() == d.Port {
			names = append(names, e.name+" 00 00", e.name+" 00 01")
		}
	}
	return names
}

func (d Driver) entries() Finding {
	seen, all := map[string]string{}, d.virtual()
	for _, e := range all {
		if other, twice := seen[e.lib]; twice {
			return Fail("copy the .so under another name for each entry, or run a pcscd for each PdT",
				"the entries %q and %q share %s: its state is static, and only one pair's ports work", other, e.name,
				e.lib)
		}
		seen[e.lib] = e.name
	}
	switch {
	case len(all) == 0:
		return Fail("apt install vsmartcard-vpcd", "pcscd's configuration has no virtual reader (vpcd)")
	case slots*len(d.configured()) > maxReaders && slots*len(all) > maxReaders:
		return Fail("run a pcscd for each PdT, or take entries away",
			"%d virtual entries make %d readers, and pcscd holds %d", len(all), slots*len(all), maxReaders)
	case len(d.Expected()) == 0:
		return Fail("set driver.port to that of DEVICENAME in "+all[0].file, "no virtual entry has port %d; %q has %d",
			d.Port, all[0].name, all[0].port())
	}
	return Good("%d virtual entries, port %d is %q", len(all), d.Port, strings.TrimSuffix(d.Expected()[0], " 00 00"))
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

func (d Driver) listens() Finding {
	for port := d.Port; port < d.Port+slots; port++ {
		addrs, err := d.listening(port)
		switch {
		case err != nil:
			return Cannot("", "the listening ports cannot be seen: %v", err)
		case len(addrs) == 0:
			return Fail("systemctl start pcscd; its log says what became of the driver",
				"nothing listens on port %d: no card can be shown to programs", port)
		}
	}
	return Good("ports %d and %d listen", d.Port, d.Port+slots-1)
}

const fenceUnit = "a drop-in for pcscd.service with [Service] IPAddressDeny=any and IPAddressAllow=localhost; " +
	"restart pcscd"

// outside checks that the network cannot reach vpcd, which listens on all interfaces: what connects to it is a card.
// For that very reason nothing connects to it here.
func (d Driver) outside() Finding {
	open := d.exposed()
	if addrs, _ := d.listening(d.Port); len(addrs) == 0 {
		return Cannot("", "the driver does not listen")
	}
	if len(open) == 0 {
		return Good("the driver listens on loopback alone")
	}
	if d.alone() {
		return Good("this machine has no address but loopback")
	}
	if d.fencedByUnit() {
		return Good("IPAddressDeny of pcscd's unit keeps all but localhost out")
	}
	rules, err := d.rules()
	if err != nil {
		return Cannot(asRoot,
			"the driver listens on %s, pcscd's unit does not fence it, and the packet filter's rules "+
				"cannot be seen", open[0])
	}
	for port := d.Port; port < d.Port+slots; port++ {
		if !filtered(rules, port) {
			return Fail(fenceUnit,
				"port %d of the driver listens on %s and nothing keeps the network out: whoever connects is a card",
				port, open[0])
		}
	}
	return Good("the packet filter keeps the network away from the driver")
}

// exposed returns the addresses, besides loopback, on which the driver listens.
func (d Driver) exposed() (open []netip.Addr) {
	for port := d.Port; port < d.Port+slots; port++ {
		addrs, _ := d.listening(port)
		for _, a := range addrs {
			if !a.IsLoopback() {
				open = append(open, a)
			}
		}
	}
	return open
}

// alone reports whether this machine has no address but loopback.
func (d Driver) alone() bool {
	addrs, err := net.InterfaceAddrs()
	if d.Addrs != nil {
		addrs, err = d.Addrs()
	}
	return err == nil && !slices.ContainsFunc(addrs, func(a net.Addr) bool {
		n, ok := a.(*net.IPNet)
		return !ok || !n.IP.IsLoopback()
	})
}

// fencedByUnit reports whether pcscd's unit denies all addresses, allows localhost at most, and runs the present pcscd.
func (d Driver) fencedByUnit() bool {
	lines := d.unit(pcscdUnit)
	if setting(lines, "IPAddressDeny") != "any" {
		return false
	}
	for _, line := range lines {
		if v, ok := strings.CutPrefix(line, "IPAddressAllow="); ok {
			for _, who := range strings.Fields(v) {
				if who != "localhost" && who != "127.0.0.0/8" && who != "127.0.0.1" && who != "::1" &&
					who != "::1/128" {
					return false
				}
			}
		}
	}
	for _, p := range d.processes("pcscd") {
		group, err := os.ReadFile(filepath.Join(p.dir, "cgroup"))
		if err != nil || !strings.Contains(string(group), pcscdUnit) {
			return false
		}
	}
	return true
}

// inside checks that only one local user can reach the driver: a fence that allows loopback lets every user plug in a
// card.
func (d Driver) inside() Finding {
	const do = "nft: allow the ports to tla-pdt's user alone (tcp dport … meta skuid != tla-pdt reject, in an " +
		"output chain)"
	if addrs, _ := d.listening(d.Port); len(addrs) == 0 {
		return Cannot("", "the driver does not listen")
	}
	rules, err := d.rules()
	if err != nil {
		return Cannot(asRoot, "the packet filter's rules cannot be seen")
	}
	for port := d.Port; port < d.Port+slots; port++ {
		if !ownerOnly(rules, port) {
			return Warn(do, "every user of this host can connect to port %d and be a card", port)
		}
	}
	return Good("the packet filter lets only one user reach the driver")
}
