package trail

import (
	"crypto/x509"

	"tlagate/audit"
	"tlagate/session/consent"
)

// Consent records that the consent of a terminal's user was verified, and its proof (C4).
func (t *Trail) Consent(said consent.Statement, text string, signer *x509.Certificate) {
	t.Note(audit.ConsentAccepted, append(audit.Certificate(signer), audit.Session(said.Session), audit.PdT(said.PdT),
		audit.Act(string(said.Act)),
		audit.User(said.By), audit.Statement(text))...)
}
