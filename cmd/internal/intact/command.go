package intact

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"tlagate/cmd/internal/cli"
	"tlagate/integrity"
	"tlagate/internal/stamp"
)

// Place is a program's configuration, from which a command learns what is compared.
type Place interface {
	// Integrity returns the section, and what Section.Config wants.
	Integrity() (s Section, config string, t cli.Trust, trace string, err error)
}

// Command is the command integrity of a program.
type Command[P Place] struct {
	Place P    `embed:""`
	Quiet bool `short:"q" help:"Only what differs."`
}

// Run prints line by line what is as the manifests say, and what is not; it exits with 1 if something differs. It
// records nothing.
func (c *Command[P]) Run(app *cli.App) error {
	s, config, t, trace, err := c.Place.Integrity()
	if err != nil {
		return err
	}
	if !s.Configured() {
		return cli.Usage("cannot compare: %s names no manifests under integrity", config)
	}
	r, err := integrity.Examine(s.Config(config, t, trace))
	if err != nil {
		return err
	}
	c.print(app, r)
	if len(r.Differs) > 0 {
		return cli.ExitCode(1, fmt.Errorf("lines compared: %d; what differs: %d", len(r.Findings), len(r.Differs)))
	}
	return nil
}

func (c *Command[P]) print(app *cli.App, r *integrity.Result) {
	w := tabwriter.NewWriter(app.Stdout, 0, 0, 2, ' ', 0)
	line := func(word, text string) { fmt.Fprintf(w, "%s\t%s\n", word, cli.Screen(text)) }
	for _, m := range r.Manifests {
		line("manifest", fmt.Sprintf("%s: %s, number %d, made %s, signed by %s", m.File,
			strings.TrimSpace(m.Name+" "+m.Version), m.Number, stamp.Second(m.Made), m.Signer))
	}
	for _, f := range r.Findings {
		if f.Differs == nil && !c.Quiet {
			line("ok", f.Path)
		}
	}
	for _, d := range r.Differs {
		line("DIFFERS", d.String())
	}
	if r.Uncovered {
		line("note", "no manifest lists the configuration")
	}
	w.Flush()
}

// Summary returns what the check of a program says: one line, and whether something differs. Nothing configured: "".
func Summary(s Section, config string, t cli.Trust, trace string) (text string, err error) {
	if !s.Configured() {
		return "", nil
	}
	r, err := integrity.Examine(s.Config(config, t, trace))
	switch {
	case err != nil:
		return "", err
	case len(r.Differs) > 0:
		return "", fmt.Errorf("cannot find the machine as its manifests say: %s; %d differ, the command integrity "+
			"lists them", r.Differs[0], len(r.Differs))
	}
	text = fmt.Sprintf("as the manifests say; manifests: %d, their lines: %d", len(r.Manifests), len(r.Findings))
	if r.Uncovered {
		text += "; none lists the configuration"
	}
	return text, nil
}
