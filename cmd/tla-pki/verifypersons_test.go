package main

import (
	"bytes"
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/cmd/internal/cli"
	"tlagate/pki/pkitest"
)

// TestC2VerifyPersons: the profile persons says whether a card's certificate passes and why not, and nothing of whom it
// names.
func TestC2VerifyPersons(t *testing.T) {
	ca, dir := pkitest.NewPersons(t), t.TempDir()
	files := ca.WriteTrust(dir)
	good, bad := filepath.Join(dir, "good.pem"), filepath.Join(dir, "bad.pem")
	pkitest.WriteCertificates(t, good, ca.Issuing.IssuePerson(pkitest.Doctor).Leaf)
	pkitest.WriteCertificates(t, bad, ca.Issuing.IssuePerson(pkitest.Doctor, pkitest.AnyEKU()).Leaf)
	verify := func(args ...string) (int, string) {
		var out bytes.Buffer
		args = append([]string{"verify", "--profile", "persons", "--anchor", files.Anchor, "--intermediate",
			files.Intermediate, "--crl", files.ARL, "--crl", files.CRL}, args...)
		app := &cli.App{Context: context.Background(), Stdout: &out, Stderr: &out}
		status := cli.Run(app, "tla-pki", args, &grammar{}, nil, options()...)
		for _, secret := range []string{pkitest.Doctor.ID, pkitest.Doctor.Surname, pkitest.Doctor.GivenName} {
			require.NotContains(t, out.String(), secret)
		}
		return status, out.String()
	}
	status, out := verify(good)
	require.Zero(t, status, out)
	require.Contains(t, out, "accepted")
	require.Contains(t, out, "neither it nor its issuers are revoked")
	status, out = verify(bad)
	require.Equal(t, 1, status)
	require.Contains(t, out, "refused: any_ext_key_usage: the certificate of the terminal's user")
	status, out = verify("--identifier", "UID", good)
	require.Equal(t, 1, status)
	require.Contains(t, out, "refused: bad_identity")
	status, out = verify("--policy", "2.999.7", good)
	require.Equal(t, 1, status)
	require.Contains(t, out, "refused: policy")
	status, out = verify("--purpose", "tla", good)
	require.Equal(t, 2, status)
	require.Contains(t, out, "the profile persons knows no purposes")
}
