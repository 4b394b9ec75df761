package pki

import (
	"crypto"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"

	"tlagate/internal/algorithms"
)

// TLSAlgorithms lists everything that a link may negotiate; what is not listed is refused.
func TLSAlgorithms() []algorithms.Use {
	list := []algorithms.Use{{Kind: algorithms.Version, Name: tls.VersionName(tlsVersion), For: algorithms.Text{
		EN: "Every link between the programs, outer and inner. No other version, no tickets, no resumption, no " +
			"early data, no renegotiation.",
		FR: "Toute liaison entre les programmes, externe et interne. Aucune autre version, ni ticket, ni reprise, " +
			"ni données anticipées, ni renégociation."},
		By: []string{"RFC 8446", algorithms.Guide("2.1")}}, fetched}
	for _, s := range tlsSuites {
		u := suites[s]
		u.Kind, u.Name, u.RGS = algorithms.Suite, tls.CipherSuiteName(s), mark(s, tlsSuites, letterSuites)
		list = append(list, u)
	}
	for _, g := range both(tlsGroups, letterGroups) {
		u := exchanges[g]
		u.Kind, u.Name, u.RGS = algorithms.Group, g.String(), mark(g, tlsGroups, letterGroups)
		list = append(list, u)
	}
	for _, s := range tlsSignatures {
		list = append(list, handshakeSignature(s))
	}
	return algorithms.In("pki", list...)
}

// both returns a list, and what another has besides.
func both[T comparable](list, other []T) []T {
	return append(slices.Clone(list), slices.DeleteFunc(slices.Clone(other), func(v T) bool {
		return slices.Contains(list, v)
	})...)
}

// mark returns what crypto: rgs makes of v, by the lists of both ways.
func mark[T comparable](v T, byDefault, letter []T) algorithms.Mark {
	switch {
	case !slices.Contains(letter, v):
		return algorithms.TakenAway
	case !slices.Contains(byDefault, v):
		return algorithms.Added
	}
	return ""
}

// fetched describes the TLS of URLs, whose servers are not ours.
var fetched = algorithms.Use{Kind: algorithms.Version, Name: "TLS 1.3 (https://)",
	By: []string{"RFC 8446", algorithms.Guide("2.1")}, For: algorithms.Text{
		EN: "Where lists and OCSP answers are fetched from an https:// URL: the suites and groups below. They are " +
			"public, signed, and verified like those of http://: nothing rests on it.",
		FR: "Listes et réponses OCSP cherchées à une URL https:// : suites et groupes ci-dessous. Elles sont " +
			"publiques, signées et vérifiées comme celles de http:// : rien ne repose sur lui."},
	Outside: algorithms.Text{
		EN: "The server's certificate is judged by crypto/x509 and the system's roots, which take other curves and " +
			"Ed25519, too.",
		FR: "Le certificat du serveur est jugé par crypto/x509 et les racines du système, qui acceptent aussi " +
			"d'autres courbes et Ed25519."},
	RGS: algorithms.Stays}

// suites describes each of tlsSuites.
var suites = map[uint16]algorithms.Use{
	tls.TLS_AES_256_GCM_SHA384: {Bits: 256, By: aesGCM, For: algorithms.Text{
		EN: "Records of TLS, with a peer that has no AES-128-GCM.",
		FR: "Enregistrements de TLS, avec un correspondant sans AES-128-GCM."}},
	tls.TLS_AES_128_GCM_SHA256: {Bits: 128, By: aesGCM, For: algorithms.Text{
		EN: "Records of TLS: what two of our programs choose when both processors have AES instructions.",
		FR: "Enregistrements de TLS : ce que choisissent deux de nos programmes dont les deux processeurs ont des " +
			"instructions AES."}},
	tls.TLS_CHACHA20_POLY1305_SHA256: {Bits: 256,
		By: []string{"RFC 8446 B.4", "RFC 8439", algorithms.PG083("RègleChiffFlot"), algorithms.Guide("2.2")},
		For: algorithms.Text{
			EN: "Records of TLS: what is chosen when one of the processors has no AES instructions.",
			FR: "Enregistrements de TLS : ce qui est choisi quand l'un des processeurs n'a pas d'instructions AES."},
		Outside: algorithms.Text{
			EN: "B1 recommends block ciphers over stream ciphers of their own (RecomChiffFlot-1), and names neither " +
				"ChaCha20 nor Poly1305.",
			FR: "B1 recommande le chiffrement par bloc plutôt que par flot dédié (RecomChiffFlot-1) et ne cite ni " +
				"ChaCha20 ni Poly1305."}},
}

