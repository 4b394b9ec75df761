package trail

import (
	"fmt"
	"log/slog"

	"tlagate/audit"
	"tlagate/audit/persons"
	"tlagate/keys"
)

// Marks returns what the trace names a person by, who is given by their national identifier: it does so with the key in
// file, which is encrypted under the wrapping key. "" = there is no key, and it names nobody.
func Marks(file, wrapping string, log *slog.Logger) (func(identifier string) []audit.Attr, error) {
	if file == "" {
		return nil, nil
	}
	ring, err := persons.Open(file, keys.Config{WrappingKey: wrapping})
	if err != nil {
		return nil, fmt.Errorf("person_key: %w", err)
	}
	return func(identifier string) []audit.Attr {
		m, err := ring.Mark(identifier)
		if err != nil {
			log.Error("the trace does not say who the person is", "reason", "person_key")
			return nil
		}
		return []audit.Attr{audit.Person(m.Person), audit.PersonSealed(m.Sealed)}
	}, nil
}
