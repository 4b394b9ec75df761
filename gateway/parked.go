package gateway

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"tlagate/gateway/rates"
	"tlagate/pki"
	"tlagate/session/link"
)

// parkedTable holds the links that PdTs have parked, until TLAs ask for them.
type parkedTable struct {
	perPdT   int             // links one PdT may park
	mostOf   int             // of one practice; 0 = no limit
	joinWait time.Duration   // how long find waits
	links    *sync.WaitGroup // the gateway's
	came     func(pki.Identity) (latest string, came map[string]time.Time)

	mu       sync.Mutex // protects the rest
	byPdT    map[pki.Identity][]*end
	coming   map[pki.Identity]int // links reserved and not yet added
	practice practiceCount        // links of both
	arrival  chan struct{}        // closed and replaced when a link is added
	closing  chan struct{}        // closed when draining begins, replaced when it ends
	draining bool
}

func newParkedTable(l Limits, links *sync.WaitGroup,
	came func(pki.Identity) (latest string, came map[string]time.Time)) *parkedTable {
	return &parkedTable{perPdT: l.ParkedPerPdT, mostOf: l.PerPractice.Parked, practice: practiceCount{},
		joinWait: l.JoinWait, links: links, closing: make(chan struct{}), came: came,
		byPdT: map[pki.Identity][]*end{}, coming: map[pki.Identity]int{}, arrival: make(chan struct{})}
}

// reserve applies the limits for a link of a process. When it returns no problem, links counts one more: add or release
// follows.
func (t *parkedTable) reserve(pdt pki.Identity, instance string) *link.Problem {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.draining {
		return drainingProblem()
	}
	if len(t.byPdT[pdt])+t.coming[pdt] >= t.perPdT && !t.giveWay(pdt, instance) {
		return rates.TooOften(retryParked, "This PdT has parked as many links as it may.",
			"Look for a second tla-pdt with the same certificate.")
	}
	if reached(t.practice[pdt.Practice], t.mostOf) {
		return tooManyOfPractice("parked links", retryParked)
	}
	t.coming[pdt]++
	t.practice.add(pdt.Practice, 1)
	t.links.Add(1)
	return nil
}

// giveWay ends the worst link of a PdT for one of a process that came before that link's, and reports whether there was
// such a link: whoever else has its certificate does not keep the first one out. The caller holds t.mu.
func (t *parkedTable) giveWay(pdt pki.Identity, instance string) bool {
	_, came := t.came(pdt)
	at, known := came[instance]
	if !known || len(t.byPdT[pdt]) == 0 {
		return false
	}
	worst := slices.MinFunc(t.byPdT[pdt], t.compare(pdt))
	if other, known := came[worst.client.instance()]; known && !at.Before(other) {
		return false
	}
	t.set(pdt, without(t.byPdT[pdt], worst))
	go worst.link.Part(crowdedNotice) // may take a while, if the peer does not read
	return true
}

var crowdedNotice = link.Notice{Code: link.CodeDraining,
	Text: "Another process with this certificate parks links, and was here before."}

func drainingProblem() *link.Problem {
	return &link.Problem{Code: link.ProblemDraining, Detail: "The gateway is stopping.", Action: "Use another gateway."}
}

// release undoes reserve.
func (t *parkedTable) release(pdt pki.Identity) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.arrived(pdt)
	t.links.Done()
}

// arrived forgets a reservation. The caller holds t.mu.
func (t *parkedTable) arrived(pdt pki.Identity) {
	t.practice.add(pdt.Practice, -1)
	if t.coming[pdt]--; t.coming[pdt] == 0 {
		delete(t.coming, pdt)
	}
}

// add makes a link available to TLAs; while draining it sends it away.
func (t *parkedTable) add(e *end) {
	t.mu.Lock()
	defer t.mu.Unlock()
	id := e.client.peer.Identity
	t.arrived(id)
	if t.draining {
		e.link.Part(drainNotice)
		return
	}
	if e.gone {
		return
	}
	t.set(id, append(t.byPdT[id], e))
	close(t.arrival)
	t.arrival = make(chan struct{})
}

