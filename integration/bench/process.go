package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"tlagate/integration/world"
)

// process is a running PC/SC program.
type process struct {
	cmd     *exec.Cmd
	orders  io.WriteCloser
	answers *json.Decoder
}

func startProgram(env []string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.Command(self, programArg)}
	p.cmd.Env, p.cmd.Stderr = append(os.Environ(), env...), os.Stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if p.orders, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	answers, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.answers = json.NewDecoder(answers)
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("cannot start the PC/SC program: %w", err)
	}
	return p, nil
}

// do sends an order and returns the answer.
func (p *process) do(o order) (a answer, err error) {
	if err := json.NewEncoder(p.orders).Encode(o); err != nil {
		return a, fmt.Errorf("cannot reach the PC/SC program: %w", err)
	}
	if err := p.answers.Decode(&a); err != nil {
		return a, fmt.Errorf("cannot hear the PC/SC program: %w", err)
	}
	if a.Error != "" {
		return a, errors.New(a.Error)
	}
	return a, nil
}

// stop ends the program.
func (p *process) stop() {
	_ = p.orders.Close()
	killer := time.AfterFunc(world.Patience, func() { _ = p.cmd.Process.Kill() })
	defer killer.Stop()
	_ = p.cmd.Wait()
}
