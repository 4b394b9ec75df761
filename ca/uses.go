package ca

import (
	"crypto"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"

	"tlagate/ca/crlwriter"
	"tlagate/internal/algorithms"
)

// Algorithms lists what this CA signs, with what, and for how long.
func Algorithms() []algorithms.Use {
	list := []algorithms.Use{{Kind: algorithms.Key, Name: fmt.Sprintf("RSA %d … %d", minRSA, maxRSA),
		Bits: algorithms.RSA(minRSA), By: algorithms.ByRSA, For: algorithms.Text{
			EN: "Of RSA keys, those that this CA has and certifies; ECDSA on P-256 or P-384.",
			FR: "Parmi les clés RSA, celles que cette AC possède et certifie ; ECDSA sur P-256 ou P-384."}}}
	for _, key := range algorithms.Probes(minRSA) {
		if _, hash, err := crlwriter.SigningFor(key); err == nil {
			list = append(list, algorithms.Signed(algorithms.Certificate, key, hash, certificatesAndLists))
		}
		_, options := vouching(&x509.Certificate{PublicKey: key})
		list = append(list, algorithms.Signed(algorithms.Statement, key, options, statement))
	}
	list = append(list, keyIdentifier, serial, algorithms.Hash(crypto.SHA256, codes))
	return algorithms.In("ca", append(list, lives()...)...)
}

var certificatesAndLists = algorithms.Text{
	EN: "Certificates, CRL and ARL of this CA.",
	FR: "Certificats, CRL et ARL de cette AC."}

var statement = algorithms.Text{
	EN: "The manifest of a backup, and the approval of a successor, by the issuing CA's key.",
	FR: "Le manifeste d'une sauvegarde et l'approbation d'une AC qui succède, par la clé de l'AC émettrice."}

var codes = algorithms.Text{
	EN: "What the books keep of the secret of an enrolment code; the fingerprint of a CA to approve.",
	FR: "Ce que les registres gardent du secret d'un code d'enrôlement ; l'empreinte d'une AC à approuver."}

var keyIdentifier = algorithms.Use{Kind: algorithms.Digest, Name: "SHA-1 (SubjectKeyIdentifier)",
	By: []string{"RFC 5280 4.2.1.2 (1)"}, For: algorithms.Text{
		EN: "Names a CA's key in certificates, to find the issuer faster; the issuer's signature is what is believed.",
		FR: "Nomme la clé d'une AC dans les certificats, pour trouver l'émetteur plus vite ; c'est sa signature qui " +
			"est crue."},
	RGS: algorithms.Stays,
	Outside: algorithms.Text{
		EN: "B1 refuses SHA-1 (2.3). It is method 1 of RFC 5280, which cfssl follows; nothing rests on it.",
		FR: "B1 refuse SHA-1 (2.3). C'est la méthode 1 de la RFC 5280, que cfssl suit ; rien ne repose sur elle."}}

var serial = algorithms.Use{Kind: algorithms.Secret, Name: fmt.Sprintf("crypto/rand, %d octets", serialSize),
	Bits: 8*serialSize - 2, By: []string{"RFC 5280 4.1.2.2", "getrandom(2)", algorithms.B1("2.4")},
	For: algorithms.Text{
		EN: "A certificate's serial number: nobody foresees the next certificate.",
		FR: "Le numéro de série d'un certificat : nul ne prévoit le prochain certificat."}}

// lives tells of rootYears, issuingYears, the lists' periods and profiles.
func lives() []algorithms.Use {
	list := []algorithms.Use{
		life("root.crt", fmt.Sprintf("%d years.", rootYears), fmt.Sprintf("%d ans.", rootYears)),
		life("issuing.crt", fmt.Sprintf("%d years.", issuingYears), fmt.Sprintf("%d ans.", issuingYears)),
		listLife("CRL", defaultCRLPeriod), listLife("ARL", defaultARLPeriod),
	}
	var told []profile
	for _, p := range profiles {
		if !slices.ContainsFunc(told, p.livesAs) {
			told = append(told, p)
			list = append(list, life(p.Name+" …",
				fmt.Sprintf("%d days, %d at most: %s.", p.Days, p.MaxDays, namesOf(p.livesAs)),
				fmt.Sprintf("%d jours, %d au plus : %s.", p.Days, p.MaxDays, namesOf(p.livesAs))))
		}
	}
	return list
}

func life(name, en, fr string) algorithms.Use {
	return algorithms.Use{Kind: algorithms.Life, Name: name, By: []string{"docs/ca.md"},
		For: algorithms.Text{EN: en, FR: fr}}
}

func listLife(name string, period time.Duration) algorithms.Use {
	days, hours := int(period.Hours())/24, int(crlMargin.Hours())
	return life(name, fmt.Sprintf("%d × 24 h, and %d h; the CA can be made with another period.", days, hours),
		fmt.Sprintf("%d × 24 h, plus %d h ; l'AC peut être créée avec une autre période.", days, hours))
}

// livesAs reports whether certificates of both profiles live equally long.
func (p profile) livesAs(q profile) bool { return p.Days == q.Days && p.MaxDays == q.MaxDays }

func namesOf(which func(profile) bool) string {
	var names []string
	for _, p := range profiles {
		if which(p) {
			names = append(names, p.Name)
		}
	}
	return strings.Join(names, ", ")
}
