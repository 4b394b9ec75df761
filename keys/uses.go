package keys

import (
	"crypto"
	"fmt"
	"maps"
	"slices"

	"tlagate/internal/algorithms"
)

// Algorithms lists the keys that are made here, and what they are kept under.
func Algorithms() []algorithms.Use {
	var list []algorithms.Use
	for _, kind := range slices.Sorted(maps.Keys(Curves)) {
		curve := Curves[kind]
		list = append(list, algorithms.Use{Kind: algorithms.Key, Name: kind + ": ECDSA " + curve.Params().Name,
			Bits: algorithms.Of(curve), By: algorithms.ByECDSA, For: inFileTPMOrToken})
	}
	for _, kind := range slices.Sorted(maps.Keys(RSASizes)) {
		list = append(list, algorithms.Use{Kind: algorithms.Key, Name: fmt.Sprintf("%s: RSA %d", kind, RSASizes[kind]),
			Bits: algorithms.RSA(RSASizes[kind]), By: algorithms.ByRSA, For: inFileOrToken})
	}
	list = append(list, pbes2, tpmParent, systemCredential, algorithms.Hash(crypto.SHA256, blobs))
	return algorithms.In("keys", list...)
}

var blobs = algorithms.Text{
	EN: "Tells whether the file of a key in the TPM has changed, before it is opened again.",
	FR: "Dit si le fichier d'une clé du TPM a changé, avant de la rouvrir."}

var inFileTPMOrToken = algorithms.Text{
	EN: "A key that is made by these programs: in a file, in a TPM 2.0, in a PKCS#11 token.",
	FR: "Une clé créée par ces programmes : dans un fichier, un TPM 2.0 ou un jeton PKCS#11."}

var inFileOrToken = algorithms.Text{
	EN: "A key that is made by these programs: in a file, in a PKCS#11 token.",
	FR: "Une clé créée par ces programmes : dans un fichier ou un jeton PKCS#11."}

var pbes2 = algorithms.Use{Kind: algorithms.Rest, Bits: 8 * keySize,
	Name: fmt.Sprintf("PBES2: AES-%d-CBC, PBKDF2-HMAC-SHA-256", 8*keySize),
	By: []string{"RFC 8018", "RFC 5958", "FIPS 197",
		algorithms.B1("2.1.2.1 (CBC), RègleAlgoBloc-2, RègleIntegSym-1")},
	For: algorithms.Text{
		EN: fmt.Sprintf("Private keys in files, under a random wrapping key; %d rounds, salt of %d octets; "+
			"nothing else is read. A file that was altered gives no key, or one that is not the certificate's.",
			rounds, saltSize),
		FR: fmt.Sprintf("Clés privées en fichier, sous une clé de chiffrement aléatoire ; %d itérations, sel de %d "+
			"octets ; rien d'autre n'est lu. Un fichier altéré ne donne pas de clé, ou une clé qui n'est pas celle "+
			"du certificat.", rounds, saltSize)}}

var tpmParent = algorithms.Use{Kind: algorithms.Rest, Name: "TPM 2.0: ECC P-256, AES-128-CFB, SHA-256", Bits: 128,
	By: []string{"TCG TPM 2.0 Library", "TCG EK Credential Profile, template H-2"}, For: algorithms.Text{
		EN: "Private keys outside the TPM that made them: the TPM encrypts them for itself alone.",
		FR: "Clés privées hors du TPM qui les a créées : il les chiffre pour lui seul."}}

var systemCredential = algorithms.Use{Kind: algorithms.Rest, Name: "systemd-creds: AES-256-GCM", Bits: 256,
	By: []string{"systemd-creds(1)"}, For: algorithms.Text{
		EN: "The wrapping key (credential:NAME), token PINs and the proxy's password: systemd decrypts them, for " +
			"one unit, under a key of the TPM or the host.",
		FR: "La clé de chiffrement (credential:NOM), les PIN de jetons et le mot de passe du mandataire : systemd " +
			"les déchiffre, pour une unité, sous une clé du TPM ou de la machine."}}
