package est

import (
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"slices"

	"tlagate/internal/algorithms"
)

// Algorithms lists what an enrolment rests on, besides TLS and certificates.
func Algorithms() []algorithms.Use {
	list := []algorithms.Use{codeSecret, codeAnchor, binding}
	for _, s := range requestSignatures() {
		list = append(list, algorithms.Use{Kind: algorithms.Statement, Name: s.String(), Bits: 128, By: byOf(s),
			For: algorithms.Text{
				EN: "A request for a certificate (PKCS#10), by the key that it is for (RSA: 3072 bits or more).",
				FR: "Une demande de certificat (PKCS#10), par la clé qu'elle concerne (RSA : 3072 bits ou plus)."}})
	}
	return algorithms.In("est", list...)
}

// requestSignatures are the keys of hashes, in order.
func requestSignatures() (list []x509.SignatureAlgorithm) {
	for s := range hashes {
		list = append(list, s)
	}
	slices.Sort(list)
	return list
}

func byOf(s x509.SignatureAlgorithm) []string {
	if s == x509.SHA256WithRSA {
		return algorithms.ByRSA
	}
	return algorithms.ByECDSA
}

var codeSecret = algorithms.Use{Kind: algorithms.Secret, Name: fmt.Sprintf("crypto/rand, %d octets", secretSize),
	Bits: 8 * secretSize, By: []string{"getrandom(2)", algorithms.B1("2.4"), "RFC 7030 3.2.3"}, For: algorithms.Text{
		EN: "The secret of an enrolment code: invites one device, once, for a day unless told otherwise; the PKI " +
			"keeps its SHA-256, and tries are rationed.",
		FR: "Le secret d'un code d'enrôlement : invite un équipement, une fois, pour un jour sauf avis contraire ; " +
			"l'IGC en garde le SHA-256, et les essais sont comptés."},
	RGS: algorithms.Stays,
	Outside: algorithms.Text{
		EN: "B1 asks 128 bits of a key (RègleCléSym-2). This is no key: somebody types it, it is tried on line " +
			"only, and worth nothing after its use or its day.",
		FR: "B1 veut 128 bits pour une clé (RègleCléSym-2). Ce n'en est pas une : quelqu'un la tape, elle ne " +
			"s'essaie qu'en ligne et ne vaut rien après usage ou échéance."}}

var codeAnchor = algorithms.Use{Kind: algorithms.Digest, Bits: 8 * anchorHashSize, By: algorithms.BySHA2,
	Name: fmt.Sprintf("SHA-%d, %d bits", 8*sha256.Size, 8*anchorHashSize), For: algorithms.Text{
		EN: "Names in a code the root that a new device believes: what counts is that nobody makes another key of " +
			"that digest (second preimage).",
		FR: "Nomme dans un code la racine que croit un équipement neuf : il faut que nul ne fasse une autre clé de " +
			"cette empreinte (seconde préimage)."},
	RGS: algorithms.Stays,
	Outside: algorithms.Text{
		EN: "B1 asks for digests of 256 bits, against collisions (RègleHash-2); the PKI makes the one key, and " +
			"gains nothing by a collision.",
		FR: "B1 veut des empreintes de 256 bits, contre les collisions (RègleHash-2) ; l'IGC crée cette clé, et ne " +
			"gagne rien à une collision."}}

var binding = algorithms.Use{Kind: algorithms.Secret, Name: "tls-exporter", Bits: 8 * bindingSize,
	By: []string{"RFC 9266", "RFC 8446 7.5", "RFC 7030 3.5"}, For: algorithms.Text{
		EN: "Binds a request for a certificate to the connection that it is sent on.",
		FR: "Lie une demande de certificat à la connexion qui la porte."}}
