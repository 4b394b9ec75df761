package ca

import (
	"fmt"
	"os"
	"path/filepath"
)

// Beside makes a CA's directory, which must not exist or be empty: it is filled beside its place and moved there when it is
// complete, so half a CA never looks like one.
func Beside(dir string, fill func(draft string) error) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("cannot make a CA: %w", err)
	}
	if err := mustBeFree(dir); err != nil {
		return err
	}
	draft, err := os.MkdirTemp(filepath.Dir(dir), "."+filepath.Base(dir)+".unfinished-*")
	if err != nil {
		return fmt.Errorf("cannot make a CA: %w", err)
	}
	defer os.RemoveAll(draft)
	if err := fill(draft); err != nil {
		return err
	}
	return settle(draft, dir)
}
