package trail

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"tlagate/audit"
	"tlagate/audit/index"
	"tlagate/cmd/internal/cli"
)

// PersonCmd is `audit person`, of a program whose trace marks persons.
type PersonCmd[P Marker] struct {
	Find    findPersonCmd[P]    `cmd:"" help:"Print the lines about a person, whose national identifier is read from standard input."`
	Resolve resolvePersonCmd[P] `cmd:"" help:"Say whom a line is about, by a security officer's key; this is recorded first."`
}

// Marker is a Place that has the key of the marks.
type Marker interface {
	Place

	// PersonMarks returns the marks that lines about the person with a national identifier may have.
	PersonMarks(id string) ([]string, error)

	// ResolvePerson returns the identifier that is sealed in a line, by an officer's key.
	ResolvePerson(sealed string, officer []byte) (string, error)
}

type findPersonCmd[P Marker] struct {
	target[P]
	basic
	Until   string `placeholder:"TIME" help:"Only before then; as --since."`
	JSON    bool   `name:"json" help:"The lines as they are in the file."`
	NoIndex bool   `help:"Read every line, and use and make no index."`
}

// Run prints the lines, by each key that is kept.
func (c *findPersonCmd[P]) Run(app *cli.App) error {
	name, err := c.Name()
	if err != nil {
		return err
	}
	q, err := filters{basic: c.basic, Until: c.Until}.query(time.Now())
	if err != nil {
		return err
	}
	id, err := readIdentifier(app)
	if err != nil {
		return err
	}
	if q.Persons, err = c.Place.PersonMarks(id); err != nil {
		return err
	}
	mode, err := modeFor(name, c.NoIndex)
	if err != nil {
		return err
	}
	nothing := "no line is about that person, as far as the trace reaches and the keys that are kept can tell"
	return listing{file: name, query: q, mode: mode, json: c.JSON, nothing: nothing}.print(app)
}

// maxIdentifier bounds what is read of standard input, in octets.
const maxIdentifier = 4096

// readIdentifier reads a line. An argument would be seen by every account of the machine.
func readIdentifier(app *cli.App) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(app.Stdin, maxIdentifier)).ReadString('\n')
	if id := strings.TrimSpace(line); id != "" && (err == nil || errors.Is(err, io.EOF)) {
		return id, nil
	}
	return "", cli.Usage("cannot find a person: write their national identifier, such as 8 and the RPPS number, to " +
		"standard input")
}

type resolvePersonCmd[P Marker] struct {
	target[P]
	Line   uint64 `required:"" placeholder:"NUMBER" help:"Number of the line, as audit show has it."`
	Key    string `required:"" placeholder:"FILE" help:"The officer's key (AGE-SECRET-KEY-…), a file; - reads it from standard input."`
	Reason string `required:"" placeholder:"WHY" help:"Why, for the trace: the number of a case; not a person's name."`
}

// Run records the act, and prints the identifier.
func (c *resolvePersonCmd[P]) Run(app *cli.App) error {
	if strings.TrimSpace(c.Reason) == "" {
		return cli.Usage("cannot resolve a line without a --reason: say why, it is recorded")
	}
	name, err := c.Name()
	if err != nil {
		return err
	}
	key, err := c.officer(app)
	defer clear(key)
	if err != nil {
		return err
	}
	sealed, err := c.sealed(app, name)
	if err != nil {
		return err
	}
	who := audit.Account()
	if _, err := modeFor(name, true, name); err != nil { // become its owner
		return err
	}
	log, err := audit.Open(audit.Config{File: name, By: app.Program})
	if err != nil {
		return err
	}
	if err := log.Record(audit.OperatorAct, audit.Act("resolve_person"), who, audit.Reason(c.Reason),
		audit.Number(int64(c.Line))); err != nil {
		return err
	}
	id, err := c.Place.ResolvePerson(sealed, key)
	if err != nil {
		return err
	}
	fmt.Fprintln(app.Stdout, id)
	return nil
}

// officer reads the key.
func (c *resolvePersonCmd[P]) officer(app *cli.App) ([]byte, error) {
	in := app.Stdin
	if c.Key != "-" {
		f, err := os.Open(c.Key)
		if err != nil {
			return nil, cli.Usage("cannot read the officer's key: %w", err)
		}
		defer f.Close()
		in = f
	}
	return io.ReadAll(io.LimitReader(in, maxIdentifier))
}

// sealed returns what the line has for officers.
func (c *resolvePersonCmd[P]) sealed(app *cli.App, name string) (string, error) {
	trace, err := index.Open(name, index.Everything)
	if err != nil {
		return "", cli.Usage("%w", err)
	}
	defer trace.Close()
	for line, err := range trace.Search(app.Context, index.Query{}) {
		switch {
		case err != nil:
			return "", err
		case line.Err == nil && line.Entry.Seq == c.Line && line.Entry.With["person_sealed"] != "":
			return line.Entry.With["person_sealed"], nil
		case line.Err == nil && line.Entry.Seq == c.Line:
			return "", cli.Usage("cannot resolve line %d: it is about no person", c.Line)
		}
	}
	return "", cli.Usage("cannot resolve line %d: it is not in the trace, or cannot be read", c.Line)
}
