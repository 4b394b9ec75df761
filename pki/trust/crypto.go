package trust

import (
	"crypto/tls"
	"fmt"
	"slices"

	"tlagate/pki"
)

// This file is what a handshake has to do with crypto: rgs (docs/crypto.md). crypto/tls is told the groups; its suites
// of TLS 1.3 it chooses by itself, and leaves ChaCha20 away where GODEBUG=fips140=on alone. So what was agreed upon is
// looked at in each handshake, whatever it was that should have kept to the list.

// Crypto says what links of this trust store take.
func (t *Trust) Crypto() pki.Crypto { return t.cfg.Crypto }

func (h *handshake) crypto() pki.Crypto {
	if h.party.Trust == nil {
		return h.party.Crypto
	}
	return h.party.Trust.Crypto()
}

func (h *handshake) takesSuite(id uint16) bool { return slices.Contains(h.crypto().Suites(), id) }

func (h *handshake) takesGroup(id tls.CurveID) bool {
	return slices.Contains(h.crypto().Groups(true), id)
}

// lacks refuses a hello without any of our suites, or groups.
func (h *handshake) lacks(hello *tls.ClientHelloInfo, what string) *pki.Refusal {
	if h.crypto() != pki.CryptoDefault && !h.crypto().Keeps(hello.CipherSuites, hello.SupportedCurves) {
		return h.refuse(pki.NotRGS, "it offers none of the %s that crypto: rgs takes", what)
	}
	return h.refuse(pki.CipherSuite, "it offers none of the allowed %s", what)
}

// unfit refuses what was agreed upon, a suite or a group; 0 = it is not about one.
func (h *handshake) unfit(suite uint16, group tls.CurveID, format string, args ...any) *pki.Refusal {
	what := fmt.Sprintf(format, args...)
	if !h.crypto().Keeps([]uint16{suite}, []tls.CurveID{group}) {
		return h.refuse(pki.NotRGS, "%s, and crypto: rgs does not take it", what)
	}
	return h.refuse(pki.CipherSuite, "%s, which is not allowed", what)
}
