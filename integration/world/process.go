package world

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Command describes a process to start.
type Command struct {
	Name string    // for messages; "" = Path
	Path string    // looked up in PATH when it has no slash
	Args []string  // without the program's name
	Env  []string  // added to our environment
	Dir  string    // "" = ours
	Sock *os.File  // a listening socket that it is passed as systemd does, under the name listen; nil = none
	Over Over      // nil = it sees the same files as this process
	Echo io.Writer // also gets each line of output, prefixed by Name; nil = nobody
}

// Process is a running program. Its standard output and standard error are collected as one sequence of lines. Safe for
// concurrent use.
type Process struct {
	name string
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended and its output is read

	mu    sync.Mutex // protects the rest
	lines []string
	more  chan struct{} // closed and replaced at each new line
	err   error         // of Wait; valid once done is closed
}

// ErrTimeout is wrapped by the errors of this package about something that takes too long.
var ErrTimeout = errors.New("timed out")

// lastWords is how long the output of an ended process is still read while a grandchild keeps it open: what the process
// said before it ended must be read, on a slow machine as well.
const lastWords = 5 * time.Second

// maxLine bounds a line of output; longer ones are cut into pieces.
const maxLine = 64 << 10

// Start starts a program that is killed when this process dies.
func Start(c Command) (*Process, error) {
	if c.Name == "" {
		c.Name = c.Path
	}
	cmd := exec.Command(c.Path, c.Args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	c.Over.cover(cmd)
	cmd.Env, cmd.Dir = append(os.Environ(), c.Env...), c.Dir
	if c.Sock != nil {
		pass(cmd, c.Sock)
	}
	return launch(c, cmd)
}

// pass has a program find a listening socket as sd_listen_fds(3) says; the shell in between knows the process's number.
func pass(cmd *exec.Cmd, socket *os.File) {
	cmd.ExtraFiles = []*os.File{socket}
	cmd.Env = append(cmd.Env, "LISTEN_FDS=1", "LISTEN_FDNAMES=listen")
	cmd.Args = append([]string{"sh", "-c", `export LISTEN_PID=$$; exec "$0" "$@"`, cmd.Path}, cmd.Args[1:]...)
	cmd.Path = "/bin/sh"
}

func launch(c Command, cmd *exec.Cmd) (*Process, error) {
	ours, theirs, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("cannot start %s: %w", c.Name, err)
	}
	defer theirs.Close()
	cmd.Stdout, cmd.Stderr = theirs, theirs
	if err := cmd.Start(); err != nil {
		_ = ours.Close()
		return nil, fmt.Errorf("cannot start %s: %w", c.Name, err)
	}
	p := &Process{name: c.Name, cmd: cmd, done: make(chan struct{}), more: make(chan struct{})}
	go p.watch(ours, c.Echo)
	return p, nil
}

// watch collects the output, then the exit status. A grandchild may keep the pipe open, so it stops reading some time
// after the process's end.
func (p *Process) watch(output *os.File, echo io.Writer) {
	read := make(chan struct{})
	go func() {
		defer close(read)
		p.collect(output, echo)
	}()
	err := p.cmd.Wait()
	_ = output.SetReadDeadline(time.Now().Add(lastWords))
	<-read
	_ = output.Close()
	p.mu.Lock()
	p.err = err
	p.mu.Unlock()
	close(p.done)
}

func (p *Process) collect(output io.Reader, echo io.Writer) {
	r := bufio.NewReaderSize(output, maxLine)
	for {
		line, err := r.ReadSlice('\n')
		if len(line) > 0 {
			p.add(string(bytes.TrimRight(line, "\r\n")), echo)
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

func (p *Process) add(line string, echo io.Writer) {
	if echo != nil {
		fmt.Fprintf(echo, "%s: %s\n", p.name, line)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lines = append(p.lines, line)
	close(p.more)
	p.more = make(chan struct{})
}

// PID returns the process's number in this world.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done returns a channel that is closed when the process has ended and its output is complete.
func (p *Process) Done() <-chan struct{} { return p.done }

// Lines returns the output so far.
func (p *Process) Lines() []string { return p.From(0) }

// Mark returns the current end of the output, for [Process.From] and [Process.WaitLineFrom]: the number of lines so
// far.
func (p *Process) Mark() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.lines)
}

// From returns the output after a mark.
func (p *Process) From(mark int) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.lines[min(mark, len(p.lines)):]...)
}

// WaitLine waits for a line, past or future, that contains every one of parts.
func (p *Process) WaitLine(timeout time.Duration, parts ...string) (string, error) {
	return p.WaitLineFrom(0, timeout, parts...)
}

// WaitLineFrom is WaitLine for lines after a mark.
func (p *Process) WaitLineFrom(mark int, timeout time.Duration, parts ...string) (string, error) {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	for ended := false; ; {
		more := p.moreLines()
		if line, ok := find(p.From(mark), parts); ok {
			return line, nil
		}
		if ended {
			return "", p.complain(mark, parts, errors.New("it ended"))
		}
		select {
		case <-more:
		case <-p.done:
			ended = true
		case <-timer.C:
			return "", p.complain(mark, parts, fmt.Errorf("%w after %v", ErrTimeout, timeout))
		}
	}
}

func (p *Process) moreLines() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.more
}

func find(lines, parts []string) (string, bool) {
	for _, line := range lines {
		if containsAll(line, parts) {
			return line, true
		}
	}
	return "", false
}

func containsAll(line string, parts []string) bool {
	for _, part := range parts {
		if !strings.Contains(line, part) {
			return false
		}
	}
	return true
}

func (p *Process) complain(mark int, parts []string, why error) error {
	said := p.From(mark)
	said = said[max(0, len(said)-30):]
	return fmt.Errorf("cannot see a line with %q from %s: %w; it last said:\n  %s",
		parts, p.name, why, strings.Join(said, "\n  "))
}

// Wait waits for the end and returns the exit code: as in a shell, 128 plus the signal's number if a signal ended it.
func (p *Process) Wait(timeout time.Duration) (int, error) {
	select {
	case <-p.done:
		return p.code(), nil
	default:
	}
	select {
	case <-p.done:
		return p.code(), nil
	case <-time.After(timeout):
		return -1, fmt.Errorf("cannot wait longer for %s: %w after %v", p.name, ErrTimeout, timeout)
	}
}

func (p *Process) code() int {
	state := p.cmd.ProcessState
	if how, ok := state.Sys().(syscall.WaitStatus); ok && how.Signaled() {
		return 128 + int(how.Signal())
	}
	return state.ExitCode()
}

// Signal sends sig; that the process has ended is no error.
func (p *Process) Signal(sig os.Signal) error {
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("cannot signal %s: %w", p.name, err)
	}
	return nil
}

// stopTime is how long a program may take to end after SIGTERM. The gateway takes up to ten seconds for its sessions.
const stopTime = Patience

// Stop ends the process with SIGTERM, if need be with SIGKILL, which is an error, and waits for its end. Stopping an
// ended process does nothing.
func (p *Process) Stop() error {
	if err := p.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if _, err := p.Wait(stopTime); err != nil {
		p.Kill()
		return fmt.Errorf("cannot stop %s by SIGTERM (killed): %w", p.name, err)
	}
	return nil
}

// Kill ends the process with SIGKILL and waits for its end.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}
