package home

import (
	"time"

	"tlagate/internal/bucket"
)

// Limits of docs/protocol.md, section 5.
const (
	maxRecord  = 4096      // octets of a record
	maxSession = 256 << 10 // octets of all records of a session

	// A sender stays below both limits: a record that is not taken is lost.
	fewerOctets = maxSession - 4*maxRecord
	pause       = time.Second
)

// ahead is how far the clock of a device may be ahead of ours: a line of a later time would make repetitions of all
// that the device says until then.
const ahead = 24 * time.Hour

// The rates at which a receiver takes records: of one session, and of one identity.
var (
	paced = bucket.Rate{Size: 4, Period: time.Second / 2}
	daily = bucket.Rate{Size: 1024, Period: 24 * time.Hour / 1024}
)
