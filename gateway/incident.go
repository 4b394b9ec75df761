package gateway

import (
	"net/http"

	"tlagate/session/incident"
	"tlagate/session/link"
)

// incidentOf returns the number that the user of a request is told if it is refused; "" = it names none.
func incidentOf(r *http.Request) string { return incident.Of(r.Header.Get(link.HeaderIncident)) }

// numbered returns the last notice of a session with an incident number, unless it has one, or nobody will ask: the
// session goes on over another link, or an end has closed its own in good order, and has told the other why.
func numbered(n link.Notice, reason string) link.Notice {
	if n.Incident == "" && reason != reasonResumed && reason != reasonClosed {
		n.Incident = incident.New()
	}
	return n
}
