package audit

import (
	"fmt"
	"time"
)

const (
	retryPause = time.Second     // between two tries to write what is kept
	closePause = 5 * time.Second // longest time that Close takes for that
)

// submit has a call written, and returns how that ended. Whoever comes first writes all that waits by then; a call that
// comes while that is written is in the next commit, so that none waits for more than two.
func (l *Log) submit(c *call) error {
	c.done = make(chan error, 1)
	l.queue.add(c)
	select {
	case err := <-c.done:
		return err
	case l.turn <- struct{}{}:
		l.commit()
		<-l.turn
		return <-c.done
	}
}

// later keeps a call until it is written.
func (l *Log) later(c *call) {
	l.queue.add(c)
	if l.draining.CompareAndSwap(false, true) {
		go l.drain()
	}
}

// drain writes what is kept, and ends when nothing is.
func (l *Log) drain() {
	for {
		l.inTurn(l.commit)
		if l.queue.rests() == 0 {
			l.draining.Store(false)
			if l.queue.rests() == 0 || !l.draining.CompareAndSwap(false, true) {
				return
			}
			continue // what has come in between
		}
		select {
		case <-time.After(retryPause):
		case <-l.closed:
			l.draining.Store(false)
			return
		}
	}
}

// inTurn calls f while no other goroutine writes to the log.
func (l *Log) inTurn(f func()) {
	l.turn <- struct{}{}
	defer func() { <-l.turn }()
	f()
}

// commit writes what waits, and tells those who wait how that ended. The caller has the turn.
func (l *Log) commit() {
	batch := l.queue.take()
	if len(batch) == 0 {
		return
	}
	rotated := false
	err := l.locked(func(t *tail) error {
		err := t.writeAll(batch)
		rotated = t.rotated
		return err
	})
	l.queue.finish(batch, err)
	if rotated && l.cfg.Rotated != nil {
		go l.cfg.Rotated()
	}
	l.purger.whenDue()
}

// Flush writes what waits, as far as that can be done now. The error says why something still waits.
func (l *Log) Flush() error {
	if l == nil {
		return nil
	}
	rest := 0
	l.inTurn(func() {
		l.commit()
		rest = l.queue.rests()
	})
	if rest > 0 {
		return fmt.Errorf("cannot write %d events to the audit trace %s: %s", rest, l.cfg.File, l.Failing())
	}
	return nil
}

// Close writes what waits, and what is counted of strangers. It tries for at most 5 s; the error says why something is
// not in the trace then, which the trace says too if it can.
func (l *Log) Close() error {
	if l == nil {
		return nil
	}
	l.strangers.Close()
	err := l.Flush()
	for end := time.Now().Add(closePause); err != nil && time.Now().Before(end); err = l.Flush() {
		time.Sleep(closePause / 20)
	}
	l.closeOnce.Do(func() { close(l.closed) })
	l.queue.close()
	l.inTurn(l.commit)
	return err
}
