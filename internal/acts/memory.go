package acts

import (
	"hash/maphash"
	"net/http"
	"sync"
	"time"
)

// Memory has what acts were answered, by who sent them and with which key. It forgets when the program ends.
type Memory struct {
	keep time.Duration
	most int // octets of an answer
	seed maphash.Seed

	mu  sync.Mutex // protects the rest
	all map[string]map[string]*done
	n   int
}

// How many acts are kept: of one caller, whose oldest ones are forgotten for newer ones; and in all.
const (
	perCaller = 256
	inAll     = 4096
)

// done is an act that was sent with a key.
type done struct {
	request uint64 // hash of method, path and body
	began   time.Time
	answer  *Answer // nil = it is being done
}

// NewMemory returns a memory that keeps answers of at most so many octets for so long.
func NewMemory(keep time.Duration, most int) *Memory {
	return &Memory{keep: keep, most: most, seed: maphash.MakeSeed(), all: map[string]map[string]*done{}}
}

// Once calls f, or returns what it returned when who sent the same act before. An answer that says that something of
// ours failed is not kept, nor is anything when f panics.
func (m *Memory) Once(who string, act *Act, f func() *Answer) *Answer {
	if act.key == "" {
		return f()
	}
	now := &done{request: m.hash(act), began: time.Now()}
	before, p := m.begin(who, act.key, now)
	if p != nil {
		return p.Answer()
	}
	if before != nil {
		return before
	}
	var a *Answer
	defer func() { m.finish(who, act.key, now, a) }()
	a = f()
	return a
}

func (m *Memory) hash(act *Act) uint64 {
	var h maphash.Hash
	h.SetSeed(m.seed)
	_, _ = h.WriteString(act.path + "\n")
	_, _ = h.Write(act.Body)
	return h.Sum64()
}

func (m *Memory) begin(who, key string, now *done) (*Answer, *Problem) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch before := m.all[who][key]; {
	case before == nil:
	case before.request != now.request:
		return nil, &Problem{Code: KeyReused, Detail: "This Idempotency-Key was sent with another request.",
			Action: "Make a new key for each act."}
	case before.answer == nil:
		return nil, &Problem{Code: Conflict, Detail: "This act is being done.", Action: "Ask again in a moment."}
	default:
		return before.answer, nil
	}
	if !m.makeRoom(who) {
		return nil, &Problem{Code: TooMany, Detail: "Too many acts with an Idempotency-Key at once.",
			Action: "Wait a little.", Wait: time.Second}
	}
	if m.all[who] == nil {
		m.all[who] = map[string]*done{}
	}
	m.all[who][key] = now
	m.n++
	return nil, nil
}

// makeRoom reports whether there is room for another act of a caller, for which their oldest one that is done is
// forgotten: nobody's acts make another's be forgotten. The caller holds m.mu.
func (m *Memory) makeRoom(who string) bool {
	mine := m.all[who]
	if len(mine) < perCaller {
		return m.n < inAll
	}
	oldest := ""
	for key, d := range mine {
		if d.answer != nil && (oldest == "" || d.began.Before(mine[oldest].began)) {
			oldest = key
		}
	}
	if oldest == "" {
		return false
	}
	m.remove(who, oldest)
	return true
}

func (m *Memory) finish(who, key string, now *done, a *Answer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case a == nil || a.Status >= http.StatusInternalServerError:
		m.remove(who, key)
		return
	case len(a.Body) > m.most:
		a = (&Problem{Code: Conflict, Detail: "It was done; its answer is too long to be given twice."}).Answer()
	}
	now.answer = a
	time.AfterFunc(m.keep, func() { m.forget(who, key, now) }) // at once then: it may hold secrets
}

func (m *Memory) forget(who, key string, old *done) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.all[who][key] == old {
		m.remove(who, key)
	}
}

// remove drops one. The caller holds m.mu.
func (m *Memory) remove(who, key string) {
	delete(m.all[who], key)
	m.n--
	if len(m.all[who]) == 0 {
		delete(m.all, who)
	}
}
