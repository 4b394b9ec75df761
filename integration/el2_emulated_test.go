package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/integration/lab"
	"tlagate/tla"
)

// armEnv names a directory with a tla-relay for arm64, as world.BinEnv does with this machine's programs:
// cross-building is no part of a test. `make arm` builds it and runs the test.
const armEnv = "TLAGATE_ARM64_BIN"

const emulator = "qemu-aarch64-static"

// needArm skips the test where there is no program for arm64, or nothing to run it.
func needArm(t *testing.T) (program string) {
	t.Helper()
	dir := os.Getenv(armEnv)
	if dir == "" {
		t.Skip(armEnv + " names no directory with a tla-relay for arm64; run: make arm")
	}
	const install = "; run: deploy/need.sh $(deploy/packages.sh cross)"
	if _, err := exec.LookPath(emulator); err != nil {
		t.Skip("there is no " + emulator + install)
	}
	const loader = "/lib/ld-linux-aarch64.so.1"
	if _, err := os.Stat(loader); err != nil {
		t.Skip("there is no " + loader + install)
	}
	program, err := filepath.Abs(filepath.Join(dir, "tla-relay"))
	require.NoError(t, err)
	require.FileExists(t, program)
	return program
}

// emulated returns a script that runs a program for arm64 in the emulator.
func emulated(t *testing.T, program string) (script string) {
	t.Helper()
	script = filepath.Join(t.TempDir(), "tla-relay")
	require.NoError(t, os.WriteFile(script, fmt.Appendf(nil, "#!/bin/sh\nexec %s %s \"$@\"\n", emulator, program),
		0o755))
	return script
}

// TestEL2ArmRelayServesASession: the program for arm64 is the relay of a real session, with the libpcsclite for arm64
// and a real pcscd.
func TestEL2ArmRelayServesASession(t *testing.T) {
	program := needArm(t)
	l := newLab(t, func(l *lab.Lab) { l.RelayProgram = emulated(t, program) })
	exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", l.RelayProc.PID()))
	require.NoError(t, err)
	require.Contains(t, exe, "qemu-aarch64", "the daemon is the emulated one")
	logged(t, l.RelayProc, 0, "the sandbox is not complete") // best effort: the emulator has no Landlock

	waitRelay(t, l, "both readers, with a card each", func(s *tla.Status) bool {
		return len(s.Readers) == 2 && s.Readers[0].Card != nil && s.Readers[1].Card != nil
	})
	startSession(t, l)
	readVitale(t, l)
	countVisit(t, l)
	l.VitaleSlot.Remove()
	waitCard(t, l.PdTReaders, vitaleSlot, false)
	require.NoError(t, l.VitaleSlot.Insert(l.Vitale))
	waitSerial(t, l, l.Vitale)
	_, err = l.Relay("stop")
	require.NoError(t, err)
	waitCard(t, l.PdTReaders, vitaleSlot, false)
}
