package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"tlagate/keys/keystest"
)

// patience is for what must happen, on however slow a machine.
const patience = 2 * time.Minute

// TestSP3PINIsAskedOnTheTerminal: without pin-source a person types the PIN, and it is not shown.
func TestSP3PINIsAskedOnTheTerminal(t *testing.T) {
	token, dir := keystest.NewToken(t), filepath.Join(t.TempDir(), "ca")
	shown, code := atTerminal(t, keystest.PIN, "init", "-d", dir, "--issuing-key-spec", token.Asked("issuing"))
	require.Zero(t, code, shown)
	require.Contains(t, shown, "PIN of token lab token: ")
	require.NotContains(t, shown, keystest.PIN)

	shown, code = atTerminal(t, "0000-wrong", "crl", "-d", dir)
	require.Equal(t, 1, code)
	require.Contains(t, shown, "CKR_PIN_INCORRECT")
	require.NotContains(t, shown, "0000-wrong")
	shown, code = atTerminal(t, keystest.PIN, "crl", "-d", dir)
	require.Zero(t, code, shown)
	require.Contains(t, shown, "number 2")
}

// atTerminal runs tla-pki on a terminal of its own and types a line once the program has switched its echo off.
func atTerminal(t *testing.T, line string, args ...string) (shown string, code int) {
	master, slave := pty(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience) // it may ask for more than it is told
	defer cancel()
	command := exec.CommandContext(ctx, "tla-pki", args...)
	command.Stdin, command.Stdout, command.Stderr = slave, slave, slave
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	require.NoError(t, command.Start())
	require.NoError(t, slave.Close())
	var out bytes.Buffer
	read := make(chan struct{})
	go func() { defer close(read); _, _ = io.Copy(&out, master) }()
	require.Eventually(t, func() bool { return !echoes(t, master) }, patience, 2*time.Millisecond)
	_, err := fmt.Fprintln(master, line)
	require.NoError(t, err)
	_ = command.Wait()
	<-read
	return out.String(), command.ProcessState.ExitCode()
}

func echoes(t *testing.T, master *os.File) bool {
	state, err := unix.IoctlGetTermios(int(master.Fd()), unix.TCGETS)
	require.NoError(t, err)
	return state.Lflag&unix.ECHO != 0
}

func pty(t *testing.T) (master, slave *os.File) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	require.NoError(t, err)
	t.Cleanup(func() { master.Close() })
	require.NoError(t, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	return master, slave
}
