package main

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// exits runs a program and requires that very exit code: exits 2 tla-pki verify …
// What it printed is in the files out and err.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	code, stdout, stderr := runIn(ts, args[1:])
	ts.Logf("[stdout]\n%s[stderr]\n%s", stdout, stderr)
	ts.Check(writeFile(ts, "out", stdout))
	ts.Check(writeFile(ts, "err", stderr))
	if code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
}

func runIn(ts *testscript.TestScript, args []string) (code int, stdout, stderr string) {
	program, err := exec.LookPath(args[0])
	if err != nil {
		for _, dir := range strings.Split(ts.Getenv("PATH"), ":") {
			if found, err := exec.LookPath(dir + "/" + args[0]); err == nil {
				program = found
				break
			}
		}
	}
	var out, errs strings.Builder
	command := exec.Command(program, args[1:]...)
	command.Dir, command.Stdout, command.Stderr = ts.MkAbs("."), &out, &errs
	command.Env = []string{"PATH=" + ts.Getenv("PATH"), "HOME=" + ts.Getenv("HOME")}
	if err := command.Run(); err != nil && command.ProcessState == nil {
		ts.Fatalf("cannot run %s: %v", args[0], err)
	}
	return command.ProcessState.ExitCode(), out.String(), errs.String()
}

// lastLine requires the last line of the file out to be exactly its argument, or to begin with it when that ends in
// "…".
func lastLine(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: lastline TEXT")
	}
	lines := strings.Split(strings.TrimSuffix(ts.ReadFile("out"), "\n"), "\n")
	last := lines[len(lines)-1]
	start, open := strings.CutSuffix(args[0], "…")
	if last != args[0] && !(open && strings.HasPrefix(last, start)) {
		ts.Fatalf("last line is %q, want %q", last, args[0])
	}
}

// appears waits for a file.
func appears(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: appears FILE")
	}
	until(ts, args[0]+" appears", func() bool {
		_, err := os.Lstat(ts.MkAbs(args[0]))
		return err == nil
	})
}

// logs waits until a file has a text.
func logs(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: logs FILE TEXT")
	}
	until(ts, args[0]+" has "+args[1], func() bool {
		text, _ := os.ReadFile(ts.MkAbs(args[0]))
		return strings.Contains(string(text), args[1])
	})
}

func until(ts *testscript.TestScript, what string, f func() bool) {
	for end := time.Now().Add(patience); !f(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			ts.Fatalf("it did not come: %s", what)
		}
	}
}

func writeFile(ts *testscript.TestScript, name, text string) error {
	return os.WriteFile(ts.MkAbs(name), []byte(text), 0o600)
}
