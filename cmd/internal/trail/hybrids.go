package trail

import (
	"time"

	"tlagate/audit"
)

// Hybrids logs and records that a gateway answers no hello with post-quantum groups, as trust.Hybrids.Without wants it.
func (t *Trail) Hybrids(gateway string, until time.Time) {
	t.app.Log.Warn("two hellos got no answer, and one without post-quantum groups did: "+
		"a box on the way takes no larger one, most likely; "+
		"the outer link goes without them for now, card sessions inside it do not (hybrid: required forbids it)",
		"gateway", gateway, "until", until.Format(time.RFC3339))
	t.Note(audit.HybridsOmitted, audit.Gateway(gateway), audit.Until(until))
}
