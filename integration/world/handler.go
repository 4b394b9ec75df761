package world

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"

	"tlagate/pdt/ifd"
)

// Driver is a build of our own reader driver, libtlagate-ifd.so.
type Driver struct {
	Flags []string // more flags for the compiler
	Vars  []string // variables that a pcscd with this build needs

	once sync.Once
	lib  string
	err  error
}

// installed is the driver as it is installed.
var installed = new(Driver)

// Library builds the driver, once, and returns its path.
func (d *Driver) Library() (string, error) {
	d.once.Do(func() { d.lib, d.err = d.build() })
	return d.lib, d.err
}

func (d *Driver) build() (string, error) {
	root, err := ModuleRoot()
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp(binParent(), "handler-")
	if err != nil {
		return "", fmt.Errorf("cannot build the reader driver: %w", err)
	}
	lib := filepath.Join(dir, filepath.Base(ifd.Library))
	cmd := exec.Command(filepath.Join(root, "deploy", "ifd.sh"), append([]string{lib}, d.Flags...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("cannot build the reader driver: %w\n%s", err, out)
	}
	return lib, nil
}

// layOurs writes the configuration for our own driver.
func (p *PCSCD) layOurs() error {
	lib, err := p.driver.Library()
	if err != nil {
		return err
	}
	p.vars = p.driver.Vars
	return os.WriteFile(p.conf(), bytes.ReplaceAll(p.ours, []byte(ifd.Library), []byte(lib)), 0o644)
}

// Configure replaces the file of reader.conf.d of a pcscd that was started with Conf, for its next Start.
func (p *PCSCD) Configure(conf []byte) error {
	p.ours = conf
	return p.layOurs()
}
