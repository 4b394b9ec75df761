package trail

import (
	"bytes"
	"fmt"

	"tlagate/audit"
	"tlagate/internal/files"
)

// Configuration is the configuration file of a program that may read it again while it runs (EL1).
type Configuration struct {
	trail   *Trail
	file    string
	content []byte // what was recorded last
}

// Configuration records which configuration the program starts with; when that fails, it does not start.
func (t *Trail) Configuration(file string) (*Configuration, error) {
	c := &Configuration{trail: t, file: file}
	if err := c.read(); err != nil {
		return nil, err
	}
	return c, t.Log.Record(audit.ConfigLoaded, audit.File(file), audit.Fingerprint(c.content))
}

// Changed records that the program has read the file again and taken what it could of it, if it is another one than
// before. That may take trust away, so it waits for nothing: its line follows.
func (c *Configuration) Changed() error {
	before := c.content
	if err := c.read(); err != nil {
		return err
	}
	if !bytes.Equal(before, c.content) {
		c.trail.Log.Later(audit.ConfigChanged, audit.File(c.file), audit.Fingerprint(c.content))
	}
	return nil
}

const maxConfiguration = 1 << 20 // octets; cli.LoadYAML reads no longer one

func (c *Configuration) read() (err error) {
	content, err := files.Read(c.file, maxConfiguration)
	if err != nil {
		return fmt.Errorf("cannot record which configuration is in force: %w", err)
	}
	c.content = content
	return nil
}
