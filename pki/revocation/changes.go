package revocation

// Changed gives a channel that is closed at the next change of revocation data, a CRL going stale included;
// call again for the next. Take it before looking at the data, so that no change is missed.
func (t *shared) Changed() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.changed
}

// Updated is Changed but for what Deny and Allow say: who watches Denials as well need not look at everybody then.
func (t *shared) Updated() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.updated
}

// TellChanged wakes whoever waits.
func (t *shared) TellChanged() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.notify()
}

// notify wakes whoever waits; t.mu is held.
func (t *shared) notify() {
	close(t.updated)
	t.updated = make(chan struct{})
	t.notifyChanged()
}

func (t *shared) notifyChanged() {
	close(t.changed)
	t.changed = make(chan struct{})
}

// tellDenial wakes who waits for Changed.
func (t *shared) tellDenial() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.notifyChanged()
}
