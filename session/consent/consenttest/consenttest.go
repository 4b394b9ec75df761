// Package consenttest signs consents for tests.
package consenttest

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"time"

	"tlagate/session/consent"
)

// By returns a link.Config.Consent: it signs the consent, now, of the user of the TLA that has cert.
func By(cert tls.Certificate, pdt, session string) func(nonce string) (string, error) {
	return func(nonce string) (string, error) {
		return consent.Sign(Statement(cert, pdt, session, nonce), cert.PrivateKey.(crypto.Signer))
	}
}

// Statement is what By signs.
func Statement(cert tls.Certificate, pdt, session, nonce string) consent.Statement {
	return consent.Statement{TLA: identity(cert), PdT: pdt, Session: session, Nonce: nonce, Act: consent.ActCommand,
		By: "uid 1000", At: time.Now()}
}

func identity(cert tls.Certificate) string {
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil || len(leaf.URIs) == 0 {
		return ""
	}
	return leaf.URIs[0].String()
}
