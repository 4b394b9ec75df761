package host

import (
	"encoding/json"
	"errors"
	"fmt"

	"tlagate/internal/files"
)

// maxState is the most that is read of the state file, in octets.
const maxState = 32 << 20

// load reads the state. It returns nil at the first start, or when the file is not ours; why says which.
func load(name string) (s *seen, why string, err error) {
	found, err := files.Load(name, maxState, func(raw []byte) (err error) {
		s, err = parseState(raw)
		return err
	})
	switch {
	case errors.As(err, new(*files.Damaged)):
		return nil, "what was kept of the last start cannot be read", nil
	case err != nil:
		return nil, "", err
	case !found:
		return nil, "first start with this trace", nil
	}
	return s, "", nil
}

func parseState(raw []byte) (*seen, error) {
	s := &seen{}
	if err := files.DecodeJSON(raw, s); err != nil || s.Kernel == "" || s.Program == "" {
		return nil, errNotState
	}
	return s, nil
}

// save replaces the state, all of it or none.
func (s *seen) save(name string) error {
	raw, err := json.Marshal(s)
	if err == nil {
		err = files.Replace(name, raw, 0o600)
	}
	if err != nil {
		return fmt.Errorf("cannot save what this machine is, for the next start: %w", err)
	}
	return nil
}
