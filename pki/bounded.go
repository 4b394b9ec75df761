package pki

import (
	"cmp"
	"sync"
)

// boundedSet remembers up to max digests; when full it starts anew.
type boundedSet struct {
	max int // 0 = maxRemembered

	mu  sync.Mutex
	set map[[32]byte]struct{}
}

const maxRemembered = 1024

func (s *boundedSet) has(key [32]byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.set[key]
	return ok
}

func (s *boundedSet) add(key [32]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.set == nil || len(s.set) >= cmp.Or(s.max, maxRemembered) {
		s.set = make(map[[32]byte]struct{})
	}
	s.set[key] = struct{}{}
}
