package peers

import (
	"time"

	"tlagate/audit"
	"tlagate/internal/ration"
	"tlagate/pki/listen"
)

// repeats bounds what one proven peer can have recorded by doing the same again and again: so many events at once, then
// one after each period; what lies between is counted, and told in one line (audit.rationed). Thus a broken device
// fills no trace, and what a person does is recorded each time.
type repeats struct {
	log    *audit.Log
	budget *listen.Budget
	counts *ration.Rations[audit.Kind]
}

const (
	// Burst is how many events of one peer, kind and reason are recorded at once.
	Burst = 30

	repeatsEvery = 2 * time.Minute
	repeatsTold  = 10 * time.Minute // how long is counted
)

// newRepeats returns repeats of so many peers; when there are more, they share what one may have.
func newRepeats(log *audit.Log, peers int) *repeats {
	r := &repeats{log: log, budget: listen.NewBudget(Burst, repeatsEvery, peers)}
	r.counts = ration.New(0, repeatsTold, r.told)
	return r
}

// record records what a peer did, or only counts it.
func (r *repeats) record(who, reason string, kind audit.Kind, with ...audit.Attr) {
	if r.log == nil {
		return
	}
	k := ration.Key{Network: who, Kind: string(kind), Reason: reason}
	if r.budget.Take(who+" "+k.Kind+" "+reason) > 0 {
		r.counts.Take(k, kind)
		return
	}
	r.log.Later(kind, with...)
}

// told records how many events were only counted.
func (r *repeats) told(k ration.Key, kind audit.Kind, more int) {
	who := audit.Identity(k.Network)
	if k.Network == ration.Elsewhere {
		who = audit.Network(k.Network)
	}
	r.log.Later(audit.AuditRationed, who, audit.Of(kind), audit.Reason(k.Reason), audit.Count(more))
}
