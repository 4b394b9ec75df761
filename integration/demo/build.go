package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"tlagate/integration/world"
)

// build builds the programs while there is a network, one after another so that progress is seen, and has the world use
// them.
func (d *demo) build() error {
	if dir := os.Getenv(world.BinEnv); dir != "" {
		d.found("already built: %s is %s", world.BinEnv, dir)
		return nil
	}
	root, err := world.ModuleRoot()
	if err != nil {
		return err
	}
	programs, err := filepath.Glob(filepath.Join(root, "cmd", "tla-*"))
	if err != nil {
		return err
	}
	start := time.Now()
	for _, p := range programs {
		if err := d.buildOne(root, "./cmd/"+filepath.Base(p)); err != nil {
			return fmt.Errorf("cannot build %s: %w", filepath.Base(p), err)
		}
	}
	d.found("built in %s", seconds(time.Since(start)))
	return os.Setenv(world.BinEnv, filepath.Join(root, "bin"))
}

// buildFlags are those of make build, which then finds the programs done.
var buildFlags = []string{"-trimpath", "-tags", "pkcs11"}

func (d *demo) buildOne(root, program string) error {
	args := slices.Concat([]string{"build"}, buildFlags, []string{"-o", "bin/", program})
	d.command("", "go", args)
	cmd := exec.Command("go", args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = root, os.Stdout, os.Stderr
	return cmd.Run()
}
