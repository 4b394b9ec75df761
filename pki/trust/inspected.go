package trust

import (
	"bytes"
	"crypto/x509"
	"slices"

	"tlagate/pki"
	"tlagate/pki/internal/certutil"
	"tlagate/pki/internal/describe"
)

// Some networks open TLS: a proxy or firewall answers in the server's place with a certificate that it made for the
// name that was dialled, under a CA of its own. That is a matter for the operator of that network, and not for the
// person in charge of the anchors here; so it has its own reason.

// suspect turns the reason unknown_issuer into inspected when the peer showed the right name and nothing else of ours.
// A peer of another PKI of this kind, which is what a wrong anchor leads to, has an identity and certificate policies,
// and keeps its reason.
func (r *roots) suspect(found *pki.Refusal, chain []*x509.Certificate, dialled string) *pki.Refusal {
	if found.Reason != pki.UnknownIssuer || r.profile != RGS || dialled == "" {
		return found
	}
	leaf := chain[0]
	if leaf.VerifyHostname(dialled) != nil || slices.ContainsFunc(chain, r.names) || ofOurKind(chain) {
		return found
	}
	suspicion := *found
	suspicion.Reason = pki.Inspected
	suspicion.Detail = "a device on the way opens TLS: it made this certificate for the name that was dialled, as " +
		describe.Name(leaf.Issuer.String()) + "; have its operator exempt this address, or use another network"
	return &suspicion
}

// names reports whether a certificate names one of our CAs as its issuer.
func (r *roots) names(c *x509.Certificate) bool {
	is := func(ca *x509.Certificate) bool { return bytes.Equal(ca.RawSubject, c.RawIssuer) }
	return slices.ContainsFunc(r.anchors, func(a Anchor) bool { return is(a.Cert) }) ||
		slices.ContainsFunc(r.intermediates, is)
}

// ofOurKind reports whether a chain has what every chain of a PKI for tlagate has, whatever its anchor: an identity,
// and policies in the leaf and in each CA. A device that copies the names of a certificate into its own has no such
// policies.
func ofOurKind(chain []*x509.Certificate) bool {
	_, err := pki.IdentityOf(chain[0])
	return err == nil && !slices.ContainsFunc(chain, func(c *x509.Certificate) bool {
		return len(c.Policies) == 0 && (c == chain[0] || !certutil.SelfIssued(c))
	})
}

// inspected returns a refusal for a device on the way that also spoils the handshake itself: such a device may not pass
// the application protocol on.
func (h *handshake) inspected() *pki.Refusal {
	if h.side != x509.ExtKeyUsageClientAuth {
		return nil
	}
	r := h.party.Trust.roots.Load()
	_, found := r.findPaths(h.chain, circumstances{standing: "claimed "})
	if found == nil {
		return nil
	}
	if suspicion := r.suspect(found, h.chain, h.want.DNSName); suspicion.Reason == pki.Inspected {
		return suspicion
	}
	return nil
}
