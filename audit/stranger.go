package audit

import (
	"time"

	"tlagate/internal/ration"
)

const (
	strangersFirst = 3                // events of a kind and reason from one /24 or /48, recorded in full
	strangersTime  = 10 * time.Minute // then they are counted anew
	strangersPart  = 10               // a file's part that lines about strangers may take: one tenth
	strangersLeave = 4                // and they leave a quarter of a file's size free on the disk
)

// everywhere is the network of the line that counts what no other line does.
const everywhere = "everywhere"

// Stranger appends an event about a peer that has not proven who it is, at an address with or without port. It never
// makes the caller wait, and never fails: the first 3 events of one kind and reason from one /24 or /48 in 10 minutes
// are recorded, then one [AuditRationed] says how many more there were. Lines about strangers take at most a tenth of
// each file, and none of the last room of the disk; what is left out for that is counted too.
func (l *Log) Stranger(address string, kind Kind, attrs ...Attr) {
	if l == nil {
		return
	}
	c, err := l.newCall([]Event{{kind, attrs}})
	if err != nil {
		l.queue.lose(err)
		return
	}
	k := ration.Key{Network: ration.NetworkOf(address), Kind: string(kind), Reason: c.entries[0].With["reason"]}
	if !l.strangers.Take(k, kind) {
		l.queue.rationed()
		return
	}
	l.stranger(c)
}

// rationed records how many events of strangers were only counted.
func (l *Log) rationed(k ration.Key, kind Kind, more int) {
	c := l.ownCall(AuditRationed, Network(k.Network), Reason(k.Reason), Of(kind), Count(more))
	c.stands, c.counted = more, true
	l.stranger(c)
}

func (l *Log) stranger(c *call) {
	c.weight, c.happened = strange, l.now()
	l.later(c)
}
