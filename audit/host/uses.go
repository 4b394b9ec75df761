package host

import (
	"crypto"

	"tlagate/internal/algorithms"
)

// Algorithms lists what tells that a program has changed.
func Algorithms() []algorithms.Use {
	return algorithms.In("audit/host", algorithms.Hash(crypto.SHA256, algorithms.Text{
		EN: "Recognises the program of the last start (EL1).",
		FR: "Reconnaît le programme du dernier démarrage (EL1)."}))
}
