package recent

import "sync"

// Ring keeps the last values that were added, up to its size. It is safe for concurrent use.
type Ring[T any] struct {
	mu   sync.Mutex // protects the rest
	most int
	list []T // the oldest at next, once full
	next int
}

// NewRing returns a Ring of that size.
func NewRing[T any](most int) *Ring[T] { return &Ring[T]{most: most} }

// Add adds a value, in place of the oldest when the Ring is full.
func (r *Ring[T]) Add(v T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.list) < r.most {
		r.list = append(r.list, v)
		return
	}
	r.list[r.next] = v
	r.next = (r.next + 1) % r.most
}

// All returns the values, the oldest first.
func (r *Ring[T]) All() []T {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append(append(make([]T, 0, len(r.list)), r.list[r.next:]...), r.list[:r.next]...)
}
