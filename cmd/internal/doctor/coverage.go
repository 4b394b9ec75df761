package doctor

import (
	"crypto/x509"
	"fmt"
	"strings"

	"tlagate/pki"
)

// coverage checks whether peers can be accepted at all: whether there is a list, or a responder to ask, for each CA
// that issues their certificates. Our own chains are the example. The gateway may bring a device what it lacks, which
// only a connection shows.
func (d Device) coverage() Finding {
	t, err := d.Store()
	if err != nil {
		return Cannot("", "see trust anchors")
	}
	var revoked, lost, brought, silent []string
	for _, c := range t.Coverage(!d.Offline, d.chains()...) {
		switch {
		case c.Revoked && c.Leaf:
			revoked = append(revoked, "our own certificate, issued by "+c.CA)
		case c.Revoked:
			revoked = append(revoked, "a CA below "+c.CA)
		case c.Leaf && c.Silence != nil:
			silent = append(silent, fmt.Sprintf("%v", c.Silence))
		case c.Covered() || c.Listed: // a bad list has a finding of its own
		case c.Leaf:
			brought = append(brought, c.CA)
		default:
			lost = append(lost, c.CA)
		}
	}
	switch {
	case len(revoked) > 0:
		return Fail("ask the PKI's operator; a device whose certificate is revoked needs a new code and enroll, one "+
			"whose CA is, a new anchor too", "revoked, so that whoever knows it refuses: %s",
			strings.Join(revoked, ", "))
	case len(lost) > 0:
		return Fail("bring its ARL, and name it under trust.crls or trust.arl; enroll writes it",
			"no list of the CA %s is at hand: the gateway, and every other peer, will be refused (%s)",
			strings.Join(lost, ", "), pki.CRLMissing)
	case len(silent) > 0:
		return Warn("see that the responder runs and can be reached from here", "no OCSP answer comes: %s",
			strings.Join(silent, "; "))
	case len(brought) > 0:
		return Cannot("connect once: only that shows it. If the answer is "+string(pki.CRLMissing)+", give the "+
			"gateway trust.ocsp, or bring the CRL and name it under trust.crls",
			"no list of the CA %s is at hand: gateway and peers are accepted by the OCSP answers that the gateway "+
				"brings, and by nothing else", strings.Join(brought, ", "))
	}
	return Good("there is a list, or a responder that is asked, of every CA known here")
}

// chains returns those of our own certificates; one that cannot be read has a finding of its own.
func (d Device) chains() (all [][]*x509.Certificate) {
	for _, use := range sorted(d.Identities) {
		if chain, err := pki.ReadCertificates(string(d.Identities[use].Cert)); err == nil {
			all = append(all, chain)
		}
	}
	return all
}
