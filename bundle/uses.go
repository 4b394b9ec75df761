package bundle

import (
	"crypto"

	"tlagate/internal/algorithms"
)

// Algorithms lists what a bundle may be signed by; what is not listed is refused.
func Algorithms() []algorithms.Use {
	var list []algorithms.Use
	for _, key := range algorithms.Probes(algorithms.LeastRSA) {
		alg, err := algorithmFor(key)
		if err != nil {
			continue
		}
		list = append(list, algorithms.Signed(algorithms.Statement, key, alg.options(), signature))
	}
	return algorithms.In("bundle", append(list, algorithms.Hash(crypto.SHA256, fingerprint))...)
}

var signature = algorithms.Text{
	EN: "The signed configuration of a device: CMS SignedData, strict DER (RFC 5652, RFC 5754).",
	FR: "La configuration signée d'un équipement : CMS SignedData, DER strict (RFC 5652, RFC 5754)."}

var fingerprint = algorithms.Text{
	EN: "Tells one signed configuration from another, so that it is fetched once.",
	FR: "Distingue une configuration signée d'une autre, pour ne la chercher qu'une fois."}
