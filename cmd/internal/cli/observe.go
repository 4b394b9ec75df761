package cli

import (
	"crypto/tls"
	"slices"
	"sync/atomic"
)

// observer is called with a pair before it is taken into use.
type observer struct {
	tell    func(old, now *tls.Certificate) error // nil = nothing is called
	refused atomic.Bool                           // the last pair read was refused, and is tried again
}

// Observe calls f with the pair in use, old being nil, and has it called from then on with each new pair before it is
// taken into use. If f returns an error, the old pair stays in use, and the new one is tried again. Call Observe once,
// before the pair is used or followed.
func (k *Keys) Observe(f func(old, now *tls.Certificate) error) error {
	k.tell = f
	return f(nil, k.Certificate())
}

// ask returns an error if now may not take the place of old.
func (o *observer) ask(old, now *tls.Certificate) error {
	if o.tell == nil || slices.EqualFunc(old.Certificate, now.Certificate, slices.Equal) {
		return nil
	}
	err := o.tell(old, now)
	o.refused.Store(err != nil)
	return err
}
