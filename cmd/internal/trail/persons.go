package trail

import (
	"fmt"
	"log/slog"

	"tlagate/audit"
	"tlagate/audit/persons"
	"tlagate/cmd/internal/cli"
)

// Marks returns what the trace names a person by, who is given by their national identifier: it does so with the key
// that a configuration names. Without one it names nobody.
func Marks(k cli.PersonKey, log *slog.Logger) (func(identifier string) []audit.Attr, error) {
	if k.File == "" {
		return nil, nil
	}
	ring, err := persons.Open(string(k.File), k.Keys())
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
