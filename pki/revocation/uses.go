package revocation

import (
	"tlagate/internal/algorithms"
	"tlagate/internal/der"
	"tlagate/pki"
)

// Algorithms lists what OCSP needs beside the signatures of its answers.
func Algorithms() []algorithms.Use {
	list := []algorithms.Use{algorithms.Random(nonceSize, algorithms.Text{
		EN: "OCSP nonce (RFC 9654): an answer to our request is not an old one (trust.ocsp.nonce).",
		FR: "Nonce d'OCSP (RFC 9654) : une réponse demandée n'est pas une ancienne réponse (trust.ocsp.nonce)."})}
	for _, h := range der.Hashes {
		list = append(list, pki.CertID(h))
	}
	return algorithms.In("pki/revocation", list...)
}
