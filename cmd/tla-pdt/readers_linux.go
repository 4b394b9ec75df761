package main

import (
	"errors"
	"fmt"
	"os"

	"tlagate/cmd/internal/cli"
	"tlagate/internal/files"
	"tlagate/pdt/ifd"
)

// Run prints pcscd's configuration with our readers. Those that are there keep their places, hence their names.
func (c *readersCmd) Run(app *cli.App) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	entries, err := c.before()
	if err != nil {
		return err
	}
	for _, e := range cfg.Driver.entries(c.Owner) {
		entries = put(entries, e, c.Remove)
	}
	if err := ifd.CheckEntries(entries); err != nil {
		return err
	}
	if c.Output == "" {
		_, err = app.Stdout.Write(ifd.ReaderConf(entries))
		return err
	}
	if err := files.Replace(c.Output, ifd.ReaderConf(entries), 0o644); err != nil {
		return fmt.Errorf("cannot write the readers: %w", err)
	}
	return nil
}

// before returns the readers of the file that there is.
func (c *readersCmd) before() ([]ifd.Entry, error) {
	switch {
	case c.After == "" && c.Remove:
		return nil, errors.New("cannot remove readers from nothing: name the file that has them with --after")
	case c.After == "":
		return nil, nil
	}
	text, err := os.ReadFile(c.After)
	if err != nil {
		return nil, fmt.Errorf("cannot read the readers that there are: %w; leave --after out if there are none", err)
	}
	entries, err := ifd.ReadEntries(text)
	switch {
	case err != nil:
		return nil, fmt.Errorf("cannot keep the readers of %s: %w", c.After, err)
	case len(entries) == 0: // a shell empties the file that it writes to before we read it
		return nil, fmt.Errorf("cannot keep the readers of %s: it has none; if a shell emptied it to write into "+
			"it, restore it, and use --output, not >", c.After)
	}
	return entries, nil
}

// put replaces the entry for the same socket and slot, by a placeholder if it is to be removed; if there is none, it
// appends it.
func put(entries []ifd.Entry, e ifd.Entry, remove bool) []ifd.Entry {
	for i, old := range entries {
		if !old.Placeholder && old.Socket == e.Socket && old.Slot == e.Slot {
			entries[i] = e
			entries[i].Placeholder = remove
			return entries
		}
	}
	if remove {
		return entries
	}
	return append(entries, e)
}
