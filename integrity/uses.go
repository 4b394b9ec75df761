package integrity

import (
	"crypto"

	"tlagate/internal/algorithms"
)

// Algorithms lists what tells that a file has changed; a manifest is signed like a bundle.
func Algorithms() []algorithms.Use {
	return algorithms.In("integrity", algorithms.Hash(crypto.SHA256, algorithms.Text{
		EN: "Compares programs, units and configuration with a signed manifest (DL3, EL1).",
		FR: "Compare programmes, unités et configuration avec un manifeste signé (DL3, EL1)."}))
}
