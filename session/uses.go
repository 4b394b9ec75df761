package session

import "tlagate/internal/algorithms"

// Algorithms lists what keeps a card session whose link is lost from anybody else.
func Algorithms() []algorithms.Use {
	return algorithms.In("session",
		algorithms.Use{Kind: algorithms.Secret, Name: "HMAC-SHA-256, tls-exporter", Bits: 8 * exportLen,
			By: []string{"RFC 2104", "RFC 8446 7.5", "RFC 5705",
				algorithms.B1("RègleIntegSym-1"), algorithms.PG083("RègleMAC")},
			For: algorithms.Text{
				EN: "Resume proof: each end proves on a further link that it was at the first one's other end.",
				FR: "Preuve de reprise : chaque extrémité prouve sur une nouvelle liaison qu'elle était au bout de " +
					"la première."}},
		algorithms.Random(len(ID{}), algorithms.Text{
			EN: "Names a session in logs and traces, and a running program to gateways; it is " +
				"no secret.",
			FR: "Nomme une session dans journaux et traces, et un programme en marche auprès des passerelles ; il " +
				"n'est pas secret."}))
}
