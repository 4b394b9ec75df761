// Package bucket has the token bucket: so many at once, then one more after each period.
package bucket

import "time"

// Bucket is one token bucket. The zero Bucket is full. It is not safe for concurrent use.
type Bucket struct {
	full time.Time // when it will be full again; a time in the past = it is full
}

// Rate is how many tokens fit into a Bucket, and how fast it fills.
type Rate struct {
	Size   int
	Period time.Duration // for one token
}

// Take takes a token out at now and returns 0, or takes none and returns how long until there is one.
func (b *Bucket) Take(now time.Time, r Rate) (wait time.Duration) {
	full, wait := b.after(now, r)
	if wait == 0 {
		b.full = full
	}
	return wait
}

// Missing is Take without taking.
func (b *Bucket) Missing(now time.Time, r Rate) (wait time.Duration) {
	_, wait = b.after(now, r)
	return wait
}

// Full returns when the bucket is full again.
func (b *Bucket) Full() time.Time { return b.full }

// after returns when the bucket would be full again with one token less, and how long until it has that token: it has
// none while it takes Size periods or more to fill.
func (b *Bucket) after(now time.Time, r Rate) (full time.Time, wait time.Duration) {
	full = b.full
	if full.Before(now) {
		full = now
	}
	full = full.Add(r.Period)
	return full, max(full.Sub(now)-time.Duration(r.Size)*r.Period, 0)
}
