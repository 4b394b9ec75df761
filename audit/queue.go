package audit

import (
	"cmp"
	"errors"
	"slices"
	"sync"
	"time"

	"tlagate/internal/stamp"
)

const (
	mostKept    = 4096 // calls that wait for a disk that cannot be written
	mostStrange = 256  // of these, about strangers
)

// queue has the calls that wait to be written, and counts what is not written.
type queue struct {
	own func(kind Kind, attrs ...Attr) *call // makes a line of the log's own
	now func() time.Time

	mu      sync.Mutex // protects the rest
	waiting []*call    // in the order in which they came
	kept    int        // of waiting: those of Later and Stranger
	strange int        // of those: Stranger's
	taken   int        // kept calls, and lost events, of the batch that is being written
	gap     gap        // what was lost since the last line about that
	hidden  int        // events about strangers that no line counts yet
	told    time.Time  // when a line last counted such
	last    bool       // the log is closed: what is not written now never will be
	failing error      // why an event of the last commit is not in the trace; nil = all are
	stats   Stats
}

// add adds a call. When too many are kept, the oldest is lost that is not essential.
func (q *queue) add(c *call) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if c.weight == strange && q.strange >= mostStrange {
		q.give(c)
		return
	}
	q.append(c)
	for q.kept > mostKept {
		i := slices.IndexFunc(q.waiting, func(c *call) bool { return c.kept() && c.weight < essential })
		if i < 0 {
			i = slices.IndexFunc(q.waiting, (*call).kept)
		}
		q.drop(i)
	}
}

func (q *queue) append(c *call) {
	q.waiting = append(q.waiting, c)
	if c.kept() {
		q.kept++
	}
	if c.weight == strange {
		q.strange++
	}
}

// drop takes a kept call out again.
func (q *queue) drop(i int) {
	c := q.waiting[i]
	q.waiting = slices.Delete(q.waiting, i, i+1)
	q.kept--
	if c.weight == strange {
		q.strange--
	}
	q.give(c)
}

// give counts what will not be written.
func (q *queue) give(c *call) {
	switch {
	case c.weight > strange:
		q.gap = q.gap.with(gap{c.stands, c.happened, c.happened})
		q.stats.Lost += c.stands
	case c.counted:
		q.hidden += c.stands
	default:
		q.hidden += c.stands
		q.stats.Rationed += c.stands
	}
}

// lose counts an event that cannot be written.
func (q *queue) lose(why error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.failing = why
	q.give(&call{weight: ordinary, happened: q.now(), stands: 1})
}

// fail remembers why an event is not in the trace.
func (q *queue) fail(why error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.failing = why
}

// rationed counts an event of a stranger that a line will count.
func (q *queue) rationed() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.stats.Rationed++
}

// rests returns how much there is that is kept, or was lost, and not in the trace; 0 = nothing is to be done.
func (q *queue) rests() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.kept + q.gap.count + q.taken
}

// take returns what waits, and before it what is to be said of events that are not in the trace.
func (q *queue) take() []*call {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting)+q.gap.count == 0 {
		return nil
	}
	q.taken = q.kept + q.gap.count
	batch := append(q.unsaid(), q.waiting...)
	q.waiting, q.kept, q.strange = nil, 0, 0
	return batch
}

// unsaid returns the lines about events that are not in the trace. While only the reserve is left, more may be lost, so
// that they wait for the room of an ordinary line; at the log's end they do not.
func (q *queue) unsaid() (list []*call) {
	if g := q.gap; g.count > 0 {
		c := q.own(AuditGap, Count(g.count), From(stamp.Instant(g.from)), To(stamp.Instant(g.to)))
		if c.lost = g; !q.last {
			c.weight = ordinary
		}
		list, q.gap = append(list, c), gap{}
	}
	if q.hidden > 0 && (q.last || q.now().Sub(q.told).Abs() >= strangersTime) {
		c := q.own(AuditRationed, Network(everywhere), Count(q.hidden))
		c.weight, c.stands, c.counted, c.hides = strange, q.hidden, true, true
		list, q.hidden = append(list, c), 0
	}
	return list
}

// finish answers the calls of a batch; what is kept and not written waits again, before what has come since. err is why
// the batch failed; a call may have an error of its own.
func (q *queue) finish(batch []*call, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	since := q.waiting
	q.taken = 0
	q.waiting, q.kept, q.strange = nil, 0, 0
	q.note(batch, err)
	for _, c := range batch {
		q.answer(c)
	}
	for _, c := range since {
		c.tries++
		q.append(c)
	}
}

// note remembers why a call of a batch is not in the trace. Lines about strangers do not count.
func (q *queue) note(batch []*call, err error) {
	var failing error
	written := false
	for _, c := range batch {
		if !c.written && c.err == nil {
			c.err = err
		}
		if c.weight > strange {
			failing, written = cmp.Or(failing, c.err), written || c.written
		}
	}
	if written || failing != nil {
		q.failing = failing
	}
}

// answer deals with a call after a try to write it.
func (q *queue) answer(c *call) {
	c.tries++
	if c.written {
		q.count(c)
	}
	switch {
	case c.done != nil:
		c.done <- c.err
	case !c.written:
		q.keep(c)
	}
}

// count counts what is written.
func (q *queue) count(c *call) {
	q.stats.Lines += uint64(len(c.entries))
	if c.done != nil {
		q.stats.Waited = max(q.stats.Waited, c.tries)
	}
	if c.hides {
		q.told = q.now()
	}
}

// keep puts a call back that could not be written, unless it never will be.
func (q *queue) keep(c *call) {
	switch {
	case c.lost.count > 0:
		q.gap = c.lost.with(q.gap)
	case c.weight == strange, errors.Is(c.err, errLong):
		q.give(c)
	default:
		c.err = nil
		q.append(c)
	}
}

// close has everything counted as lost that still waits; a last commit may say so.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.last = true
	for q.kept > 0 {
		q.drop(slices.IndexFunc(q.waiting, (*call).kept))
	}
}

// gap is what was lost because it could not be written.
type gap struct {
	count    int
	from, to time.Time // of the first event and of the last
}

// with returns two gaps as one.
func (g gap) with(o gap) gap {
	switch {
	case g.count == 0:
		return o
	case o.count == 0:
		return g
	}
	if o.from.Before(g.from) {
		g.from = o.from
	}
	if o.to.After(g.to) {
		g.to = o.to
	}
	g.count += o.count
	return g
}
