package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"tlagate/audit"
	"tlagate/audit/persons"
	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/trail"
	"tlagate/internal/files"
	"tlagate/internal/stamp"
)

// namedKey returns an error if the configuration names no file of a person key.
func (c config) namedKey() error {
	if c.PersonKey.File == "" {
		return errors.New("cannot use a person key: the configuration names none; write person_key: {file: person.key}")
	}
	return nil
}

// ring opens the person key that the configuration names.
func (c config) ring() (*persons.Ring, error) {
	r, err := persons.Open(string(c.PersonKey.File), c.PersonKey.Keys())
	if err != nil {
		return nil, fmt.Errorf("%w; make it by person-key new, or person-key import", err)
	}
	return r, nil
}

// PersonKey returns the key of the marks.
func (p configFlag) PersonKey() (*persons.Ring, error) {
	c, _, err := load(p.Config)
	if err == nil {
		err = c.namedKey()
	}
	if err != nil {
		return nil, err
	}
	return c.ring()
}

// PersonMarks returns the marks that lines about a person may have. An identifier that no certificate can have is
// refused: that nothing is found of it would say nothing.
func (p configFlag) PersonMarks(id string) ([]string, error) {
	c, _, err := load(p.Config)
	if err == nil {
		err = c.Persons.section().CheckIdentifier(id)
	}
	if err != nil {
		return nil, err
	}
	ring, err := p.PersonKey()
	if err != nil {
		return nil, err
	}
	return ring.Marks(id, time.Now()), nil
}

// ResolvePerson returns whom a line is about.
func (p configFlag) ResolvePerson(sealed string, officer []byte) (string, error) {
	key, err := persons.ReadOfficer(bytes.NewReader(officer))
	if err != nil {
		return "", err
	}
	return key.Resolve(sealed)
}

type personKeyCmd struct {
	New    personKeyNewCmd    `cmd:"" help:"Make a key, at one gateway of an operator, or change it once a year; old ones are kept for 13 months."`
	Import personKeyImportCmd `cmd:"" help:"Take the key of another gateway, which an officer has decrypted."`
	Status personKeyStatusCmd `cmd:"" help:"List the keys that are kept, and who can read whom a line is about."`
}

type personKeyNewCmd struct {
	configFlag
	To   []string `sep:"none" placeholder:"AGE" help:"A security officer: age1…, or a file with one a line; repeat for more. Without any, those from before."`
	Copy string   `required:"" placeholder:"FILE" help:"The copy to make for the officers, which must not exist: it is how other gateways get the key."`
}

// Run makes the key, and before it its copy.
func (c *personKeyNewCmd) Run(app *cli.App) error {
	return changePersonKey(app, c.Config, audit.KeyCreated, func(old *persons.Ring) (*persons.Ring, error) {
		officers, err := readOfficers(c.To)
		if err != nil {
			return nil, err
		}
		if old == nil {
			old = new(persons.Ring)
		}
		next, err := old.Renew(officers, time.Now())
		if err != nil {
			return nil, err
		}
		sealed, err := next.Copy()
		if err == nil {
			err = files.WriteNewSecret(c.Copy, sealed)
		}
		if errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("cannot write the copy for the officers: %s is there already; name a new file, and "+
				"keep the old copy: it has the keys of its time", c.Copy)
		}
		if err != nil {
			return nil, fmt.Errorf("cannot write the copy for the officers: %w", err)
		}
		return next, nil
	})
}

// readOfficers returns the recipients that are written out, or in files with one a line.
func readOfficers(args []string) (list []string, err error) {
	for _, arg := range args {
		if strings.HasPrefix(arg, "age1") {
			list = append(list, arg)
			continue
		}
		text, err := files.Read(arg, 64<<10)
		if err != nil {
			return nil, fmt.Errorf("cannot read the officers: %w", err)
		}
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
				list = append(list, line)
			}
		}
	}
	return list, nil
}

type personKeyImportCmd struct {
	configFlag
	File string `arg:"" default:"-" help:"The decrypted copy; - reads standard input: age -d -i KEY COPY | tla-gateway person-key import"`
}

// Run takes the key in place of the one before.
func (c *personKeyImportCmd) Run(app *cli.App) error {
	return changePersonKey(app, c.Config, audit.KeyReplaced, func(old *persons.Ring) (*persons.Ring, error) {
		in := app.Stdin
		if c.File != "-" {
			f, err := os.Open(c.File)
			if err != nil {
				return nil, fmt.Errorf("cannot read the person key: %w", err)
			}
			defer f.Close()
			in = f
		}
		data, err := io.ReadAll(io.LimitReader(in, 64<<10))
		defer clear(data)
		if err != nil {
			return nil, fmt.Errorf("cannot read the person key: %w", err)
		}
		next, err := persons.Parse(data)
		if err == nil && old != nil {
			err = next.Follows(old, time.Now())
		}
		return next, err
	})
}

// changePersonKey replaces the key by what change makes of it, and records that first. A running gateway takes it by
// itself (trail.Marks).
func changePersonKey(app *cli.App, file string, kind audit.Kind,
	change func(old *persons.Ring) (*persons.Ring, error)) error {
	cfg, _, err := load(file)
	if err == nil {
		err = cfg.namedKey()
	}
	if err != nil {
		return err
	}
	who := audit.Account()
	if err := cfg.becomeOwner(file); err != nil {
		return err
	}
	where := string(cfg.PersonKey.File)
	var old *persons.Ring
	if _, err := os.Stat(where); err == nil {
		if old, err = cfg.ring(); err != nil {
			return err
		}
	}
	next, err := change(old)
	if err != nil {
		return err
	}
	trace, err := trail.OpenKept(app, "tla-gateway person-key", cfg.Audit)
	if err != nil {
		return err
	}
	if err := trace.Log.Record(kind, audit.Use("persons in the trace"), audit.File(where), who,
		audit.Version(next.Keys(time.Now())[0].Name)); err != nil {
		return err
	}
	if err := next.Save(where, cfg.PersonKey.Keys()); err != nil {
		return err
	}
	printPersonKey(app, next)
	fmt.Fprintln(app.Stdout,
		"A gateway that runs here takes it by itself. Every other gateway must get it: person-key import.")
	return nil
}

type personKeyStatusCmd struct{ configFlag }

// Run lists the keys.
func (c *personKeyStatusCmd) Run(app *cli.App) error {
	ring, err := c.PersonKey()
	if err != nil {
		return err
	}
	printPersonKey(app, ring)
	if now := time.Now(); now.After(ring.Due()) {
		return errors.New("the person key is older than a year: change it by person-key new, at one gateway")
	}
	return nil
}

func printPersonKey(app *cli.App, ring *persons.Ring) {
	for _, k := range ring.Keys(time.Now()) {
		if k.Until.IsZero() {
			fmt.Fprintf(app.Stdout, "key %s of %s, in use; to be changed by %s\n", k.Name, stamp.Day(k.Made),
				stamp.Day(ring.Due()))
			continue
		}
		fmt.Fprintf(app.Stdout, "key %s of %s, kept until %s\n", k.Name, stamp.Day(k.Made), stamp.Day(k.Until))
	}
	for _, o := range ring.Officers() {
		fmt.Fprintf(app.Stdout, "officer %s\n", o)
	}
}
