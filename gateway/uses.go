package gateway

import (
	"crypto"

	"tlagate/internal/algorithms"
)

// Algorithms lists what the gateway makes itself.
func Algorithms() []algorithms.Use {
	return algorithms.In("gateway",
		algorithms.Random(nonceSize, algorithms.Text{
			EN: "Nonce of a consent, which is signed over it and is of this connection and this moment.",
			FR: "Nonce d'un consentement, signé sur lui et donc propre à cette connexion et à ce moment."}),
		algorithms.Hash(crypto.SHA256, algorithms.Text{
			EN: "Tells whether the revocation data that a peer was sent have changed since.",
			FR: "Dit si les données de révocation envoyées à un correspondant ont changé depuis."}))
}
