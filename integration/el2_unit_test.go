package integration

import (
	"bufio"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/integration/world"
)

// unitOf returns the unit of a program: the relay's package has its own.
func unitOf(t *testing.T, program string) string {
	root, err := world.ModuleRoot()
	require.NoError(t, err)
	if program == "tla-relay" {
		return filepath.Join(root, "deploy/relay/tla-relay.service")
	}
	return filepath.Join(root, "deploy/examples", program+".service")
}

// TestEL2UnitIsHardened: the unit exposes little, and has no setting that it must not have.
func TestEL2UnitIsHardened(t *testing.T) {
	unit := unitOf(t, "tla-relay")
	exposesLittle(t, unit)
	require.Empty(t, unitLines(t, unit, "PrivateUsers"), "behind it SO_PEERCRED tells no user from another (C4)")
	for name, want := range map[string]string{"LimitCORE": "0", "MemorySwapMax": "0", "SocketBindDeny": "any",
		"CapabilityBoundingSet": ""} {
		require.Equal(t, []string{want}, unitLines(t, unit, name), name)
	}
}

// exposesLittle asserts that systemd rates the exposure of a unit, from 0 (nothing) to 10, at no more than 2.
func exposesLittle(t *testing.T, unit string) {
	analyze := []string{"security", "--offline=true", "--threshold=20", "--no-pager", unit}
	_, err := world.Run(patience, nil, "systemd-analyze", analyze...)
	require.NoError(t, err, "its exposure is more than 2.0: systemd-analyze security --offline=true %s", unit)
}

// TestDL2ServerUnitsAreHardened: the units in deploy/examples.
func TestDL2ServerUnitsAreHardened(t *testing.T) {
	root, err := world.ModuleRoot()
	require.NoError(t, err)
	units, err := filepath.Glob(filepath.Join(root, "deploy/examples/*.service"))
	require.NoError(t, err)
	require.Len(t, units, 6)
	for _, unit := range units {
		exposesLittle(t, unit)
		require.Empty(t, unitLines(t, unit, "PrivateUsers"), "%s: behind it SO_PEERCRED tells no user from another",
			unit)
		for name, want := range map[string]string{"LimitCORE": "0", "MemorySwapMax": "0", "CapabilityBoundingSet": ""} {
			require.Equal(t, []string{want}, unitLines(t, unit, name), "%s: %s", unit, name)
		}
	}
}

// unitLines returns the values of a setting, in their order.
func unitLines(t *testing.T, unit, name string) (values []string) {
	text, err := os.ReadFile(unit)
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+"="); ok {
			values = append(values, value)
		}
	}
	return values
}

// allowedCalls returns the system calls that the unit allows, by systemd's rules: lists are merged in their order, and
// ~ removes.
func allowedCalls(t *testing.T, unit string) map[string]bool {
	allowed := map[string]bool{}
	for _, list := range unitLines(t, unit, "SystemCallFilter") {
		list, takes := strings.CutPrefix(list, "~")
		for _, call := range expand(t, strings.Fields(list)) {
			if takes {
				delete(allowed, call)
			} else {
				allowed[call] = true
			}
		}
	}
	return allowed
}

// expand resolves systemd's groups of system calls.
func expand(t *testing.T, names []string) (calls []string) {
	for _, name := range names {
		if !strings.HasPrefix(name, "@") {
			calls = append(calls, name)
			continue
		}
		out, err := world.Run(patience, nil, "systemd-analyze", "--no-pager", "syscall-filter", name)
		require.NoError(t, err)
		var members []string
		for line := range strings.Lines(out) {
			if member := strings.TrimSpace(line); member != "" && member != name && !strings.HasPrefix(member, "#") {
				members = append(members, member)
			}
		}
		calls = append(calls, expand(t, members)...)
	}
	return calls
}

// traceRelay returns a tla-relay whose daemon's system calls are written to the file calls, without their data.
func traceRelay(t *testing.T) (program, calls string) {
	real := copyRelay(t)
	dir := t.TempDir()
	program, calls = filepath.Join(dir, "tla-relay"), filepath.Join(dir, "calls")
	script := fmt.Sprintf("#!/bin/sh\n[ \"$1\" != run ] || exec strace -D -f -qq -s 0 -o %s %s \"$@\"\n"+
		"exec %s \"$@\"\n", calls, real, real)
	require.NoError(t, os.WriteFile(program, []byte(script), 0o755))
	return program, calls
}

