// Package pulse lets others see that a loop comes round: a program whose process runs may hang inside.
package pulse

// Loop is a loop that others may wait for. It receives from Asked among whatever else it waits for, and calls End when
// it is over.
type Loop struct{ asked, over chan struct{} }

// New returns a loop that has not come round yet.
func New() *Loop { return &Loop{make(chan struct{}), make(chan struct{})} }

// Asked returns what the loop receives from.
func (l *Loop) Asked() <-chan struct{} { return l.asked }

// End says that the loop is over. It is called once.
func (l *Loop) End() { close(l.over) }

// Wait returns when the loop comes round, or is over.
func (l *Loop) Wait() {
	select {
	case l.asked <- struct{}{}:
	case <-l.over:
	}
}
