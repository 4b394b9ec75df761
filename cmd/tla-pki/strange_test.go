package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/pki/pkitest/suite"
)

// TestC2VerifyRefusesWhatOpenSSLMakes: certificates that only openssl makes, as the profile rfc5280 sees them.
func TestC2VerifyRefusesWhatOpenSSLMakes(t *testing.T) {
	dir := t.TempDir()
	root := selfSigned(t, dir, "root", "ec", "basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign")
	weak := selfSigned(t, dir, "weak", "rsa:768", "basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign")
	const policies = "2.5.29.32=critical,DER:" +
		"30:12:30:10:06:03:2a:03:04:30:09:30:07:06:03:2a:03:05:05:00" // 1.2.3.4 with the qualifier 1.2.3.5 NULL
	const known = "2.5.29.32=critical,DER:" +
		"30:1c:30:1a:06:03:2a:03:04:30:13:30:11:06:08:2b:06:01:05:05:07:02:01:16:05:68:74:74:70:3a" // with a CPS
	for name, c := range map[string]struct {
		want, issuer, key, extension string
	}{
		"nothing strange":               {suite.Accepted, root, "ec", "keyUsage=digitalSignature"},
		"a qualifier that is known":     {suite.Accepted, root, "ec", known},
		"a qualifier that nobody knows": {"bad_certificate", root, "ec", policies},
		"RSA of 768 bits":               {"weak_key", root, "rsa:768", "keyUsage=digitalSignature"},
		"an issuer with such a key":     {"weak_key", weak, "ec", "keyUsage=digitalSignature"},
	} {
		t.Run(name, func(t *testing.T) {
			leaf := issued(t, t.TempDir(), c.issuer, c.key, c.extension)
			require.Equal(t, c.want, verifying(t, "--no-revocation", "--anchor="+c.issuer, leaf)())
		})
	}
}

func selfSigned(t *testing.T, dir, name, key string, extensions ...string) string {
	file := filepath.Join(dir, name)
	args := append(keyArgs(file, key), "-x509", "-subj", "/CN="+name, "-days", "30", "-out", file)
	for _, e := range extensions {
		args = append(args, "-addext", e)
	}
	runOpenSSL(t, args...)
	return file
}

// issued has an issuer of selfSigned sign a certificate with one more extension.
func issued(t *testing.T, dir, issuer, key, extension string) string {
	file, extensions := filepath.Join(dir, "leaf"), filepath.Join(dir, "ext")
	text := "authorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n" + extension + "\n"
	require.NoError(t, os.WriteFile(extensions, []byte(text), 0o600))
	runOpenSSL(t, append(keyArgs(file, key), "-subj", "/CN=leaf", "-out", file+".csr")...)
	runOpenSSL(t, "x509", "-req", "-in", file+".csr", "-CA", issuer, "-CAkey", issuer+".key",
		"-extfile", extensions, "-days", "20", "-out", file)
	return file
}

func keyArgs(file, key string) []string {
	args := []string{"req", "-nodes", "-keyout", file + ".key", "-newkey", key}
	if key == "ec" {
		args = append(args, "-pkeyopt", "ec_paramgen_curve:P-256")
	}
	return args
}

func runOpenSSL(t *testing.T, args ...string) {
	out, err := exec.Command("openssl", args...).CombinedOutput()
	require.NoError(t, err, "%s", out)
}
