package consent

import (
	"tlagate/internal/algorithms"
	"tlagate/internal/signed"
)

// Algorithms lists what a consent may be signed by.
func Algorithms() []algorithms.Use {
	return signed.Algorithms("session/consent", algorithms.Text{
		EN: "The consent of the terminal's user to a session, signed with the device's key.",
		FR: "Le consentement de l'utilisateur du terminal à une session, signé par la clé de l'équipement."})
}
