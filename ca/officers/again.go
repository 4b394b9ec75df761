package officers

import (
	"hash/maphash"
	"sync"
	"time"
)

// answered keeps answers to acts for a while, by the officer's Idempotency-Key: whoever asks again because no answer
// came has it done once. Nothing of it outlives the server.
type answered struct {
	seed maphash.Seed

	mu   sync.Mutex // protects the rest
	kept map[string]*kept
}

// kept is an act that was begun.
type kept struct {
	name   string
	body   uint64
	begun  time.Time
	done   bool
	answer answer
	err    error
}

const (
	keptTime = 10 * time.Minute
	mostKept = 256
	maxKept  = 1 << 20 // octets of an answer
	maxKey   = 64      // octets of an Idempotency-Key
)

func newAnswered() *answered {
	return &answered{seed: maphash.MakeSeed(), kept: map[string]*kept{}}
}

// once does an act, unless the same was done under that key: then it returns the same answer. Without a key it does it.
func (a *answered) once(who, key, name string, body []byte, do func() (answer, error)) (answer, error) {
	if key == "" {
		return do()
	}
	if len(key) > maxKey {
		return answer{}, problemf(BadRequest, "The Idempotency-Key is longer than %d octets.", maxKey)
	}
	now := &kept{name: name, body: maphash.Bytes(a.seed, body), begun: time.Now()}
	before, err := a.begin(who+" "+key, now)
	if err != nil || before != nil {
		return a.repeat(before, err)
	}
	out, err := do()
	a.mu.Lock()
	defer a.mu.Unlock()
	now.done, now.answer, now.err = true, out, err
	time.AfterFunc(keptTime, func() { a.forget(who+" "+key, now) }) // it may hold codes
	if len(out.body) > maxKept {
		now.answer = answer{}
		now.err = problemf(Repeated, "It was done; its answer is too long to be given twice.")
	}
	return out, err
}

func (a *answered) forget(key string, old *kept) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.kept[key] == old {
		delete(a.kept, key)
	}
}

func (a *answered) repeat(before *kept, err error) (answer, error) {
	if err != nil {
		return answer{}, err
	}
	return before.answer, before.err
}

// makeRoom forgets the oldest act that is done when there are too many, and reports whether there is room for another.
func (a *answered) makeRoom() bool {
	if len(a.kept) < mostKept {
		return true
	}
	oldest := ""
	for key, k := range a.kept {
		if k.done && (oldest == "" || k.begun.Before(a.kept[oldest].begun)) {
			oldest = key
		}
	}
	delete(a.kept, oldest)
	return oldest != ""
}

// begin enters an act; it returns the one that was done before under that key, if it is the same.
func (a *answered) begin(key string, now *kept) (before *kept, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch before = a.kept[key]; {
	case before == nil && !a.makeRoom():
		return nil, problemf(TooMany, "Too many acts at once; wait a little.")
	case before == nil:
		a.kept[key] = now
		return nil, nil
	case !before.done:
		return nil, problemf(Repeated, "The same is being done.")
	case before.name != now.name || before.body != now.body:
		return nil, problemf(Repeated, "That Idempotency-Key was used for something else.")
	}
	return before, nil
}
