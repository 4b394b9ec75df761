package gateway

import (
	"tlagate/pki"
	"tlagate/session/link"
)

// checkCrypto refuses, where crypto: rgs is on, a device that is without it: its hello offered more. The link to us is
// in the letter of RGS B1 all the same; but of the card session inside, which we cannot see, its two ends alone decide.
func (g *Gateway) checkCrypto(c *client) *link.Problem {
	if g.party.Trust.Crypto() != pki.CryptoRGS || c.peer.KeepsRGS {
		return nil
	}
	return &link.Problem{Code: link.ProblemNotRGS,
		Detail: "This gateway demands crypto: rgs, and this device is without it: it offered X25519 or ChaCha20.",
		Action: "Put crypto: rgs into the device's configuration, or its bundle, and start its program again."}
}