var tracedCall = regexp.MustCompile(`^\d+ +([a-z0-9_]+)\((.*)`)

// calls returns the system calls of a trace, each with one example of its arguments, and all calls for memory or
// sockets.
func calls(t *testing.T, file string) (first map[string]string, delicate []string) {
	f, err := os.Open(file)
	require.NoError(t, err)
	defer f.Close()
	first = map[string]string{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		m := tracedCall.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		if _, seen := first[m[1]]; !seen {
			first[m[1]] = m[2]
		}
		if slices.Contains([]string{"mmap", "mprotect", "socket", "bind", "listen", "execve"}, m[1]) {
			delicate = append(delicate, m[1]+"("+m[2])
		}
	}
	return first, delicate
}

// TestEL2UnitAllowsWhatTheRelayCalls: a sandboxed relay that is enrolled, serves a session, renews its certificate and
// writes a trace makes no system call that the unit forbids, has no memory that is both writable and executable, and no
// socket of a kind that the unit forbids.
func TestEL2UnitAllowsWhatTheRelayCalls(t *testing.T) {
	b := newBoxBed(t)
	var file string
	b.RelayProgram, file = traceRelay(t)
	require.NoError(t, b.StartReaders())
	require.NoError(t, b.InsertCards())
	b.enrolGateway(t)
	b.enrolDevices(t)
	require.NoError(t, b.StartPdT())
	require.NoError(t, b.StartRelay(renewAtOnce, "audit: "+b.Path("audit.jsonl")))
	logged(t, b.RelayProc, 0, "andbox", "landlock=")
	old := serial(t, b.TLAKeys.Cert)
	startSession(t, b.Lab)
	countVisit(t, b.Lab)
	renewed(t, b.TLAKeys.Cert, old)
	logged(t, b.RelayProc, 0, "certificate renewed")
	require.NoError(t, b.RelayProc.Stop())
	kinds := kindsOf(first(traced(t, b.Path("audit.jsonl"), 0)))
	require.Subset(t, kinds, []string{"renewal.done", "certificate.changed", "program.stop"},
		"what is in the sandbox is recorded")

	used, delicate := calls(t, file)
	require.Greater(t, len(used), 30)
	require.Contains(t, used, "landlock_restrict_self")
	unitAllows(t, unitOf(t, "tla-relay"), used)
	for _, call := range delicate {
		require.NotRegexp(t, `PROT_WRITE\|PROT_EXEC|PROT_READ\|PROT_WRITE\|PROT_EXEC`, call, "MemoryDenyWriteExecute")
		require.NotRegexp(t, `^socket\((AF_[^UI]|AF_INET6?, [^,]*SOCK_RAW)`, call, "RestrictAddressFamilies")
		require.NotRegexp(t, `^bind\(.*AF_INET`, call, "SocketBindDeny")
	}
	require.Equal(t, 1, strings.Count(strings.Join(delicate, "\n"), "execve("), "its own start")
}

// unitAllows asserts that a unit's filter allows what a program called; used has an example of each.
func unitAllows(t *testing.T, unit string, used map[string]string) {
	t.Helper()
	allowed := allowedCalls(t, unit)
	for _, call := range slices.Sorted(maps.Keys(used)) {
		require.True(t, allowed[call], "%s forbids %s(%s", filepath.Base(unit), call, used[call])
	}
}

func first[A, B any](a A, _ B) A { return a }

// maxResident is how much memory, in kB, a relay in a session may use: a terminal has little.
const maxResident = 25 << 10

// TestEL2RelayIsSmall: in a session, after a visit, with the program as it is built for use.
func TestEL2RelayIsSmall(t *testing.T) {
	l := newLab(t)
	require.NoError(t, l.RelayProc.Stop())
	require.NoError(t, l.StartRelay("audit: "+l.Path("audit.jsonl"))) // with a trace it reads the long list of packages
	startSession(t, l)
	for range 5 {
		countVisit(t, l)
	}
	now, most := resident(t, l.RelayProc.PID())
	t.Logf("the relay has %d kB resident in a session, %d at most", now, most)
	require.LessOrEqual(t, now, maxResident)
}

// resident returns VmRSS and VmHWM of a process, in kB.
func resident(t *testing.T, pid int) (now, most int) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		_, _ = fmt.Sscanf(line, "VmRSS: %d kB", &now)
		_, _ = fmt.Sscanf(line, "VmHWM: %d kB", &most)
	}
	require.NotZero(t, now)
	return now, most
}
