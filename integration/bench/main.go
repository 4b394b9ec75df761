package main

import (
	"flag"
	"fmt"
	"io"
	"os"

	"tlagate/integration/world"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == programArg {
		serveProgram(os.Stdin, os.Stdout)
		return
	}
	short := flag.Bool("short", false, "few exchanges, near and far: to see that all of it works")
	apdu := flag.Bool("apdu", false, "measure only one APDU on loopback, by the three ways")
	ahead := flag.Bool("ahead", false, "measure only what read-ahead makes of a visit")
	restarts := flag.Bool("restarts", false, "measure only how long commands take while gateways are restarted")
	memory := flag.Bool("memory", false, "measure only a gateway with many sessions: its memory, its lists")
	flag.IntVar(&memorySessions, "sessions", memorySessions, "so many sessions")
	flag.Parse()
	world.Enter()
	if *short {
		beShort()
	}
	measure := run
	switch {
	case *apdu:
		measure = runAPDU
	case *memory:
		measure = runMemory
	case *restarts:
		measure = runRestarts
	case *ahead:
		measure = runAhead
	}
	if err := measure(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(out io.Writer) error {
	s, err := newSite()
	if err != nil {
		return err
	}
	defer s.close()
	r, err := s.measureAll()
	if err != nil {
		return err
	}
	r.print(out)
	return nil
}

func runAPDU(out io.Writer) error {
	s, err := newSite()
	if err != nil {
		return err
	}
	defer s.close()
	r := &report{ways: s.ways(false)}
	if r.near, err = s.inSession(r.ways, apduPlan); err != nil {
		return err
	}
	r.printAPDU(out)
	return nil
}

func runAhead(out io.Writer) error {
	var r report
	if err := measureAhead(&r); err != nil {
		return err
	}
	r.printAhead(out)
	return nil
}

func runMemory(out io.Writer) error {
	var r report
	if err := measureMemory(&r); err != nil {
		return err
	}
	r.printMemory(out)
	return r.memory.missed()
}

func runRestarts(out io.Writer) error {
	var r report
	if err := measureRestarts(&r); err != nil {
		return err
	}
	r.printRestarts(out)
	return nil
}

// progress shows a person what is going on.
func progress(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
