package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"sync"
)

func main() {
	small := flag.Bool("small", false,
		"run the short form of each command, all at once: to see that it works, not for its figures")
	flag.Parse()
	if err := run(os.Stdout, pages, *small); err != nil {
		fmt.Fprintln(os.Stderr, "claims:", err)
		os.Exit(1)
	}
}

func run(out io.Writer, pages []page, small bool) error {
	said, wait := start(pages, small)
	defer wait()
	for _, p := range pages {
		fmt.Fprintf(out, "%s:\n\n", p.file)
		for _, c := range p.claims {
			if err := c.print(out, said[c.command(small)]); err != nil {
				return fmt.Errorf("cannot make the figures of %s: %w", p.file, err)
			}
		}
		fmt.Fprintln(out)
	}
	return nil
}

// start returns what each command says, by command, and what waits for those that run. A command runs when it is asked
// for, alone; the short ones run at once.
func start(pages []page, small bool) (said map[string]func() (string, error), wait func()) {
	var running sync.WaitGroup
	said = map[string]func() (string, error){}
	for _, command := range commands(pages, small) {
		one := sync.OnceValues(func() (string, error) { return execute(command) })
		said[command] = one
		if small {
			running.Go(func() { _, _ = one() })
		}
	}
	return said, running.Wait
}

// commands returns the commands of all claims, each once.
func commands(pages []page, small bool) (list []string) {
	for _, p := range pages {
		for _, c := range p.claims {
			if command := c.command(small); !slices.Contains(list, command) {
				list = append(list, command)
			}
		}
	}
	return list
}

func (c claim) command(small bool) string {
	if small {
		return c.small
	}
	return c.how
}

// print writes the rows as the page should have them.
func (c claim) print(out io.Writer, execute func() (string, error)) error {
	said, err := execute()
	if err != nil {
		return err
	}
	if len(c.rows) == 0 {
		_, err = fmt.Fprintln(out, said)
		return err
	}
	for i, r := range c.rows {
		figure, err := r.find(said)
		if err != nil {
			return fmt.Errorf("%s: %w; it said:\n%s", c.how, err, said)
		}
		fmt.Fprintln(out, r.line(figure, c.cell(i)))
	}
	return nil
}

// execute runs a command and returns its standard output.
func execute(command string) (string, error) {
	fmt.Fprintln(os.Stderr, command)
	sh := exec.Command("sh", "-c", command)
	sh.Stderr = os.Stderr
	said, err := sh.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w; it said:\n%s", command, err, said)
	}
	return string(said), nil
}

func (r row) find(said string) (string, error) {
	pattern := regexp.MustCompile(r.pattern)
	at := pattern.FindStringSubmatchIndex(said)
	if at == nil {
		return "", fmt.Errorf("cannot find %q in its output", r.what)
	}
	return string(pattern.ExpandString(nil, r.figure, said, at)), nil
}

func (r row) line(figure, how string) string {
	return "| " + r.what + " | " + figure + " | " + how + "|"
}

// cell returns the last cell of row i: the command, in its first row.
func (c claim) cell(i int) string {
	if i > 0 {
		return ""
	}
	return "`" + c.how + "` "
}
