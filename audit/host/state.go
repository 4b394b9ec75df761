package host

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// maxState is the most that is read of the state file, in octets.
const maxState = 32 << 20

// load reads the state. It returns nil at the first start, or when the file is not ours; why says which.
func load(name string) (s *seen, why string, err error) {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "first start with this trace", nil
	}
	if err != nil {
		return nil, "", err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxState))
	if err != nil {
		return nil, "", err
	}
	if s, err = parseState(raw); err != nil {
		return nil, "what was kept of the last start cannot be read", nil
	}
	return s, "", nil
}

func parseState(raw []byte) (*seen, error) {
	s := &seen{}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(s); err != nil || s.Kernel == "" || s.Program == "" {
		return nil, errNotState
	}
	return s, nil
}

// save replaces the state, all of it or none.
func (s *seen) save(name string) error {
	raw, err := json.Marshal(s)
	if err == nil {
		err = replace(name, raw)
	}
	if err != nil {
		return fmt.Errorf("cannot save what this machine is, for the next start: %w", err)
	}
	return nil
}

func replace(name string, raw []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".tmp-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(raw)
	if err := errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), name)
}
