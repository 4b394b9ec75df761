package world

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Terminal is a terminal of tmux's with a program in it: what a person at a screen and a keyboard has before them.
type Terminal struct{ socket string }

// terminalConfig leaves the whole screen to the program, and keeps its last words visible when it has ended.
const terminalConfig = "set -g status off\nset -g remain-on-exit on\nset -g escape-time 0\n"

// OpenTerminal runs a program in a terminal. dir is for the terminal's own files; env has more variables for the
// program.
func OpenTerminal(dir string, width, height int, env []string, program string, args ...string) (*Terminal, error) {
	conf := filepath.Join(dir, "tmux.conf")
	if err := os.WriteFile(conf, []byte(terminalConfig), 0o600); err != nil {
		return nil, err
	}
	t := &Terminal{filepath.Join(dir, "tmux")}
	start := []string{"-f", conf, "new-session", "-d", "-x", strconv.Itoa(width), "-y", strconv.Itoa(height)}
	for _, v := range env {
		start = append(start, "-e", v)
	}
	_, err := t.Do(append(append(start, program), args...)...)
	return t, err
}

// Do runs a command of tmux.
func (t *Terminal) Do(args ...string) (string, error) {
	return Run(Patience, []string{"LC_ALL=C.UTF-8", "TERM=screen-256color"},
		"tmux", append([]string{"-u", "-S", t.socket}, args...)...)
}

// Press presses keys, which have tmux's names.
func (t *Terminal) Press(keys ...string) error {
	_, err := t.Do(append([]string{"send-keys"}, keys...)...)
	return err
}

// Screen returns what the user sees.
func (t *Terminal) Screen() (string, error) { return t.Do("capture-pane", "-p") }

// WaitFor waits until the screen shows one of parts, and returns the screen.
func (t *Terminal) WaitFor(limit time.Duration, parts ...string) (screen string, err error) {
	err = Poll(limit, fmt.Sprintf("the screen to show one of %q", parts), func() (err error) {
		if screen, err = t.Screen(); err != nil {
			return err
		}
		for _, p := range parts {
			if strings.Contains(screen, p) {
				return nil
			}
		}
		return fmt.Errorf("it shows\n%s", screen)
	})
	return screen, err
}

// PID returns the program's.
func (t *Terminal) PID() (int, error) {
	out, err := t.Do("display-message", "-p", "#{pane_pid}")
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(out))
}

// Close ends the terminal and its program, and waits until both have ended.
func (t *Terminal) Close() error {
	pid, err := t.PID()
	if err != nil {
		return err
	}
	if _, err := t.Do("kill-server"); err != nil {
		return err
	}
	return Poll(Patience, "the program in the terminal to end", func() error {
		if _, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); err == nil {
			return fmt.Errorf("%d lives", pid)
		}
		return nil
	})
}
