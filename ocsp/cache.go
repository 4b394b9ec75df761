package ocsp

import "sync"

// cache stores what is known about certificates, by the certIDs in requests: a certificate has a few, by hash and form.
// Serials that were never issued are not stored, so inventing them fills nothing.
type cache struct {
	most int

	mu sync.RWMutex // protects m
	m  map[string]*entry
}

// entry is what is known about one certID. It is never changed, only replaced.
type entry struct {
	status     status
	generation uint64  // of the books when the status was looked up, at the latest
	answer     *answer // to a request for this certificate alone without nonce; nil = none yet
}

func newCache(most int) *cache { return &cache{most: most, m: make(map[string]*entry)} }

// get returns nil when nothing is known.
func (c *cache) get(id []byte) *entry {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.m[string(id)]
}

// put makes room, if need be, by forgetting any other.
func (c *cache) put(id []byte, e *entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.m[string(id)]; !known && len(c.m) >= c.most {
		for other := range c.m {
			delete(c.m, other)
			break
		}
	}
	c.m[string(id)] = e
}

func (c *cache) len() int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.m)
}
