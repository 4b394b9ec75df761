package world

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
)

// Limits make a pcscd's virtual reader act like a physical one (testdata/reader.c): a card that was swapped between two
// polls is reported absent once, and commands that are beyond the reader are declined.
type Limits struct {
	MaxCommand int  // octets of a command; 0 = any
	OnlyT0     bool // no T=1, and T=0 as bare transport: GET RESPONSE and 6Cxx are left to the program
}

// env returns the variables by which the driver knows them.
func (l *Limits) env(vpcd string) []string {
	env := []string{"READER_VPCD=" + vpcd}
	if l.MaxCommand > 0 {
		env = append(env, "READER_MAX="+strconv.Itoa(l.MaxCommand))
	}
	if l.OnlyT0 {
		env = append(env, "READER_T0=1")
	}
	return env
}

// limited compiles the driver, once per process, and returns its path.
var limited = sync.OnceValues(func() (string, error) {
	root, err := ModuleRoot()
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp(binParent(), "driver-")
	if err != nil {
		return "", fmt.Errorf("cannot build the readers' driver: %w", err)
	}
	lib := filepath.Join(dir, "reader.so")
	source := filepath.Join(root, "integration", "world", "testdata", "reader.c")
	cmd := exec.Command("gcc", "-Wall", "-shared", "-fPIC", "-I/usr/include/PCSC", "-o", lib, source)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("cannot build the readers' driver: %w\n%s", err, out)
	}
	return lib, nil
})
