package officers

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"tlagate/ca"
	"tlagate/internal/files"
)

// Emergency is an act on the directory of a CA whose officers' server runs: --break-glass.
type Emergency struct {
	At      time.Time `json:"at"`
	Account string    `json:"account"` // of the machine, as it calls itself
	Act     string    `json:"act"`
	Why     string    `json:"why"`
}

// Shown is how long an emergency is shown by tla-pki status.
const Shown = 30 * 24 * time.Hour

const (
	glassFile   = "break-glass.json"
	mostGlass   = 100     // emergencies that are kept; the trace has all
	maxGlass    = 1 << 20 // octets
	modePrivate = 0o600
)

// BreakGlass notes an emergency beside the CA, where status and the server find it; the trace has it already.
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
	data, err := files.Read(filepath.Join(dir, glassFile), maxGlass)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &list)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", filepath.Join(dir, glassFile), err)
	}
	return list, nil
}
