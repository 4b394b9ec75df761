package world

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Run runs a program to its end and returns its standard output. The error names the program and quotes its standard
// error.
func Run(timeout time.Duration, env []string, name string, args ...string) (string, error) {
	return Type(timeout, "", env, name, args...)
}

// Type is Run with something typed into the program's standard input.
func Type(timeout time.Duration, typed string, env []string, name string, args ...string) (string, error) {
	var out, errs bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdin = strings.NewReader(typed)
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = lastWords
	if err := cmd.Start(); err != nil {
		return "", fmt.Errorf("cannot run %s: %w", name, err)
	}
	killer := time.AfterFunc(timeout, func() { _ = cmd.Process.Kill() })
	defer killer.Stop()
	if err := cmd.Wait(); err != nil {
		return out.String(), fmt.Errorf("%s failed: %w: %s", name, err, strings.TrimSpace(errs.String()))
	}
	return out.String(), nil
}
