package main

import (
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"tlagate/cmd/internal/cli"
	"tlagate/tla/policy"
)

// builtIn is the card policy of a relay whose configuration names none; readOnly is one that allows only reading.
var (
	//go:embed policy.yaml
	builtIn []byte
	//go:embed generic-readonly.yaml
	readOnly []byte
)

// shipped returns the card policy of that name; ok is false if there is none.
func shipped(name string) (text []byte, ok bool) {
	switch name {
	case "", "built-in":
		return builtIn, true
	case "generic-readonly":
		return readOnly, true
	}
	return nil, false
}

// loadPolicy reads a card policy: a file, or one that has a name; "" = the one built in.
func loadPolicy(file string) (*policy.Policy, error) {
	var table policy.Table
	if err := readPolicy(file, &table); err != nil {
		return nil, err
	}
	p, err := policy.Compile(table)
	if err != nil && file != "" {
		err = fmt.Errorf("%s: %w", file, err)
	}
	return p, err
}

func readPolicy(file string, table *policy.Table) error {
	if text, ok := shipped(file); ok {
		return cli.DecodeYAML(text, table)
	}
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot read the card policy: %w: name a file, built-in or generic-readonly", err)
	}
	return cli.LoadYAML(file, table)
}

// untold is the first line of what a command says of the built-in policy when no other was named.
const untold = "# the built-in policy: no other was named here, and relay.yaml, which may name one, was not read\n"

type policyCmd struct {
	Show  policyShowCmd  `cmd:"" help:"Print a card policy of this program: a start for your own."`
	Test  policyTestCmd  `cmd:"" help:"Say what becomes of commands, and what is read ahead after them: exit 0 if all are allowed, 1 if not."`
	Ahead policyAheadCmd `cmd:"" help:"Say what each profile has read ahead, before a program asks for it."`
}

type policyShowCmd struct {
	Name string `arg:"" optional:"" enum:",built-in,generic-readonly" default:"" help:"built-in, or generic-readonly: reading alone."`
}

func (c *policyShowCmd) Run(app *cli.App) error {
	sayUntold(app, c.Name)
	text, _ := shipped(c.Name)
	_, err := app.Stdout.Write(text)
	return err
}

// sayUntold says of which policy a command speaks that was told none.
func sayUntold(app *cli.App, name string) {
	if name == "" {
		fmt.Fprint(app.Stdout, untold)
	}
}

type policyAheadCmd struct {
	File string `arg:"" optional:"" help:"Card policy (YAML), built-in or generic-readonly."`
}

func (c *policyAheadCmd) Run(app *cli.App) error {
	p, err := loadPolicy(c.File)
	if err != nil {
		return cli.Usage("%w", err)
	}
	sayUntold(app, c.File)
	for _, line := range p.ExplainAhead() {
		fmt.Fprintln(app.Stdout, line)
	}
	return nil
}

type policyTestCmd struct {
	ATR  string   `name:"atr" placeholder:"HEX" help:"The card's ATR; if not given, the first one of each profile."`
	File string   `arg:"" help:"Card policy (YAML), built-in or generic-readonly."`
	APDU []string `arg:"" help:"Command APDUs in hexadecimal, in the order they come. A card that answers 9000 to each is assumed. Not for commands that hold a PIN: arguments show in ps."`
}

func (c *policyTestCmd) Run(app *cli.App) error {
	p, err := loadPolicy(c.File)
	if err != nil {
		return cli.Usage("%w", err)
	}
	apdus, err := readAPDUs(c.APDU)
	if err != nil {
		return cli.Usage("%w", err)
	}
	if c.ATR == "" {
		return explain(app, p.Explain(apdus))
	}
	atr, err := hex.DecodeString(c.ATR)
	if err != nil {
		return cli.Usage("cannot read the ATR: it is not hexadecimal")
	}
	return explain(app, p.ExplainCard(atr, apdus))
}

// readAPDUs reads APDUs from hexadecimal. Its errors never quote one: it may have been typed by mistake.
func readAPDUs(list []string) (apdus [][]byte, err error) {
	for i, text := range list {
		apdu, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
		if err != nil {
			return nil, fmt.Errorf("cannot read command %d: it is not hexadecimal", i+1)
		}
		apdus = append(apdus, apdu)
	}
	return apdus, nil
}

func explain(app *cli.App, verdicts []policy.Explained) error {
	code := 0
	for _, v := range verdicts {
		fmt.Fprintln(app.Stdout, v)
		if v.Action != policy.Allow {
			code = 1
		}
	}
	if code == 0 {
		return nil
	}
	return cli.ExitCode(code, nil)
}
