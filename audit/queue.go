package audit

import (
	"errors"
	"slices"
	"time"
)

const (
	mostKept    = 4096            // calls that wait for a disk that cannot be written
	mostStrange = 256             // of these, about strangers
	retryPause  = time.Second     // between two tries
	closePause  = 5 * time.Second // longest time that Close takes for what waits
)

// submit has a call written, and returns how that ended. Whoever comes first writes all that waits by then; a call that
// comes while that is written is in the next commit, so that none waits for more than two.
func (l *Log) submit(c *call) error {
	l.enqueue(c)
	select {
	case err := <-c.done:
		return err
	case l.turn <- struct{}{}:
	}
	l.commit()
	<-l.turn
	return <-c.done
}

// later keeps a call until it is written.
func (l *Log) later(c *call) {
	l.enqueue(c)
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.draining && l.kept > 0 {
		l.draining = true
		go l.drain()
	}
}

// drain writes what is kept, and ends when nothing is.
func (l *Log) drain() {
	for {
		l.commitInTurn()
		if !l.pending() {
			return
		}
		select {
		case <-time.After(retryPause):
		case <-l.closed:
			return
		}
	}
}

// pending reports whether something that is kept still waits; if not, it ends the draining.
func (l *Log) pending() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.draining = l.kept > 0
	return l.draining
}

func (l *Log) commitInTurn() {
	l.turn <- struct{}{}
	defer func() { <-l.turn }()
	l.commit()
}

// enqueue adds a call to those that wait. When too many are kept, the oldest is lost that is not essential.
func (l *Log) enqueue(c *call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.append(c)
	if l.kept <= mostKept {
		return
	}
	i := slices.IndexFunc(l.waiting, func(c *call) bool { return c.kept() && c.weight < essential })
	if i < 0 {
		i = slices.IndexFunc(l.waiting, (*call).kept)
	}
	l.drop(l.waiting[i])
	l.waiting = slices.Delete(l.waiting, i, i+1)
}

// append and drop count what waits.
func (l *Log) append(c *call) {
	l.waiting = append(l.waiting, c)
	if c.kept() {
		l.kept++
	}
	if c.weight == strange {
		l.strange++
	}
}

func (l *Log) drop(c *call) {
	l.kept--
	if c.weight == strange {
		l.strange--
	}
	l.give(c)
}

// give counts what will not be written.
func (l *Log) give(c *call) {
	if c.weight == strange {
		l.hide(c.stands)
		return
	}
	l.gap = l.gap.with(gap{c.stands, c.happened, c.happened})
	l.stats.Lost += c.stands
}

// commit writes what waits, and tells those who wait how that ended. The caller holds the turn.
func (l *Log) commit() {
	batch := l.take()
	if len(batch) == 0 {
		return
	}
	var rotated bool
	err := l.locked(func(t *tail) error {
		err := t.writeAll(batch)
		rotated = t.rotated
		return err
	})
	l.finish(batch, err)
	if rotated && l.cfg.Rotated != nil {
		l.cfg.Rotated()
	}
	l.purgeWhenDue()
}

// take returns what waits, and before it what is to be said of events that are not in the trace.
func (l *Log) take() []*call {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) == 0 && l.gap.count == 0 {
		return nil
	}
	batch := append(l.unsaid(), l.waiting...)
	l.waiting, l.kept, l.strange = nil, 0, 0
	return batch
}

// unsaid returns the lines about events that are not in the trace.
func (l *Log) unsaid() (list []*call) {
	if l.gap.count > 0 {
		list = append(list, l.gapCall())
		l.gap = gap{}
	}
	if l.hidden > 0 && l.now().Sub(l.hiddenTold).Abs() >= strangersTime {
		list = append(list, l.hiddenCall())
		l.hidden = 0
	}
	return list
}

// finish answers the calls of a batch; what is kept and not written waits again, before what has come since.
func (l *Log) finish(batch []*call, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	since := l.waiting
	l.waiting, l.kept, l.strange = nil, 0, 0
	l.failing = nil
	for _, c := range batch {
		l.answer(c, err)
	}
	for _, c := range since {
		c.tries++
		l.append(c)
	}
	l.stats.Used, l.stats.Reserve = l.known.full+l.known.size, l.known.reserve
}

// answer deals with a call after a try to write it; err is why the whole batch failed.
func (l *Log) answer(c *call, err error) {
	c.tries++
	if c.written {
		l.count(c)
	} else if c.err == nil {
		c.err = err
	}
	if c.err != nil && c.weight > strange {
		l.failing = c.err
	}
	switch {
	case c.done != nil:
		c.done <- c.err
	case !c.written:
		l.keep(c)
	}
}

// count counts what is written.
func (l *Log) count(c *call) {
	l.stats.Lines += uint64(len(c.entries))
	if c.done != nil {
		l.stats.Waited = max(l.stats.Waited, c.tries)
	}
	if c.hides {
		l.hiddenTold = l.now()
	}
}

// keep puts a call back that could not be written, unless it never will be.
func (l *Log) keep(c *call) {
	switch {
	case c.lost.count > 0:
		l.gap = c.lost.with(l.gap)
	case c.weight == strange, errors.Is(c.err, errLong):
		l.give(c)
	default:
		c.err = nil
		l.append(c)
	}
}

// fail remembers why an event is not in the trace.
func (l *Log) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failing = err
}

// Flush writes what waits, as far as that can be done now. The error says why something still waits.
func (l *Log) Flush() error {
	if l == nil {
		return nil
	}
	l.commitInTurn()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.kept == 0 {
		return nil
	}
	return errors.Join(errors.New("events wait that cannot be written"), l.failing)
}

// Close writes what waits, and what is counted of strangers. It tries for at most 5 s; the error says why something is
// not in the trace then.
func (l *Log) Close() error {
	if l == nil {
		return nil
	}
	l.strangers.Close()
	err := l.Flush()
	for end := time.Now().Add(closePause); err != nil && time.Now().Before(end); err = l.Flush() {
		time.Sleep(closePause / 20)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.closed:
	default:
		close(l.closed)
	}
	return err
}
