package sentences

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSA2WhatTheUserWasTold: the sentence of a code and a reason, filled in, in both languages.
func TestSA2WhatTheUserWasTold(t *testing.T) {
	for _, c := range []struct{ code, reason, peer, fr, en string }{
		{"unreachable", "", "", "Le service de votre opérateur ne répond pas.",
			"Your operator's service does not answer."},
		{"problem", "pdt_absent", "urn:tlagate:op:gateway:g1",
			"Le service de votre opérateur a refusé la session : le Poste de Travail n'est pas connecté.",
			"Your operator's service refused the session: the Poste de Travail is not connected."},
		{"timeout", "", "urn:tlagate:cab1:pdt:bureau", "Le Poste de Travail bureau n'a pas répondu à temps.",
			"The Poste de Travail bureau did not answer in time."},
		{"rejected", "revoked", "gateway", "Le service de votre opérateur a refusé ce terminal : certificat révoqué.",
			"Your operator's service refused this terminal: certificate revoked."},
		{"tomorrows", "", "", "Cause inconnue", "Unknown reason"},
	} {
		require.Equal(t, Text{c.fr, c.en}, Of(c.code, c.reason, c.peer))
	}
	for code := range Whys {
		for reason := range Reasons[code] {
			require.False(t, strings.ContainsAny(Of(code, reason, "pdt").FR, "{}"), "%s %s", code, reason)
		}
	}
}
