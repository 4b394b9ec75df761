package gateway

import (
	"crypto"
	"crypto/tls"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/session/consent"
	"tlagate/session/consent/consenttest"
	"tlagate/session/link"
)

// TestC4NoSessionWithoutTheUsersConsent tries each way, from the network side, to open a session without it.
func TestC4NoSessionWithoutTheUsersConsent(t *testing.T) {
	r := start(t, limited(Limits{JoinWait: time.Millisecond}))
	r.park(r.pdt(pdt1))
	cert, other := r.ca.Issue(tla1, clients), r.ca.Issue("urn:tlagate:cab1:tla:t9", clients)
	sign := func(s consent.Statement, with tls.Certificate) string {
		text, err := consent.Sign(s, with.PrivateKey.(crypto.Signer))
		require.NoError(t, err)
		return text
	}
	for name, c := range map[string]struct {
		consent func(good consent.Statement) string
		code    link.ProblemCode
		detail  string
	}{
		"signed by another device": {func(s consent.Statement) string { return sign(s, other) }, link.ProblemBadConsent,
			"not signed with the terminal's key"},
		"of another device": {func(s consent.Statement) string {
			s.TLA = "urn:tlagate:cab1:tla:t9"
			return sign(s, cert)
		}, link.ProblemBadConsent, "terminal"},
		"for another PdT": {func(s consent.Statement) string {
			s.PdT = "urn:tlagate:cab1:pdt:p2"
			return sign(s, cert)
		}, link.ProblemBadConsent, "Poste de Travail"},
		"for another session": {func(s consent.Statement) string { s.Session = newID(); return sign(s, cert) },
			link.ProblemBadConsent, "session"},
		"over another nonce": {func(s consent.Statement) string {
			s.Nonce = strings.Repeat("A", 43)
			return sign(s, cert)
		}, link.ProblemBadConsent, "nonce"},
		"of yesterday": {func(s consent.Statement) string {
			s.At = s.At.Add(-24 * time.Hour)
			return sign(s, cert)
		}, link.ProblemClockWrong, "the terminal's clock says"},
		"of tomorrow": {func(s consent.Statement) string {
			s.At = s.At.Add(24 * time.Hour)
			return sign(s, cert)
		}, link.ProblemClockWrong, "the terminal's clock says"},
		"altered": {func(s consent.Statement) string { text := sign(s, cert); return "A" + text[1:] },
			link.ProblemBadConsent, "consent"},
		"unreadable": {func(consent.Statement) string { return "x.y" },
			link.ProblemBadConsent, "cannot read"},
		"of an unknown act": {func(s consent.Statement) string { s.Act = "network"; return sign(s, cert) },
			link.ProblemBadConsent, "cannot read"},
	} {
		t.Run("C4 "+name, func(t *testing.T) {
			id := newID()
			_, err := link.Open(t.Context(), r.dial(cert), pdt1, id, link.Config{Heartbeat: unhurried.Heartbeat,
				Consent: func(nonce string) (string, error) {
					return c.consent(consenttest.Statement(cert, pdt1, id, nonce)), nil
				}})
			p := requireProblem(t, c.code, err)
			require.Contains(t, p.Detail, c.detail)
		})
	}
	_, err := r.tryOpen(cert, pdt1)
	require.NoError(t, err, "the control: with it")
	r.logged("consent of the user", "act", "command", "by", "uid 1000")
}
