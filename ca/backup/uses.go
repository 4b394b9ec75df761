package backup

import (
	"crypto"
	"fmt"

	"tlagate/internal/algorithms"
)

// Algorithms lists what backups are encrypted with: age has one way for each kind of recipient (checkKinds).
func Algorithms() []algorithms.Use {
	return algorithms.In("ca/backup", hybrid, x25519, passphrase, algorithms.Hash(crypto.SHA256, algorithms.Text{
		EN: "Each file in the manifest of a backup, which the issuing CA signs; and the backup, to be written down.",
		FR: "Chaque fichier au manifeste d'une sauvegarde, que signe l'AC émettrice ; et la sauvegarde, à noter."}))
}

var hybrid = algorithms.Use{Kind: algorithms.Rest, Name: "age: ML-KEM-768 + X25519, ChaCha20-Poly1305", Bits: 128,
	Outside: ageOutside, RGS: algorithms.Stays,
	By: []string{"age-encryption.org/v1", "FIPS 203", "RFC 9180", "RFC 8439",
		algorithms.PG083("RègleSécuAsym, RèglePQSécuAsym")},
	For: algorithms.Text{
		EN: "A backup of the CA, for a recipient age1pq1… (backup --new-key makes one): hybrid.",
		FR: "Une sauvegarde de l'AC, pour un destinataire age1pq1… (créé par backup --new-key) : hybride."}}

var x25519 = algorithms.Use{Kind: algorithms.Rest, Name: "age: X25519, ChaCha20-Poly1305", Bits: 128,
	Outside: ageOutside, RGS: algorithms.Stays, By: []string{"age-encryption.org/v1", "RFC 7748", "RFC 5869",
		"RFC 8439"},
	For: algorithms.Text{
		EN: "A backup of the CA, for a recipient age1…",
		FR: "Une sauvegarde de l'AC, pour un destinataire age1…"}}

var passphrase = algorithms.Use{Kind: algorithms.Rest, Name: "age: scrypt, ChaCha20-Poly1305", Outside: ageOutside,
	RGS: algorithms.Stays,
	By:  []string{"age-encryption.org/v1", "RFC 7914", "RFC 8439"}, For: algorithms.Text{
		EN: fmt.Sprintf("A backup of the CA under a passphrase of %d characters or more: as strong as that is; six "+
			"words by dice have 77 bits, ten have 129.", minPassphrase),
		FR: fmt.Sprintf("Une sauvegarde de l'AC sous une phrase de passe d'au moins %d caractères : aussi forte "+
			"qu'elle ; six mots tirés aux dés ont 77 bits, dix en ont 129.", minPassphrase)}}

var ageOutside = algorithms.Text{
	EN: "B1 knows neither X25519 (order of 253 bits, RègleECp-2 asks 256) nor ChaCha20-Poly1305 nor scrypt; age " +
		"offers nothing else, and nothing of it goes over the network.",
	FR: "B1 ne connaît ni X25519 (ordre de 253 bits, RègleECp-2 en veut 256), ni ChaCha20-Poly1305, ni scrypt ; age " +
		"n'offre rien d'autre, et rien n'en passe sur le réseau."}
