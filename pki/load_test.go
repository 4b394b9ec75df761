package pki_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
	"tlagate/pki/pkitest"
	"tlagate/pki/pkitest/bed"
)

func TestReadCertificates(t *testing.T) {
	w := bed.New(t)
	der := filepath.Join(t.TempDir(), "root.der")
	require.NoError(t, os.WriteFile(der, w.Root.Cert.Raw, 0o644))
	for _, file := range []string{w.Files.Anchor, der} {
		certs, err := pki.ReadCertificates(file)
		require.NoError(t, err)
		require.Len(t, certs, 1)
		require.True(t, certs[0].Equal(w.Root.Cert))
	}
	_, err := pki.ReadCertificates(w.Files.CRL)
	require.ErrorContains(t, err, w.Files.CRL)
}

// Identities are compared as whole strings: what url.URL would fold away is refused.
func TestIdentityOfTakesTheNameAsItStands(t *testing.T) {
	w := bed.New(t)
	for uri, good := range map[string]bool{
		bed.TLA1: true, "urn:tlagate:cab1:tla:t1#": false, "URN:tlagate:cab1:tla:t1": false,
		"urn:tlagate:cab1:tla:t1?x": false,
		"urn:tlagate:cab1:tla:T1":   false, "urn:tlagate:cab1:tla:t1:x": false, "urn:tlagate:cab1:tla:": false,
	} {
		raw := sanOf(uri)
		id, err := pki.IdentityOf(w.Issue("", bed.AsClient, raw).Leaf)
		require.Equal(t, good, err == nil, "%s: %v", uri, err)
		require.Equal(t, map[bool]string{true: uri}[good], id.String(), "a name that is none is not passed on")
	}
}

// sanOf returns an option that puts a URI name into the certificate byte for byte.
func sanOf(uri string) pkitest.Option {
	return pkitest.Template(func(c *x509.Certificate) {
		name := append([]byte{0x86, byte(len(uri))}, uri...)
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{
			Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: append([]byte{0x30, byte(len(name))}, name...),
		})
	})
}
