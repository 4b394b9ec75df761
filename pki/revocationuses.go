package pki

import (
	"crypto"

	"tlagate/internal/algorithms"
	"tlagate/internal/der"
)

// revocationUses tells of what OCSP needs besides the signatures of its answers.
func revocationUses() []algorithms.Use {
	list := []algorithms.Use{algorithms.Random(nonceSize, algorithms.Text{
		EN: "OCSP nonce (RFC 9654): an answer that is asked for is not one of before (trust.ocsp.nonce).",
		FR: "Nonce d'OCSP (RFC 9654) : une réponse demandée n'est pas une ancienne réponse (trust.ocsp.nonce)."})}
	for _, h := range der.Hashes {
		list = append(list, CertID(h))
	}
	return list
}

// CertID tells of a hash that names an issuer in OCSP.
func CertID(h crypto.Hash) algorithms.Use {
	u := algorithms.Use{Kind: algorithms.Digest, Name: h.String() + " (OCSP)",
		By: []string{"RFC 6960 4.1.1", "RFC 5019 2.1.1", "FIPS 180-4"}, For: algorithms.Text{
			EN: "Names an issuer (certID) or a responder; its certificate is known, and the answer's signature is " +
				"checked besides.",
			FR: "Nomme un émetteur (certID) ou un répondeur ; son certificat est connu, et la signature de la " +
				"réponse est vérifiée en plus."}}
	if h == crypto.SHA1 {
		u.Outside = algorithms.Text{
			EN: "B1 refuses SHA-1 (2.3, RègleHash-2, RègleHash-3). OCSP's profile and most of its clients know no " +
				"other; nothing rests on it.",
			FR: "B1 refuse SHA-1 (2.3, RègleHash-2, RègleHash-3). Le profil d'OCSP et la plupart de ses clients " +
				"n'en connaissent pas d'autre ; rien ne repose sur elle."}
	}
	return u
}
