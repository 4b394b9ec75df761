package audit_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"tlagate/audit"
)

// A program records two events. An alteration of the trace is found.
func Example() {
	dir, err := os.MkdirTemp("", "audit")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "audit.jsonl")
	trace, err := audit.Open(audit.Config{File: file, By: "tla-relay"})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := trace.Record(audit.KeyLoaded, audit.File("device.key"), audit.Store("file")); err != nil {
		fmt.Println("the key is not used:", err) // fail closed
		return
	}
	if err := trace.Record(audit.KeyErased, audit.File("device.key")); err != nil {
		fmt.Println("the key is erased, which the trace does not say:", err) // it takes trust away
	}
	report, err := audit.VerifyFile(file)
	fmt.Println(report.Lines, "lines, error", err)

	if err := alter(file, "device.key", "others.key"); err != nil {
		fmt.Println(err)
		return
	}
	_, err = audit.VerifyFile(file)
	var broken *audit.Broken
	if errors.As(err, &broken) {
		fmt.Printf("line %d: %s\n", broken.Line, broken.Why)
	}
	// Output:
	// 2 lines, error <nil>
	// line 1: it was altered: the line after it holds another hash of it
}

// alter replaces the first occurrence of a text.
func alter(file, old, now string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return os.WriteFile(file, bytes.Replace(text, []byte(old), []byte(now), 1), 0o600)
}
