package trail

import (
	"fmt"
	"log/slog"
	"sync"
	"time"

	"tlagate/audit"
	"tlagate/audit/persons"
	"tlagate/cmd/internal/cli"
	"tlagate/pki"
)

// Marks returns what the trace names a person by, who is given by their national identifier: it does so with the key
// that a configuration names, and with another one as soon as that has taken its place. Without one it names nobody.
func Marks(k cli.PersonKey, log *slog.Logger) (func(identifier string) []audit.Attr, error) {
	if k.File == "" {
		return nil, nil
	}
	m := &marks{from: k, log: log, watch: pki.NewFileWatch(string(k.File))}
	var err error
	if m.ring, err = m.open(); err != nil {
		return nil, err
	}
	return m.of, nil
}

// marks has the key by which the trace names persons.
type marks struct {
	from cli.PersonKey
	log  *slog.Logger

	mu     sync.Mutex // protects the rest
	watch  *pki.FileWatch
	broken bool // the file has changed, and cannot be used
	ring   *persons.Ring
}

func (m *marks) open() (*persons.Ring, error) {
	ring, err := persons.Open(string(m.from.File), m.from.Keys())
	if err != nil {
		return nil, fmt.Errorf("person_key: %w", err)
	}
	return ring, nil
}

// of returns what the trace names a person by.
func (m *marks) of(identifier string) []audit.Attr {
	mark, err := m.now().Mark(identifier)
	if err != nil {
		m.log.Error("the trace does not say who the person is", "reason", "person_key")
		return nil
	}
	return []audit.Attr{audit.Person(mark.Person), audit.PersonSealed(mark.Sealed)}
}

// now returns the key of the file, or the one before while that cannot be used.
func (m *marks) now() *persons.Ring {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.watch.Changed() && !m.broken {
		return m.ring
	}
	next, err := m.open()
	if m.broken = err != nil; m.broken {
		m.log.Error("the old person key stays in use", "error", err)
		return m.ring
	}
	if name := keyName(next); name != keyName(m.ring) {
		m.log.Info("the person key is another one now", "key", name)
	}
	m.ring = next
	return next
}

// keyName returns the name of the key by which a ring marks.
func keyName(r *persons.Ring) string { return r.Keys(time.Now())[0].Name }
