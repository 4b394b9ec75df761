package cli

import (
	"crypto/tls"
	"slices"
	"sync/atomic"
)

// observer is told of a pair before it is taken into use.
type observer struct {
	tell    func(old, now *tls.Certificate) error // nil = nobody
	refused atomic.Bool                           // the last pair read: it is tried again
}

// Observe has f told of the pair in use, old being nil, and from then on of each other pair before it is taken into
// use; an error of f keeps the old one, and the new one is tried again. Call it once, before the pair is used or
// followed.
func (k *Keys) Observe(f func(old, now *tls.Certificate) error) error {
	k.tell = f
	return f(nil, k.Certificate())
}

// ask says whether now may take the place of old.
func (o *observer) ask(old, now *tls.Certificate) error {
	if o.tell == nil || slices.EqualFunc(old.Certificate, now.Certificate, slices.Equal) {
		return nil
	}
	err := o.tell(old, now)
	o.refused.Store(err != nil)
	return err
}
