package pdt

import (
	"crypto/tls"
	"crypto/x509"
	"testing"

	"github.com/stretchr/testify/require"
)

// A link shows the TLA the certificate that it was parked with, whose status the gateway sends. A renewed certificate
// serves links that are parked after the renewal.
func TestC2ParkedLinkShowsWhatItDeclared(t *testing.T) {
	lab := newLab(t)
	old, renewed := lab.certificate(thePdT, x509.ExtKeyUsageServerAuth),
		lab.certificate(thePdT, x509.ExtKeyUsageServerAuth)
	stapled := old
	stapled.OCSPStaple = []byte{1}
	now := &stapled
	shown := (&parkedLink{declared: &old}).certificate(func() *tls.Certificate { return now })
	require.Equal(t, &stapled, shown(), "with its newest staple")
	now = &renewed
	require.Equal(t, &old, shown())
	now = nil
	require.Equal(t, &old, shown())
}
