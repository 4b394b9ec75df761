package trust

import (
	"crypto/x509"
	"encoding/asn1"

	"tlagate/internal/der"
)

var oidTLSFeature = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 24}

// statusRequest is the TLS extension number that stands for stapling in a TLS feature list.
const statusRequest = 5

// mustStaple reports whether a certificate has the TLS feature status_request (RFC 7633). An unreadable list counts as
// one that has it.
func mustStaple(c *x509.Certificate) bool {
	e, has := der.Find(c, oidTLSFeature)
	return has && promisesStaple(e.Value)
}

func promisesStaple(value []byte) bool {
	list, ok := der.Sequence(value)
	if !ok {
		return true
	}
	for !list.Empty() {
		var feature int
		if !list.ReadASN1Integer(&feature) || feature == statusRequest {
			return true
		}
	}
	return false
}
