package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
)

func main() {
	small := flag.Bool("small", false,
		"run the short form of each command: to see that it works, not for its figures")
	flag.Parse()
	if err := run(os.Stdout, pages, *small); err != nil {
		fmt.Fprintln(os.Stderr, "claims:", err)
		os.Exit(1)
	}
}

func run(out io.Writer, pages []page, small bool) error {
	for _, p := range pages {
		fmt.Fprintf(out, "%s:\n\n", p.file)
		for _, c := range p.claims {
			if err := c.print(out, small); err != nil {
				return fmt.Errorf("cannot make the figures of %s: %w", p.file, err)
			}
		}
		fmt.Fprintln(out)
	}
	return nil
}

// print runs the command and writes the rows as the page should have them.
func (c claim) print(out io.Writer, small bool) error {
	said, err := c.execute(small)
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

// execute runs the command and returns its standard output.
func (c claim) execute(small bool) (string, error) {
	command := c.how
	if small {
		command = c.small
	}
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
