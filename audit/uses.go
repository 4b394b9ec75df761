package audit

import (
	"crypto"

	"tlagate/internal/algorithms"
)

// Algorithms lists what chains the lines of a trace.
func Algorithms() []algorithms.Use {
	return algorithms.In("audit", algorithms.Hash(crypto.SHA256, algorithms.Text{
		EN: "Chains the lines of the trace, and names certificates, keys and files in it; it has no key: a copy " +
			"elsewhere shows a rewritten chain.",
		FR: "Chaîne les lignes de la trace, et y nomme certificats, clés et fichiers ; sans clé : une copie " +
			"ailleurs révèle une chaîne réécrite."}))
}