var aesGCM = []string{"RFC 8446 B.4", "FIPS 197", "NIST SP 800-38D", algorithms.B1("RègleAlgoBloc-2, RègleModeChiff-1"),
	algorithms.PG083("RèglePrimChiffBloc"), algorithms.Guide("2.2")}

// x25519Order says why X25519 is outside the references, alone and in a hybrid.
var x25519Order = algorithms.Text{
	EN: "The order of Curve25519's group is a prime of 253 bits; B1 asks for 256 (RègleECp-2), PG-083 for 250.",
	FR: "L'ordre du groupe de Curve25519 est un nombre premier de 253 bits ; B1 en veut 256 (RègleECp-2), PG-083 250."}

// exchanges describes each of tlsGroups.
var exchanges = map[tls.CurveID]algorithms.Use{
	tls.X25519MLKEM768: {Bits: 128, Outside: x25519Order,
		By: []string{"draft-ietf-tls-ecdhe-mlkem", "FIPS 203", "RFC 7748",
			algorithms.PG083("RègleSécuAsym, RèglePQSécuAsym")},
		For: algorithms.Text{
			EN: "Hybrid, and preferred: to read a recorded link, both X25519 and ML-KEM-768 must be broken.",
			FR: "Hybride, et préféré : qui enregistre une liaison doit casser X25519 et ML-KEM-768 pour la lire."}},
	tls.SecP256r1MLKEM768: {Bits: 128,
		By: []string{"draft-ietf-tls-ecdhe-mlkem", "FIPS 203", "NIST SP 800-56A", algorithms.B1("RègleECp-2"),
			algorithms.PG083("RègleSécuAsym, RèglePQSécuAsym")},
		For: algorithms.Text{
			EN: "Hybrid: to read a recorded link, both P-256 and ML-KEM-768 must be broken.",
			FR: "Hybride : qui enregistre une liaison doit casser P-256 et ML-KEM-768 pour la lire."}},
	tls.SecP384r1MLKEM1024: {Bits: algorithms.Of(elliptic.P384()),
		By: []string{"draft-ietf-tls-ecdhe-mlkem", "FIPS 203", "NIST SP 800-56A", algorithms.B1("RègleECp-2"),
			algorithms.PG083("RègleSécuAsym, RèglePQSécuAsym")},
		For: algorithms.Text{
			EN: "Hybrid: to read a recorded link, both P-384 and ML-KEM-1024 must be broken. Ours prefer " +
				"SecP256r1MLKEM768.",
			FR: "Hybride : qui enregistre une liaison doit casser P-384 et ML-KEM-1024 pour la lire. Les nôtres " +
				"préfèrent SecP256r1MLKEM768."}},
	tls.CurveP256: {Bits: algorithms.Of(elliptic.P256()), For: fallback, By: nistCurve},
	tls.CurveP384: {Bits: algorithms.Of(elliptic.P384()), For: fallback, By: nistCurve},
	tls.X25519: {Bits: 128, For: fallback, Outside: x25519Order,
		By: []string{"RFC 7748", algorithms.PG083("RègleCourbeElliptiqueGFp"), algorithms.Guide("2.3")}},
}

var fallback = algorithms.Text{
	EN: "With a peer that has no hybrid group, or over a network through which a hello with one gets no answer.",
	FR: "Avec un correspondant sans groupe hybride, ou à travers un réseau qui ne répond pas à un hello qui en " +
		"porte un."}

var nistCurve = []string{"NIST SP 800-56A", "NIST SP 800-186", algorithms.B1("RègleECp-2"),
	algorithms.PG083("RègleCourbeElliptiqueGFp"), algorithms.Guide("2.3")}

func handshakeSignature(s tls.SignatureScheme) algorithms.Use {
	u := algorithms.Use{Kind: algorithms.Handshake, Name: s.String(), Bits: algorithms.RSA(minRSA),
		By: algorithms.ByRSA, For: algorithms.Text{
			EN: "How a peer with an RSA key proves that it has it.",
			FR: "Preuve de possession d'un correspondant qui a une clé RSA."}}
	switch s {
	case tls.ECDSAWithP256AndSHA256:
		u.Bits = algorithms.Of(elliptic.P256())
	case tls.ECDSAWithP384AndSHA384:
		u.Bits = algorithms.Of(elliptic.P384())
	default:
		return u
	}
	u.By, u.For = algorithms.ByECDSA, algorithms.Text{
		EN: "How a peer with a key on this curve proves that it has it.",
		FR: "Preuve de possession d'un correspondant qui a une clé sur cette courbe."}
	return u
}

