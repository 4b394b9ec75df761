// Command codes prints the rows of docs/annexe7.yaml, and what is wrong with them: `make codes`.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"

	"tlagate/integration/codes"
	"tlagate/integration/world"
)

func main() {
	format := flag.String("format", "text", strings.Join(codes.Formats, ", "))
	flag.Parse()
	if err := run(*format); err != nil {
		fmt.Fprintln(os.Stderr, "codes:", err)
		os.Exit(1)
	}
}

func run(format string) error {
	root, err := world.ModuleRoot()
	if err != nil {
		return err
	}
	rows, err := codes.Read(root)
	if err != nil {
		return err
	}
	if err := codes.Format(os.Stdout, format, rows); err != nil {
		return err
	}
	faults, err := codes.Check(root, rows)
	for _, f := range faults {
		fmt.Fprintln(os.Stderr, "codes:", f)
	}
	if err == nil && len(faults) > 0 {
		err = fmt.Errorf("cannot vouch for %s: it has %d faults", codes.Source, len(faults))
	}
	return err
}
