package export

import (
	"tlagate/internal/algorithms"
	"tlagate/internal/recipients"
)

// Algorithms lists what exports are encrypted with.
func Algorithms() []algorithms.Use {
	return algorithms.In("audit/export", recipients.Uses(algorithms.Text{
		EN: "An export of the audit trace, for a recipient age1pq1…: hybrid.",
		FR: "Un export de la trace, pour un destinataire age1pq1… : hybride."},
		algorithms.Text{
			EN: "An export of the audit trace, for a recipient age1…",
			FR: "Un export de la trace, pour un destinataire age1…"})...)
}
