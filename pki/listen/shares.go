package listen

import "sync"

// Shares bounds what there is at once, in all and of each name, so that nobody takes what others need. It is safe for
// concurrent use.
type Shares struct {
	most, each int

	mu    sync.Mutex // protects the rest
	taken map[string]int
	all   int
}

// NewShares returns shares of which there are most, and each of one name.
func NewShares(most, each int) *Shares {
	return &Shares{most: most, each: each, taken: map[string]int{}}
}

// Take takes a share, which Return gives back, and reports whether there was one.
func (s *Shares) Take(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all >= s.most || s.taken[name] >= s.each {
		return false
	}
	s.all++
	s.taken[name]++
	return true
}

// Return gives a share back.
func (s *Shares) Return(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all--
	if s.taken[name]--; s.taken[name] == 0 {
		delete(s.taken, name)
	}
}

// Taken returns how many are taken.
func (s *Shares) Taken() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all
}
