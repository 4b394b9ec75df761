package world

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

// BinEnv names a directory of programs built before; without it Binaries builds.
const BinEnv = "TLAGATE_BIN"

// Binaries gives the directory of our programs (tla-gateway, tla-pdt, …), built
// once a process from ./cmd/... of the module around the working directory.
func Binaries() (string, error) {
	if dir := os.Getenv(BinEnv); dir != "" {
		return filepath.Abs(dir)
	}
	return built()
}

var built = sync.OnceValues(func() (string, error) {
	root, err := ModuleRoot()
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp(binParent(), "bin-")
	if err != nil {
		return "", fmt.Errorf("cannot build the programs: %w", err)
	}
	cmd := exec.Command("go", "build", "-o", dir+"/", "./cmd/...")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("cannot build the programs: %w\n%s", err, out)
	}
	return dir, nil
})

// binParent keeps the programs out of TMPDIR, where they would be taken for
// something left behind; they vanish with the world. Elsewhere it is TMPDIR.
func binParent() string {
	if Inside() {
		return "/run"
	}
	return ""
}

// Binary is the path of one program of ours.
func Binary(name string) (string, error) {
	dir, err := Binaries()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("cannot find the program %s: %w", name, err)
	}
	return path, nil
}

// ModuleRoot is the nearest directory with a go.mod, from here upwards.
func ModuleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
	}
	return "", errors.New("cannot find go.mod above the working directory: run this inside the source tree, or set " +
		BinEnv)
}

// warmBuildCache compiles the programs, without linking, while modules can still
// be fetched: there is no network inside. It says how far it is. What fails here
// fails again, and is told, in Binaries.
func warmBuildCache() {
	root, err := ModuleRoot()
	if err != nil || os.Getenv(BinEnv) != "" {
		return
	}
	cmd := exec.Command(filepath.Join(root, "deploy", "compile.sh"), "./cmd/...")
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	_ = cmd.Run()
}
