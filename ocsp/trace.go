package ocsp

import (
	"context"
	"fmt"
	"time"

	"tlagate/audit"
)

// source records that answers come from other books, or from none, or come again (C2, EL1).
func (r *Responder) source(why string) {
	r.cfg.Trace.Later(audit.SourceChanged, audit.File(r.cfg.Database), audit.Reason(why))
}

// countHours records once an hour, and when ctx ends, how many answers were given since the line before (SA2).
func (r *Responder) countHours(ctx context.Context) {
	tick := time.NewTicker(r.cfg.Count)
	defer tick.Stop()
	var before tally
	for {
		select {
		case <-tick.C:
			before = r.countSince(before)
		case <-ctx.Done():
			r.countSince(before)
			return
		}
	}
}

// countSince records the answers given since before, and returns those given until now.
func (r *Responder) countSince(before tally) (now tally) {
	now = r.tally()
	since := now.minus(before)
	r.cfg.Trace.Later(audit.ResponderCounted, audit.Count(int(since.answers())), audit.Names(since.list()))
	return now
}

// minus returns what was counted after before.
func (t tally) minus(before tally) tally {
	return tally{
		Plain: t.Plain - before.Plain, Unchanged: t.Unchanged - before.Unchanged, Nonces: t.Nonces - before.Nonces,
		Malformed: t.Malformed - before.Malformed, Unauthorized: t.Unauthorized - before.Unauthorized,
		TryLater: t.TryLater - before.TryLater, Failed: t.Failed - before.Failed, HTTP: t.HTTP - before.HTTP,
		Signed: t.Signed - before.Signed,
	}
}

// answers returns the number of requests that got an answer of OCSP.
func (t tally) answers() uint64 {
	return t.Plain + t.Nonces + t.Malformed + t.Unauthorized + t.TryLater + t.Failed
}

// list returns the counts by the words of docs/metrics.md.
func (t tally) list() []string {
	return []string{fmt.Sprint("signed=", t.Plain), fmt.Sprint("signed_nonce=", t.Nonces),
		fmt.Sprint("malformed=", t.Malformed), fmt.Sprint("unauthorized=", t.Unauthorized),
		fmt.Sprint("try_later=", t.TryLater), fmt.Sprint("failed=", t.Failed), fmt.Sprint("http_refused=", t.HTTP)}
}
