package proof

import (
	"crypto"
	"crypto/ecdsa"
	"slices"

	"tlagate/internal/algorithms"
)

// Algorithms lists what a proof may be signed by.
func Algorithms() []algorithms.Use {
	var list []algorithms.Use
	for _, key := range algorithms.Probes(algorithms.LeastRSA) {
		ways := rsaWays
		if k, ok := key.(*ecdsa.PublicKey); ok {
			if ways = []crypto.SignerOpts{hash}; !slices.Contains(curves, k.Curve) {
				continue
			}
		}
		for _, way := range ways {
			purpose := byCard
			if way == crypto.SignerOpts(hash) && len(ways) > 1 {
				purpose = byOldCard
			}
			list = append(list, algorithms.Signed(algorithms.Statement, key, way, purpose))
		}
	}
	return algorithms.In("session/proof", append(list, algorithms.Hash(hash, ofConsent))...)
}

var (
	byCard = algorithms.Text{
		EN: "The proof of who uses the terminal, signed by a card of theirs.",
		FR: "La preuve de qui utilise le terminal, signée par sa carte."}
	byOldCard = algorithms.Text{
		EN: "The proof of who uses the terminal, signed by a card that can do no other (INTERNAL AUTHENTICATE of " +
			"IAS-ECC). Among statements, accepted for this one alone: it is of one connection and minutes old, and the " +
			"exponent is 65537 or more.",
		FR: "La preuve de qui utilise le terminal, signée par une carte qui ne sait rien d'autre (INTERNAL " +
			"AUTHENTICATE d'IAS-ECC). De toutes les déclarations signées, celle-ci seule l'admet : elle ne vaut que pour " +
			"une connexion, quelques minutes, et l'exposant est d'au moins 65537."}
	ofConsent = algorithms.Text{
		EN: "Names the consent in the proof that is made with it.",
		FR: "Désigne le consentement dans la preuve qui l'accompagne."}
)
