package main

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"tlagate/cmd/internal/cli"
	"tlagate/internal/files"
)

type mediumCmd struct {
	Carry bool     `help:"Nothing secret in clear will be on them: encrypted backups, certificates, lists."`
	Dir   []string `arg:"" placeholder:"DIR" help:"A directory of each medium."`
}

// Run tries media before a ceremony counts on them, and says what each cannot do.
func (c *mediumCmd) Run(app *cli.App) error {
	var unfit []error
	for _, dir := range c.Dir {
		m := &medium{dir: dir, out: app.Stdout, carry: c.Carry}
		if err := m.try(); err != nil {
			unfit = append(unfit, fmt.Errorf("cannot use the medium %s: %w", dir, err))
		}
	}
	return errors.Join(unfit...)
}

// medium is one that is being tried.
type medium struct {
	dir   string
	out   io.Writer
	carry bool
}

func (m *medium) ok(format string, args ...any)   { m.say("ok     ", format, args...) }
func (m *medium) warn(format string, args ...any) { m.say("WARNING", format, args...) }
func (m *medium) no(format string, args ...any)   { m.say("NO     ", format, args...) }

func (m *medium) say(how, format string, args ...any) {
	fmt.Fprintf(m.out, "  %s %s\n", how, cli.Screen(fmt.Sprintf(format, args...)))
}

// try returns why keys, or with carry anything, must not be kept on it.
func (m *medium) try() error {
	if err := m.describe(); err != nil {
		return err
	}
	if err := m.keeps(); err != nil {
		m.no("it does not keep what is written: %v", err)
		return errors.New("it does not keep what is written")
	}
	m.ok("it keeps what is written: that was read back")
	t, err := files.Try(m.dir)
	if err != nil {
		return err
	}
	m.links(t.Links)
	m.sync(t.SyncDir)
	return errors.Join(m.replaces(t.Replace), m.private(t.Private))
}

// keeps writes and syncs, and reads from the medium, as far as the system lets go of what it has in memory.
func (m *medium) keeps() error {
	const size = 1 << 20
	dir, err := os.MkdirTemp(m.dir, ".try-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file, wrote, read := filepath.Join(dir, "file"), make([]byte, size), make([]byte, size)
	rand.Read(wrote)
	if err := files.WriteNew(file, wrote, 0o644); err != nil {
		return err
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	_ = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
	if _, err := io.ReadFull(f, read); err != nil {
		return err
	}
	if !bytes.Equal(wrote, read) {
		return errors.New("it is not the same")
	}
	return nil
}

func (m *medium) replaces(err error) error {
	if err != nil {
		m.no("it does not replace a file in one step: %v", err)
		return errors.New("it cannot replace a file")
	}
	m.ok("it replaces a file in one step")
	return nil
}

func (m *medium) private(err error) error {
	switch {
	case err == nil:
		m.ok("it keeps a key from other users")
	case m.carry && errors.Is(err, files.ErrReadable):
		m.warn("it keeps no key from other users: %v. Encrypted backups, certificates and lists are written there", err)
	default:
		m.no("it keeps no key from other users: %v. Keys are refused there", err)
		return errors.New("it can keep no key; for what is not secret in clear, give --carry")
	}
	return nil
}

func (m *medium) links(err error) {
	if err == nil {
		m.ok("a new file is whole from the first")
		return
	}
	m.warn("it has no hard links (%v): a new file takes its name empty, and then is whole; "+
		"after a crash the empty one may be left: remove it", err)
}

func (m *medium) sync(err error) {
	if err == nil {
		m.ok("it writes names through")
		return
	}
	m.warn("it does not write names through at once (%v): unmount it before it is taken away", err)
}
