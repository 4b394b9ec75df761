package ticket

import (
	"tlagate/internal/algorithms"
	"tlagate/internal/signed"
)

// Algorithms lists what a ticket may be signed by.
func Algorithms() []algorithms.Use {
	return signed.Algorithms("session/ticket", algorithms.Text{
		EN: "The ticket by which a lost link of a session is got back through any gateway, signed with the " +
			"gateway's key.",
		FR: "Le ticket par lequel la liaison perdue d'une session revient par toute passerelle, signé par la clé de " +
			"la passerelle."})
}
