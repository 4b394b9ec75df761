package tla

import "tlagate/internal/algorithms"

// Algorithms returns the uses of cryptography of the relay itself.
func Algorithms() []algorithms.Use {
	return algorithms.In("tla", algorithms.Use{Kind: algorithms.Secret, Name: "crypto/rand",
		By: []string{"getrandom(2)"}, For: algorithms.Text{
			EN: "Incident number: finds an incident again in log and trace; it is no secret.",
			FR: "Numéro d'incident : retrouve un incident dans le journal et la trace ; il n'est pas secret."}})
}
