package backup

import (
	"crypto"
	"fmt"

	"tlagate/internal/algorithms"
	"tlagate/internal/recipients"
)

// Algorithms lists what backups are encrypted with: age has one way for each kind of recipient (internal/recipients).
func Algorithms() []algorithms.Use {
	return algorithms.In("ca/backup", append(forRecipients, passphrase, algorithms.Hash(crypto.SHA256, algorithms.Text{
		EN: "Each file in the manifest of a backup, which the issuing CA signs; and the backup, to be written down.",
		FR: "Chaque fichier au manifeste d'une sauvegarde, que signe l'AC émettrice ; et la sauvegarde, à noter."}))...)
}

var forRecipients = recipients.Uses(algorithms.Text{
	EN: "A backup of the CA, for a recipient age1pq1… (backup --new-key makes one): hybrid.",
	FR: "Une sauvegarde de l'AC, pour un destinataire age1pq1… (créé par backup --new-key) : hybride."},
	algorithms.Text{
		EN: "A backup of the CA, for a recipient age1…",
		FR: "Une sauvegarde de l'AC, pour un destinataire age1…"})

var passphrase = algorithms.Use{Kind: algorithms.Rest, Name: "age: scrypt, ChaCha20-Poly1305",
	Outside: recipients.Outside, RGS: algorithms.Stays,
	By: []string{"age-encryption.org/v1", "RFC 7914", "RFC 8439"}, For: algorithms.Text{
		EN: fmt.Sprintf("A backup of the CA under a passphrase of %d characters or more: as strong as that is; six "+
			"words by dice have 77 bits, ten have 129.", minPassphrase),
		FR: fmt.Sprintf("Une sauvegarde de l'AC sous une phrase de passe d'au moins %d caractères : aussi forte "+
			"qu'elle ; six mots tirés aux dés ont 77 bits, dix en ont 129.", minPassphrase)}}
