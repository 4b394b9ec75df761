package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"tlagate/integration/world"
)

// build builds the programs where there is a network, and has the world use them.
func (d *demo) build() error {
	if dir := os.Getenv(world.BinEnv); dir != "" {
		d.found("already built: %s is %s", world.BinEnv, dir)
		return nil
	}
	root, err := world.ModuleRoot()
	if err != nil {
		return err
	}
	start, args := time.Now(), []string{"build", "-o", "bin/", "./cmd/..."}
	d.command("", "go", args)
	cmd := exec.Command("go", args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = root, os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("cannot build the programs: %w", err)
	}
	d.found("built in %s", seconds(time.Since(start)))
	return os.Setenv(world.BinEnv, filepath.Join(root, "bin"))
}
