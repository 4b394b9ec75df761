package audit

import (
	"crypto"

	"tlagate/internal/algorithms"
	"tlagate/internal/signed"
)

// Algorithms lists what chains the lines of a trace, and what a purge may be signed by.
func Algorithms() []algorithms.Use {
	chain := algorithms.In("audit", algorithms.Hash(crypto.SHA256, algorithms.Text{
		EN: "Chains the lines of the trace, and names certificates, keys and files in it; it has no key: a copy " +
			"elsewhere shows a rewritten chain.",
		FR: "Chaîne les lignes de la trace, et y nomme certificats, clés et fichiers ; sans clé : une copie " +
			"ailleurs révèle une chaîne réécrite."}))
	return append(chain, signed.Algorithms("audit", algorithms.Text{
		EN: "What a gateway says of the lines that it purges from its trace, signed with its key.",
		FR: "Ce qu'une passerelle dit des lignes qu'elle purge de sa trace, signé par sa clé."})...)
}
