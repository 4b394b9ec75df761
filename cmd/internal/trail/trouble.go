package trail

import (
	"tlagate/audit"
	"tlagate/cmd/internal/room"
)

// Trouble returns what keeps the trace from being written, or soon will, for a program's status; "" = nothing does.
func (t *Trail) Trouble() string {
	if why := t.Log.Failing(); why != "" {
		return "events are missing in the audit trace " + t.Log.File() + ": " + why
	}
	return room.Lacking(t.Log.File())
}

// Held returns since when, by whom and why nothing of a trace is purged; "" = nothing holds it.
func Held(file string) string {
	h, err := audit.ReadHold(file)
	switch {
	case file == "" || h == nil && err == nil:
		return ""
	case h == nil:
		return err.Error()
	}
	return h.String()
}
