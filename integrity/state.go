package integrity

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"tlagate/internal/files"
)

// kept is what is kept from one comparison to the next, over restarts.
type kept struct {
	Manifests map[string]accepted `json:"manifests"` // by their file
	Differs   map[string]recorded `json:"differs"`   // by path: not yet as it should be
}

// recorded is a difference whose event is in the trace, under this number.
type recorded struct {
	Difference
	Incident string `json:"incident"`
}

// accepted is the last manifest that was taken from a file.
type accepted struct {
	Name    string    `json:"name"`
	Number  uint64    `json:"number"`
	Digest  string    `json:"digest"`  // of the file
	Content string    `json:"content"` // of what is signed
	At      time.Time `json:"at"`      // its signer was judged then
}

// maxState is the most that is read of the state, in octets.
const maxState = 16 << 20

// load reads the state. why says what became of one that was lost; "" = nothing.
func load(name string) (k *kept, why string, err error) {
	k = new(kept)
	_, err = files.Load(name, maxState, func(raw []byte) error { return files.DecodeJSON(raw, k) })
	if errors.As(err, new(*files.Damaged)) {
		k, why, err = new(kept), "what was kept of the last comparison cannot be read", nil
	}
	if err != nil {
		return nil, "", fmt.Errorf("cannot compare this machine with its manifests: %w", err)
	}
	if k.Manifests == nil {
		k.Manifests = map[string]accepted{}
	}
	if k.Differs == nil {
		k.Differs = map[string]recorded{}
	}
	return k, why, nil
}

// save replaces the state, all of it or none.
func (k *kept) save(name string) error {
	raw, err := json.Marshal(k)
	if err == nil {
		err = files.Replace(name, raw, 0o600)
	}
	if err != nil {
		return fmt.Errorf("cannot keep what this machine's manifests are: %w", err)
	}
	return nil
}
