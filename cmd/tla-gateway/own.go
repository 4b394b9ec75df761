package main

import (
	"crypto/x509"
	"fmt"

	"tlagate/cmd/internal/cli"
	"tlagate/pki"
	"tlagate/pki/trust"
)

// ourUse is what peers require of our certificate.
var ourUse = trust.Want{Usage: x509.ExtKeyUsageServerAuth, Roles: []pki.Role{pki.RoleGateway}}

// verifyOurs verifies our own certificate as a peer with our trust would.
func verifyOurs(trust *trust.Trust, keys *cli.Keys) (*trust.Verdict, error) {
	chain, err := pki.ParseChain(keys.Certificate().Certificate)
	if err != nil {
		return nil, fmt.Errorf("cannot read our own certificate: %w", err)
	}
	verdict, err := trust.Verify(chain, ourUse)
	if pki.ReasonOf(err) == pki.ExtKeyUsage {
		err = fmt.Errorf("%w (issue one with --profile gateway-server)", err)
	}
	return verdict, err
}

// temporary are the reasons that a new CRL or OCSP answer can put right without a restart.
var temporary = map[pki.Reason]bool{
	pki.CRLMissing: true, pki.CRLStale: true, pki.CRLFuture: true, pki.CRLBadSignature: true,
	pki.CRLWrongIssuer: true, pki.CRLNumberBack: true, pki.CRLBad: true,
	pki.OCSPMissing: true, pki.OCSPStale: true, pki.OCSPFuture: true, pki.OCSPUnknown: true, pki.OCSPBadSigner: true,
	pki.OCSPBadSignature: true, pki.OCSPWrongCertificate: true, pki.OCSPNonce: true,
	pki.OCSPError: true, pki.OCSPBad: true,
}
