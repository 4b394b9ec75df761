package incident

import "tlagate/internal/algorithms"

// Algorithms returns the use of cryptography of this package.
func Algorithms() []algorithms.Use {
	return algorithms.In("session/incident", algorithms.Use{Kind: algorithms.Secret, Name: "crypto/rand",
		By: []string{"getrandom(2)"}, For: algorithms.Text{
			EN: "Incident number: finds an incident again in log and trace; it is no secret.",
			FR: "Numéro d'incident : retrouve un incident dans le journal et la trace ; il n'est pas secret."}})
}
