package api

import (
	"sync"
	"time"
)

// HeaderIdempotencyKey has a key by which an act that is sent again is done once.
const HeaderIdempotencyKey = "Idempotency-Key"

// How long answers are kept for those who send an act again, and how many.
const (
	keptFor     = 24 * time.Hour
	keptPerName = 256
	keptInAll   = 4096
	maxKey      = 64 // octets
)

// done is an act that was sent with a key.
type done struct {
	request string // method, path and body
	at      time.Time
	answer  *answer // nil = it is being done
}

// memory has what acts were answered, by who sent them and with which key.
type memory struct {
	now func() time.Time

	mu  sync.Mutex // protects the rest
	all map[string]map[string]*done
	n   int
}

func newMemory() *memory {
	return &memory{now: time.Now, all: map[string]map[string]*done{}}
}

// once calls f, or returns what it returned when the same act was sent before. An answer that says that something of
// ours failed is not kept.
func (m *memory) once(who, key string, request string, f func() *answer) *answer {
	if key == "" {
		return f()
	}
	before, p := m.begin(who, key, request)
	if p != nil {
		return p.answer()
	}
	if before != nil {
		return before
	}
	var a *answer
	defer func() { m.finish(who, key, a) }()
	a = f()
	return a
}

func (m *memory) begin(who, key string, request string) (*answer, *Problem) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forget()
	switch d := m.all[who][key]; {
	case d == nil:
	case d.request != request:
		return nil, &Problem{Code: KeyReused, Detail: "This Idempotency-Key was sent with another request.",
			Action: "Make a new key for each act."}
	case d.answer == nil:
		return nil, &Problem{Code: Conflict, Detail: "This act is being done.", Action: "Ask again in a moment."}
	default:
		return d.answer, nil
	}
	if len(m.all[who]) >= keptPerName || m.n >= keptInAll {
		return nil, &Problem{Code: TooMany, Detail: "Too many acts with an Idempotency-Key in 24 hours.",
			Action: "Send it without a key."}
	}
	if m.all[who] == nil {
		m.all[who] = map[string]*done{}
	}
	m.all[who][key] = &done{request: request, at: m.now()}
	m.n++
	return nil, nil
}

func (m *memory) finish(who, key string, a *answer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if a == nil || a.status >= 500 {
		m.remove(who, key)
		return
	}
	m.all[who][key].answer = a
}

// forget drops what was kept for long enough. The caller holds m.mu.
func (m *memory) forget() {
	for who, keys := range m.all {
		for key, d := range keys {
			if d.answer != nil && m.now().Sub(d.at) > keptFor {
				m.remove(who, key)
			}
		}
	}
}

// remove drops one. The caller holds m.mu.
func (m *memory) remove(who, key string) {
	delete(m.all[who], key)
	m.n--
	if len(m.all[who]) == 0 {
		delete(m.all, who)
	}
}
