package heads

import (
	"tlagate/internal/algorithms"
	"tlagate/internal/signed"
)

// Algorithms lists what a head may be signed by.
func Algorithms() []algorithms.Use {
	return signed.Algorithms("heads", algorithms.Text{
		EN: "The head of a gateway's audit trace, which the PKI keeps, signed with the gateway's key.",
		FR: "La tête de la trace d'audit d'une passerelle, que l'IGC conserve, signée par la clé de la passerelle."})
}