// Algorithms lists everything that may be met in a certificate, a list or an OCSP answer; what is not listed is
// refused.
func Algorithms() []algorithms.Use {
	var list []algorithms.Use
	for _, s := range signatures {
		list = append(list, certificateSignature(s))
	}
	for _, c := range curves {
		list = append(list, algorithms.Use{Kind: algorithms.Key, Name: "ECDSA " + c.Params().Name,
			Bits: algorithms.Of(c), By: algorithms.ByECDSA, For: anyCertificate})
	}
	list = append(list, rsaKey(), algorithms.Hash(crypto.SHA256, seenBefore))
	return algorithms.In("pki", list...)
}

var anyCertificate = algorithms.Text{
	EN: "Key of any certificate: ours, a peer's, a CA's.",
	FR: "Clé de tout certificat : le nôtre, celui d'un correspondant, d'une AC."}

func rsaKey() algorithms.Use {
	end := rsa2048End.Year() - 1
	return algorithms.Use{Kind: algorithms.Key, Name: fmt.Sprintf("RSA %d … %d", minRSA, maxRSA),
		Bits: algorithms.RSA(minRSA), By: algorithms.ByRSA, For: algorithms.Text{
			EN: fmt.Sprintf("Key of any certificate, exponent %d or more. Less than %d bits (a foreign CA's) until "+
				"the end of %d; from %d bits on, %d bits of strength.",
				minExponent, ownRSA, end, ownRSA, algorithms.RSA(ownRSA)),
			FR: fmt.Sprintf("Clé de tout certificat, exposant d'au moins %d. Moins de %d bits (AC tierce) jusqu'à "+
				"la fin de %d ; à partir de %d bits, force de %d bits.",
				minExponent, ownRSA, end, ownRSA, algorithms.RSA(ownRSA))}}
}

// certificateSignature describes a signature algorithm; it is as strong as the weakest key that may sign with it.
func certificateSignature(s x509.SignatureAlgorithm) algorithms.Use {
	u := algorithms.Use{Kind: algorithms.Certificate, Name: s.String(), By: algorithms.ByECDSA,
		Bits: algorithms.Of(curves[0]), For: algorithms.Text{
			EN: "By a CA or an OCSP responder.", FR: "Par une AC ou un répondeur OCSP."}}
	if strings.HasPrefix(s.String(), "ECDSA") {
		return u
	}
	u.By, u.Bits = algorithms.ByRSA, algorithms.RSA(minRSA)
	if !strings.HasSuffix(s.String(), "PSS") {
		u.For = algorithms.Text{
			EN: fmt.Sprintf("By a CA or an OCSP responder: PKCS#1 v1.5, which B1 refuses with a small exponent; "+
				"here it is %d or more.", minExponent),
			FR: fmt.Sprintf("Par une AC ou un répondeur OCSP : PKCS#1 v1.5, que B1 refuse avec un petit exposant ; "+
				"il est ici d'au moins %d.", minExponent)}
	}
	return u
}

// seenBefore says what hashes are for where nothing is signed.
var seenBefore = algorithms.Text{
	EN: "Recognises a path, a list or a file that was verified before.",
	FR: "Reconnaît un chemin, une liste ou un fichier déjà vérifié."}

// CertID describes a hash that names an issuer in OCSP.
func CertID(h crypto.Hash) algorithms.Use {
	u := algorithms.Use{Kind: algorithms.Digest, Name: h.String() + " (OCSP)",
		By: []string{"RFC 6960 4.1.1", "RFC 5019 2.1.1", "FIPS 180-4"}, For: algorithms.Text{
			EN: "Names an issuer (certID) or a responder; its certificate is known, and the answer's signature is " +
				"checked besides.",
			FR: "Nomme un émetteur (certID) ou un répondeur ; son certificat est connu, et la signature de la " +
				"réponse est vérifiée en plus."}}
	if h == crypto.SHA1 {
		u.RGS = algorithms.Stays
		u.Outside = algorithms.Text{
			EN: "B1 refuses SHA-1 (2.3, RègleHash-2, RègleHash-3). OCSP's profile and most of its clients know no " +
				"other; nothing rests on it.",
			FR: "B1 refuse SHA-1 (2.3, RègleHash-2, RègleHash-3). Le profil d'OCSP et la plupart de ses clients " +
				"n'en connaissent pas d'autre ; rien ne repose sur elle."}
	}
	return u
}
