package trail

import "tlagate/cmd/internal/room"

// Trouble returns what keeps the trace from being written, or soon will, for a program's status; "" = nothing does.
func (t *Trail) Trouble() string {
	if why := t.Log.Failing(); why != "" {
		return "events are missing in the audit trace " + t.Log.File() + ": " + why
	}
	return room.Lacking(t.Log.File())
}
