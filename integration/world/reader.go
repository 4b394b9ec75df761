package world

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
)

// Limits make a pcscd's virtual readers act like readers of metal (testdata/reader.c): a card that was changed between
// two polls is reported absent, and commands are declined that are beyond the reader.
type Limits struct {
	MaxCommand int  // octets of a command; 0 = any
	OnlyT0     bool // no T=1, and of T=0 the transport alone: GET RESPONSE and 6Cxx are whoever's who sends commands
}

// env tells the driver.
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

// limited compiles the driver, once a process.
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
