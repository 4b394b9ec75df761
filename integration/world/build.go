package world

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

// BinEnv is the variable that names a directory of programs built before; without it, Binaries builds them.
const BinEnv = "TLAGATE_BIN"

// Binaries returns the directory of our programs (tla-gateway, tla-pdt, …), built once per process from ./cmd/... of
// the module around the working directory.
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
	cmd := exec.Command("go", "build", "-tags", "pkcs11", "-o", dir+"/", "./cmd/...")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("cannot build the programs: %w\n%s", err, out)
	}
	return dir, nil
})

// binParent returns where to build programs: in a world outside of TMPDIR, where they would be taken for something left
// behind (they vanish with the world), elsewhere in TMPDIR.
func binParent() string {
	if inside() {
		return "/run"
	}
	return ""
}

// Binary returns the path of one program of ours.
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

// ModuleRoot returns the nearest directory with a go.mod, from the working directory upwards.
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

// warmBuildCache compiles the programs, without linking, while modules can still be fetched: there is no network
// inside. It shows its progress. What fails here fails again, and is reported, in Binaries.
func warmBuildCache() {
	root, err := ModuleRoot()
	if err != nil || os.Getenv(BinEnv) != "" {
		return
	}
	cmd := exec.Command(filepath.Join(root, "deploy", "compile.sh"), "-tags", "pkcs11", "./cmd/...")
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	_ = cmd.Run()
}
