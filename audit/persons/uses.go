package persons

import (
	"tlagate/internal/algorithms"
	"tlagate/internal/recipients"
)

// Algorithms lists what marks a person in the trace.
func Algorithms() []algorithms.Use {
	return algorithms.In("audit/persons", append(recipients.Uses(algorithms.Text{
		EN: "Who a line of the trace is about, and the copy of the key of marks, for a security officer age1pq1…: " +
			"hybrid.",
		FR: "La personne d'une ligne de la trace, et la copie de la clé des marques, pour un responsable de " +
			"sécurité age1pq1… : hybride."},
		algorithms.Text{
			EN: "Who a line of the trace is about, and the copy of the key of marks, for a security officer age1…",
			FR: "La personne d'une ligne de la trace, et la copie de la clé des marques, pour un responsable de " +
				"sécurité age1…"}),
		algorithms.Use{Kind: algorithms.Secret, Name: "HMAC-SHA-256, 128 bits", Bits: 8 * markLength,
			By: []string{"RFC 2104", algorithms.B1("RègleIntegSym-1"), algorithms.PG083("RègleMAC")},
			For: algorithms.Text{
				EN: "Marks a person in the trace, so that whoever has key and identifier finds the lines about them.",
				FR: "Marque une personne dans la trace : qui a la clé et l'identifiant retrouve ses lignes."}},
		algorithms.Random(secretLength, algorithms.Text{
			EN: "The key of those marks.",
			FR: "La clé de ces marques."}))...)
}