// remove forgets a link that ended.
func (t *parkedTable) remove(e *end) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e.gone = true
	id := e.client.peer.Identity
	t.set(id, without(t.byPdT[id], e))
}

// find takes a link of a PdT and sends it the joined record; it returns nil when no link that took it came in time.
func (t *parkedTable) find(ctx context.Context, pdt pki.Identity, s *session, joined link.Joined) *end {
	ctx, cancel := context.WithTimeout(ctx, t.joinWait)
	defer cancel()
	for {
		e, more, closing := t.take(pdt)
		if e != nil {
			e.offered.Store(s)
			if e.link.WriteJoined(joined) == nil {
				return e
			}
			continue
		}
		select {
		case <-more:
		case <-closing:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

// await reports whether a link of a PdT is parked, or comes within the time that find would wait.
func (t *parkedTable) await(ctx context.Context, pdt pki.Identity) bool {
	ctx, cancel := context.WithTimeout(ctx, t.joinWait)
	defer cancel()
	for {
		t.mu.Lock()
		here, more, closing := len(t.byPdT[pdt]) > 0, t.arrival, t.closing
		t.mu.Unlock()
		if here {
			return true
		}
		select {
		case <-more:
		case <-closing:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// take returns the link of the PdT that is best to use; when there is none, a channel that is closed when one is added,
// and one that is closed when draining begins.
func (t *parkedTable) take(pdt pki.Identity) (e *end, more, closing <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	waiting := t.byPdT[pdt]
	if len(waiting) == 0 {
		return nil, t.arrival, t.closing
	}
	e = slices.MaxFunc(waiting, t.compare(pdt))
	t.set(pdt, without(waiting, e))
	return e, nil, nil
}

// compare returns the order of a PdT's links, the best one last. Links that were heard from since the process came that
// came last, and that process's own, are above others, which a power cut left behind. Of those, the links of the
// process that came first are best: a second PdT with the same certificate gets no cards as long as the first one is
// there, however many processes it says it is. Of one process, the link that was heard from most recently is best.
func (t *parkedTable) compare(pdt pki.Identity) func(a, b *end) int {
	latest, came := t.came(pdt)
	alive := func(e *end) int {
		if e.client.instance() == latest || e.link.Heard().After(came[latest]) {
			return 1
		}
		return 0
	}
	age := func(e *end) time.Time { return cmp.Or(came[e.client.instance()], came[latest]) } // of one forgotten: none
	return func(a, b *end) int {
		return cmp.Or(cmp.Compare(alive(a), alive(b)), age(b).Compare(age(a)), a.link.Heard().Compare(b.link.Heard()))
	}
}

func without(ends []*end, e *end) []*end {
	return slices.DeleteFunc(ends, func(other *end) bool { return other == e })
}

// set replaces the links of a PdT. The caller holds t.mu.
func (t *parkedTable) set(pdt pki.Identity, ends []*end) {
	t.practice.add(pdt.Practice, len(ends)-len(t.byPdT[pdt]))
	if len(ends) == 0 {
		delete(t.byPdT, pdt)
		return
	}
	t.byPdT[pdt] = ends
}

// close takes no more links, lets nobody wait for one, and returns those that are parked.
func (t *parkedTable) close() []*end {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.draining {
		t.draining = true
		close(t.closing)
	}
	return t.all()
}

// reopen takes links again.
func (t *parkedTable) reopen() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.draining, t.closing = false, make(chan struct{})
}

// list returns the parked links.
func (t *parkedTable) list() []*end {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.all()
}

// all returns the parked links. The caller holds t.mu.
func (t *parkedTable) all() []*end {
	var all []*end
	for _, ends := range t.byPdT {
		all = append(all, ends...)
	}
	return all
}

func (t *parkedTable) count() (links, pdts int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.all()), len(t.byPdT)
}
