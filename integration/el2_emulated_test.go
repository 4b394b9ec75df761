package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/integration/world"
	"tlagate/tla"
)

// crossTime is for compiling everything from nothing, on a slow machine.
const crossTime = 10 * time.Minute

const emulator = "qemu-aarch64-static"

// needArm skips where an arm64 program can be neither built nor run: .ci/run installs what it takes.
func needArm(t *testing.T) {
	t.Helper()
	const install = "; run: deploy/need.sh $(deploy/packages.sh cross)"
	for _, program := range []string{"aarch64-linux-gnu-gcc", emulator} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip("there is no " + program + install)
		}
	}
	for _, file := range []string{"/lib/ld-linux-aarch64.so.1", "/usr/lib/aarch64-linux-gnu/pkgconfig/libpcsclite.pc"} {
		if _, err := os.Stat(file); err != nil {
			t.Skip("there is no " + file + install)
		}
	}
}

// armRelay has every tla-relay of this test be the one that `make cross` makes for arm64, run by the emulator.
func armRelay(t *testing.T) {
	t.Helper()
	needArm(t)
	root, err := world.ModuleRoot()
	require.NoError(t, err)
	dir := copyPrograms(t)
	_, err = world.Run(crossTime, []string{"PROGRAMS=tla-relay", "VERSION=0.0.0-test"}, filepath.Join(root, "deploy/cross.sh"), dir, "arm64")
	require.NoError(t, err)
	script := fmt.Sprintf("#!/bin/sh\nexec %s %s \"$@\"\n", emulator, filepath.Join(dir, "arm64/tla-relay"))
	require.NoError(t, os.Remove(filepath.Join(dir, "tla-relay")))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "tla-relay"), []byte(script), 0o755))
}

// TestEL2ArmRelayServesASession: the program for arm64 is the relay of a real session, with the arm64 libpcsclite at a real pcscd.
func TestEL2ArmRelayServesASession(t *testing.T) {
	armRelay(t)
	l := newLab(t)
	out, err := l.Run("tla-relay", "--version")
	require.NoError(t, err)
	require.Contains(t, out, "0.0.0-test")
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
