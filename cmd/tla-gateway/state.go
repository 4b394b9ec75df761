package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"tlagate/cmd/internal/cli"
	"tlagate/gateway/state"
)

// stateFiles are what outlives a restart, in the directory state; without one, beside the audit trace. Without either
// they are kept in memory alone, and have no names.
func (c config) stateFiles() (denials, seen cli.Path) {
	dir := string(c.State)
	if dir == "" && c.Audit.File != "" {
		dir = filepath.Dir(string(c.Audit.File))
	}
	if dir == "" {
		return "", ""
	}
	return cli.Path(filepath.Join(dir, "denied.json")), cli.Path(filepath.Join(dir, "seen.json"))
}

// openState reads whom operators deny, and who was seen; that the latter is lost is no reason not to serve, unless it
// had clones that are refused.
func (c config) openState(log *slog.Logger) (*state.Denials, *state.Roll, error) {
	if c.State != "" {
		if err := os.MkdirAll(string(c.State), 0o700); err != nil {
			return nil, nil, fmt.Errorf("cannot make the directory state: %w", err)
		}
	}
	denials, seen := c.stateFiles()
	denied, err := state.OpenDenials(string(denials))
	if err != nil {
		return nil, nil, err
	}
	if denials == "" {
		log.Warn("whom operators deny, and who was seen, is forgotten at a restart: name a directory under state")
	}
	roll, err := state.OpenRoll(string(seen))
	if err != nil && c.Clones == clonesRefuse {
		return nil, nil, fmt.Errorf("%w; with clones: refuse, clones would be let in: restore the file, or remove it",
			err)
	}
	if err != nil {
		log.Error("it is not known who was seen before", "error", err)
	}
	return denied, roll, nil
}
