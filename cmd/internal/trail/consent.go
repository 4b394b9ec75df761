package trail

import (
	"crypto/x509"

	"tlagate/audit"
	"tlagate/session/consent"
)

// Consent records that the consent of a terminal's user was verified, and its proof (C4).
func (t *Trail) Consent(said consent.Statement, text string, signer *x509.Certificate) {
	t.Note(audit.ConsentAccepted, audit.Consent(signer, said.Session, said.PdT, string(said.Act), said.By, text)...)
}
