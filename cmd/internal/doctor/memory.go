package doctor

import (
	"path/filepath"
	"strconv"
	"strings"
)

// Memory returns the checks of what could bring card data or a PIN from memory to a disk (EL3, DL5).
func (s System) Memory() []Check {
	return []Check{s.linux("swap", s.swap), s.linux("hibernation", s.hibernation), s.linux("core dumps", s.coreDumps)}
}

// swap checks that no swap is on a disk unencrypted; one that is compressed in memory does no harm.
func (s System) swap() Finding {
	names, err := s.swaps()
	if err != nil {
		return Cannot("", "/proc/swaps cannot be read: %v", err)
	}
	var plain []string
	for _, name := range names {
		if !s.harmless(name) {
			plain = append(plain, name)
		}
	}
	switch {
	case len(plain) > 0:
		return Fail("swapoff -a, and remove the line in /etc/fstab; or encrypt it with a random key (crypttab: swap)",
			"swap is on and not encrypted: %s; card data can get to the disk", strings.Join(plain, ", "))
	case len(names) > 0:
		return Good("swap is encrypted or in memory: %s", strings.Join(names, ", "))
	}
	return Good("there is no swap")
}

func (s System) swaps() (names []string, err error) {
	text, err := s.read("/proc/swaps")
	for i, line := range strings.Split(strings.TrimSpace(text), "\n") {
		if fields := strings.Fields(line); i > 0 && len(fields) > 0 {
			names = append(names, fields[0])
		}
	}
	return names, err
}

func (s System) harmless(device string) bool {
	base := filepath.Base(device)
	uuid, err := s.read("/sys/block/" + base + "/dm/uuid")
	return strings.HasPrefix(base, "zram") || err == nil && strings.HasPrefix(uuid, "CRYPT-")
}

// hibernation checks that the machine cannot hibernate, which would write all of its memory to the swap.
func (s System) hibernation() Finding {
	state, err := s.read("/sys/power/state")
	if err != nil || !strings.Contains(" "+strings.TrimSpace(state)+" ", " disk ") {
		return Good("this kernel cannot hibernate")
	}
	mode, _ := s.read("/sys/power/disk")
	names, err := s.swaps()
	switch {
	case strings.Contains(mode, "[disabled]"):
		return Good("hibernation is disabled")
	case s.masked("hibernate.target") && s.masked("hybrid-sleep.target"):
		return Good("hibernation is masked")
	case err == nil && len(names) == 0:
		return Good("there is no swap to hibernate to")
	}
	return Warn("systemctl mask hibernate.target hybrid-sleep.target suspend-then-hibernate.target",
		"this machine can hibernate: all of its memory would be written to the disk")
}

func (s System) masked(unit string) bool {
	to, err := filepath.EvalSymlinks(s.path("/etc/systemd/system/" + unit))
	return err == nil && filepath.Base(to) == "null"
}

// coreDumps checks that our daemon dumps no core. A pipe gets the dump whatever the limit is; systemd-coredump honours
// the limit all the same.
func (s System) coreDumps() Finding {
	text, err := s.read("/proc/sys/kernel/core_pattern")
	if err != nil {
		return Cannot("", "core_pattern cannot be read: %v", err)
	}
	pattern := strings.TrimSpace(text)
	if pattern == "" {
		return Good("the kernel writes no core dumps")
	}
	limit, from := s.coreLimit()
	switch {
	case limit == "":
		return Cannot(asRoot+", while "+s.Program+" runs", "the limit of %s cannot be seen, and dumps go to %q",
			s.Program, pattern)
	case limit != "0":
		return Fail("set LimitCORE=0 in the unit of "+s.Program,
			"%s may dump core to %q (%s): card data would be in it", s.Program, pattern, from)
	case strings.HasPrefix(pattern, "|") && !strings.Contains(pattern, "systemd-coredump"):
		return Warn("sysctl kernel.core_pattern= , or see that the program it names honours a limit of 0",
			"dumps are piped to %q whatever the limit is", pattern)
	}
	return Good("%s dumps no core (%s)", s.Program, from)
}

// coreLimit returns the limit of the running daemon, or else of its unit, and where it comes from. Where several may
// run, nothing says which unit is that of one that does not.
func (s System) coreLimit() (limit, from string) {
	for _, p := range s.daemons() {
		if limit, err := p.limit("Max core file size"); err == nil {
			return limit, "limit of process " + strconv.Itoa(p.pid) + ": " + limit
		}
	}
	lines := s.unit(s.Program + ".service")
	if len(lines) == 0 || s.Daemon != nil {
		return "", ""
	}
	limit, _, _ = strings.Cut(setting(lines, "LimitCORE"), ":") // soft:hard
	if limit == "" {
		return "not set", "its unit sets no LimitCORE"
	}
	return limit, "LimitCORE=" + limit + " in its unit"
}

// Locked returns the check that size octets of memory, for a PIN, can be locked (SP4).
func (s System) Locked(size int) Check {
	return s.linux("locked memory", func() Finding {
		limit, whose := "", ""
		for _, p := range append(s.daemons(), process{dir: s.path("/proc/self")}) {
			var err error
			if limit, err = p.limit("Max locked memory"); err == nil {
				whose = map[bool]string{true: "this command", false: s.Program}[p.pid == 0]
				break
			}
		}
		n, err := strconv.Atoi(limit)
		switch {
		case limit == "unlimited" || err == nil && n >= size:
			return Good("%s may lock %s octets, a PIN takes %d", whose, limit, size)
		case limit == "":
			return Cannot(asRoot, "the limit cannot be seen")
		}
		return Fail("set LimitMEMLOCK=64K in the unit of "+s.Program,
			"%s may lock %s octets and a PIN takes %d: it could not be entered", whose, limit, size)
	})
}
