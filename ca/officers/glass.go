package officers

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"tlagate/audit"
	"tlagate/ca"
	"tlagate/internal/files"
	"tlagate/internal/stamp"
)

// Emergency is an act on the directory of a CA whose officers' server runs: --break-glass.
type Emergency struct {
	At      time.Time `json:"at"`
	Account string    `json:"account"` // of the machine, as it calls itself
	Act     string    `json:"act"`
	Why     string    `json:"why"`
	Seen    string    `json:"seen,omitempty"` // the officer who acknowledged it
}

// Shown is how long an emergency is shown by tla-pki status.
const Shown = 30 * 24 * time.Hour

const (
	glassFile   = "break-glass.json"
	seenFile    = "break-glass-seen.json" // of the server alone
	mostGlass   = 100                     // emergencies that are kept; the trace has all
	maxGlass    = 1 << 20                 // octets
	modePrivate = 0o600
)

// BreakGlass notes an emergency beside the CA, where status and the server find it; the trace has it already. One
// program at a time calls it ([ca.CA.Alone]).
func BreakGlass(dir string, e Emergency) error {
	list, err := Emergencies(dir)
	if err != nil {
		return err
	}
	list = append(list, e)
	data, err := json.MarshalIndent(list[max(0, len(list)-mostGlass):], "", " ")
	if err != nil {
		return err
	}
	return ca.Replace(filepath.Join(dir, glassFile), append(data, '\n'), modePrivate)
}

// Emergencies returns the last ones, oldest first.
func Emergencies(dir string) (list []Emergency, err error) {
	var s seen
	if err := errors.Join(readJSON(filepath.Join(dir, glassFile), &list),
		readJSON(filepath.Join(dir, seenFile), &s)); err != nil {
		return nil, err
	}
	begin := after(list, s.Upto)
	for i := range list {
		if list[i].Seen = ""; i < begin {
			list[i].Seen = s.By
		}
	}
	return list, nil
}

// seen says up to which emergency an officer has acknowledged them.
type seen struct {
	Upto time.Time `json:"upto"` // its At
	By   string    `json:"by"`
}

// after returns where those begin that were noted after the one of that time. They are in the order in which they were
// noted, whatever the clock said: what was done before it was set back hides nothing.
func after(list []Emergency, at time.Time) int {
	return 1 + slices.IndexFunc(list, func(e Emergency) bool { return e.At.Equal(at) })
}

// readJSON reads a small file beside the CA; there may be none.
func readJSON(file string, into any) error {
	data, err := files.Read(file, maxGlass)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	if err != nil {
		return fmt.Errorf("cannot read %s: %w", file, err)
	}
	return nil
}

// acknowledge has tla-pki status show no longer what was done past the officers until now.
func (s *Server) acknowledge(c *call) (any, error) {
	var m Acknowledge
	if err := c.read(&m); err != nil {
		return nil, err
	}
	if err := checkWhy(m.Why, true); err != nil {
		return nil, err
	}
	list, err := Emergencies(s.cfg.Dir)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 || list[len(list)-1].Seen != "" {
		return nil, problemf(Refused, "Nothing was done past the officers since the last time.")
	}
	last := list[len(list)-1]
	if err := c.record("acknowledge", m.Why, audit.From(stamp.Instant(last.At))); err != nil {
		return nil, err
	}
	data, err := json.Marshal(seen{last.At, c.officer.Identity})
	if err != nil {
		return nil, err
	}
	return Done{}, ca.Replace(filepath.Join(s.cfg.Dir, seenFile), append(data, '\n'), modePrivate)
}
