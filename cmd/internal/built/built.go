// Package built lets tests run the programs as they are in use: without the race detector, which makes a program that
// opens the CA's books five times slower. Races inside the programs are for the tests of the packages.
package built

import (
	"fmt"
	"log"
	"os"
	"os/exec"
	"testing"
)

// Run builds programs of cmd, puts them first in PATH, runs the tests, and returns the exit code for TestMain.
func Run(m *testing.M, programs ...string) int {
	dir, err := os.MkdirTemp("", "tlagate-built")
	if err != nil {
		log.Printf("cannot make a directory for the programs: %v", err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := build(dir, programs); err != nil {
		log.Print(err)
		return 1
	}
	os.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	return m.Run()
}

func build(dir string, programs []string) error {
	args := []string{"build", "-tags", "pkcs11", "-o", dir}
	for _, p := range programs {
		args = append(args, "tlagate/cmd/"+p)
	}
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("cannot build %v: %w: %s", programs, err, out)
	}
	return nil
}
