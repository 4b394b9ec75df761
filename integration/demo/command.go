package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"tlagate/integration/world"
)

// run runs a program and returns what it printed and its exit code; an error means that it could not be run, or did not
// end in time.
func run(env []string, program string, args ...string) (output string, code int, err error) {
	var printed bytes.Buffer
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &printed, &printed, world.Patience
	if err := cmd.Start(); err != nil {
		return "", 0, fmt.Errorf("cannot run %s: %w", program, err)
	}
	killer := time.AfterFunc(world.Patience, func() { _ = cmd.Process.Kill() })
	defer killer.Stop()
	err = cmd.Wait()
	if exit := new(exec.ExitError); errors.As(err, &exit) && exit.Exited() {
		return printed.String(), exit.ExitCode(), nil
	}
	return printed.String(), 0, err
}

// must runs a program and returns what it printed; it is an error if the program fails.
func must(env []string, program string, args ...string) (string, error) {
	output, code, err := run(env, program, args...)
	if err == nil && code != 0 {
		err = fmt.Errorf("%s failed with exit code %d: %s", program, code, strings.TrimSpace(output))
	}
	return output, err
}

// pdt runs a PC/SC program of the workstation, and shows it.
func (d *demo) pdt(program string, args ...string) (string, error) {
	d.command("pdt", program, args)
	return must(d.lab.PdTReaders.Env(), program, args...)
}

// relay runs a command of the terminal's user, and shows it and its answer.
func (d *demo) relay(args ...string) (code int, err error) {
	path, err := world.Binary("tla-relay")
	if err != nil {
		return 0, err
	}
	d.command("tla", "tla-relay", args)
	output, code, err := run(nil, path, append(args, "--config", d.lab.Path("relay.yaml"))...)
	d.output(output)
	return code, err
}
