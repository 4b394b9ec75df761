package server

import (
	"crypto"

	"tlagate/internal/algorithms"
)

// Algorithms lists what the PKI's server makes itself.
func Algorithms() []algorithms.Use {
	return algorithms.In("ca/server", algorithms.Hash(crypto.SHA256, algorithms.Text{
		EN: "Names a published list for HTTP caches (ETag), cut to 128 bits; the list is signed.",
		FR: "Nomme une liste publiée pour les caches HTTP (ETag), coupée à 128 bits ; la liste est signée."}))
}
