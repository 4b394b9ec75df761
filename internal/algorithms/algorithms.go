// Package algorithms has the words in which each package says what cryptography it uses, and for what (annex codes G5
// and C2). A package with a use of its own has a function Algorithms, made from the very lists and constants that
// enforce it; a program prints those of all the packages in it, and docs/fr/cryptographie.md has them all.
package algorithms

import (
	"crypto/elliptic"
	"encoding/json"
	"fmt"
)

// Use is one algorithm in one use.
type Use struct {
	Kind    Kind     `json:"kind"`
	Name    string   `json:"name"`           // the same in every language
	Bits    int      `json:"bits,omitempty"` // of strength, if there is no quantum computer; 0 = none of its own
	For     Text     `json:"use"`            // what it is for, and within which bounds
	Place   string   `json:"package"`        // of the source, by its directory
	By      []string `json:"references"`
	Outside Text     `json:"outside_rgs_b1,omitzero"` // why it is outside the letter of RGS B1, if it is
	RGS     Mark     `json:"crypto_rgs,omitzero"`     // what `crypto: rgs` makes of it; "" = nothing
}

// Mark says what `crypto: rgs` in a program's configuration makes of a use (docs/crypto.md).
type Mark string

// The marks.
const (
	TakenAway Mark = "taken_away"
	Added     Mark = "added" // without crypto: rgs, the use is not there
	Stays     Mark = "stays" // though outside the letter of RGS B1: crypto: rgs is about TLS
)

var marks = map[Mark]Text{
	TakenAway: {"Taken away by crypto: rgs.", "Retiré par crypto: rgs."},
	Added:     {"With crypto: rgs alone.", "Avec crypto: rgs seulement."},
	Stays:     {"crypto: rgs leaves it.", "crypto: rgs le laisse."},
}

// Text is a sentence in both languages.
type Text struct {
	EN string `json:"en"`
	FR string `json:"fr"`
}

// in returns the sentence in a language.
func (t Text) in(l Language) string {
	if l == French {
		return t.FR
	}
	return t.EN
}

// Language is one of those that a Text has.
type Language string

// The languages.
const (
	English Language = "en"
	French  Language = "fr"
)

// In returns uses as those of one package.
func In(place string, uses ...Use) []Use {
	for i := range uses {
		uses[i].Place = place
	}
	return uses
}

// Kind is what an algorithm does. Lists are in the order of kinds.
type Kind int

// The kinds.
const (
	Version       Kind = iota // of TLS
	Suite                     // of TLS 1.3
	Group                     // key exchange of TLS
	Handshake                 // signature in the handshake of TLS
	Certificate               // signature of certificates, lists and OCSP answers
	Key                       // kinds and sizes
	Life                      // of certificates and lists
	Statement                 // signed outside TLS
	Rest                      // encrypted at rest
	Secret                    // secrets, proofs and random values
	Digest                    // hashes, where no signature is made
	numberOfKinds = iota
)

var kinds = [numberOfKinds]struct {
	word  string // in JSON
	title Text
}{
	Version:   {"tls_version", Text{"TLS versions", "Versions de TLS"}},
	Suite:     {"tls_suite", Text{"TLS cipher suites", "Suites cryptographiques de TLS"}},
	Group:     {"tls_group", Text{"TLS key exchange", "Échange de clé de TLS"}},
	Handshake: {"tls_signature", Text{"TLS signatures", "Signatures de TLS"}},
	Certificate: {"certificate_signature", Text{"Signatures of certificates, lists and OCSP answers",
		"Signatures des certificats, des listes et des réponses OCSP"}},
	Key:       {"key", Text{"Keys", "Clés"}},
	Life:      {"life", Text{"Lives", "Durées de vie"}},
	Statement: {"statement", Text{"Signed outside TLS", "Signatures hors de TLS"}},
	Rest:      {"at_rest", Text{"Encrypted at rest", "Chiffrement au repos"}},
	Secret:    {"secret", Text{"Secrets, proofs and random values", "Secrets, preuves et valeurs aléatoires"}},
	Digest:    {"digest", Text{"Digests", "Empreintes"}},
}

// MarshalText returns the word of a kind.
func (k Kind) MarshalText() ([]byte, error) {
	if k < 0 || k >= numberOfKinds {
		return nil, fmt.Errorf("cannot name kind %d of an algorithm", int(k))
	}
	return []byte(kinds[k].word), nil
}

// Of returns the strength of a curve in bits: half its size (FIPS 186-5).
func Of(c elliptic.Curve) int { return c.Params().BitSize / 2 }

// RSA returns the strength of a modulus of so many bits (NIST SP 800-57 part 1, table 2).
func RSA(modulus int) int {
	switch {
	case modulus >= 7680:
		return 192
	case modulus >= 3072:
		return 128
	case modulus >= 2048:
		return 112
	}
	return 80
}

// The beginnings of references; Sources has their titles.
const (
	b1    = "RGS B1 "
	pg083 = "PG-083 "
	guide = "ANSSI TLS "
)

// B1 returns the reference of a rule or section of RGS, annex B1.
func B1(rule string) string { return b1 + rule }

// PG083 returns the reference of a rule of ANSSI's guide to cryptographic mechanisms.
func PG083(rule string) string { return pg083 + rule }

// Guide returns the reference of a section of ANSSI's guide to TLS.
func Guide(section string) string { return guide + section }

// Source is a publication that references name by a short word.
type Source struct {
	Word  string `json:"word"`
	Title string `json:"title"`
}

// Sources are the publications behind the short words.
var Sources = []Source{
	{"RGS B1", "Référentiel général de sécurité 2.0, annexe B1, version 2.03, 21 février 2014"},
	{"PG-083", "ANSSI-PG-083, Guide des mécanismes cryptographiques, version 3.00, 20 mars 2026"},
	{"ANSSI TLS", "SDE-NT-35, Recommandations de sécurité relatives à TLS, version 1.2, 26 mars 2020"},
	{"SP 800-57", "NIST SP 800-57 part 1 rev. 5, Recommendation for Key Management, May 2020"},
}

// List is everything that a program prints.
type List struct {
	Uses    []Use    `json:"algorithms"`
	Sources []Source `json:"sources"`
}

// JSON returns the list for programs.
func (l List) JSON() ([]byte, error) { return json.MarshalIndent(l, "", "  ") }
