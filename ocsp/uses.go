package ocsp

import (
	"crypto"
	"fmt"

	"tlagate/internal/algorithms"
	"tlagate/internal/der"
	"tlagate/pki"
)

// Algorithms lists what the responder signs with, and by what requests may name a CA.
func Algorithms() []algorithms.Use {
	var list []algorithms.Use
	for _, key := range algorithms.Probes(algorithms.LeastRSA) {
		if _, hash, ok := der.SignatureFor(key); ok {
			list = append(list, algorithms.Signed(algorithms.Certificate, key, hash, algorithms.Text{
				EN: "An OCSP answer of ours, by a delegated certificate.",
				FR: "Une de nos réponses OCSP, par un certificat délégué."}))
		}
	}
	for _, h := range der.Hashes {
		list = append(list, pki.CertID(h))
	}
	return algorithms.In("ocsp", append(list, echoed, algorithms.Hash(crypto.SHA256, algorithms.Text{
		EN: "Names an answer for HTTP caches (ETag).",
		FR: "Nomme une réponse pour les caches HTTP (ETag)."}))...)
}

var echoed = algorithms.Use{Kind: algorithms.Secret, Name: fmt.Sprintf("nonce, %d … %d octets", minNonce, maxNonce),
	Bits: 8 * minNonce, By: []string{"RFC 9654"}, For: algorithms.Text{
		EN: "The OCSP client's, echoed under the signature.",
		FR: "Celui du client OCSP, répété sous la signature."}}
