package keys_test

import (
	"crypto"
	"crypto/x509"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/keys"
	"tlagate/keys/keystest"
)

// tpmBlob is a key of a TPM that no longer exists.
const tpmBlob = `-----BEGIN TSS2 PRIVATE KEY-----
MIHwBgZngQUKAQOgAwEB/wIEQAAAAQRYAFYAIwALAAQEcgAAABAAEAADABAAIDGd
VO+EZiTmfchAQANTFn7GUduCQ/B+RDZquM9p1gCIACBGo4nf/UQ6k1aIaQQuUO0C
poUwMnTKRX4B/KPziDd35wSBgAB+ACAEiEuKPKyzL1RjFnOxsFwhaFl/RqDAKHKL
Zs8KdaEROgAQTI7ybQZiHcYn+qojCaA0FSvRu4UPYvhhaTkj31vJJmu7+5Y/zqoy
KT4ndeLMksSt+u71a7MryR7ShPTphzuXtF2QsGO+EdNxIFPswa7dmAL0qgl5dech
n2LZ
-----END TSS2 PRIVATE KEY-----
`

func tpmSpec(t testing.TB, device string) (keys.Spec, string) {
	file := filepath.Join(t.TempDir(), "device.tpm")
	return keys.Spec("tpm:" + file + "?device=" + device), file
}

func TestSP2TPMKey(t *testing.T) {
	device := keystest.NewTPM(t)
	for _, kind := range []string{"p256", "p384"} {
		spec, file := tpmSpec(t, device)
		made := generate(t, spec, kind, keys.Config{})
		signs(t, made)
		want := keys.Description{Where: "tpm:" + file, Kind: kind, Protection: keys.TPM}
		require.Equal(t, want, made.Describe())
		about, err := keys.Inspect(spec, keys.Config{})
		require.NoError(t, err)
		require.Equal(t, want, about)

		_, err = keys.Generate(spec, kind, keys.Config{})
		require.ErrorIs(t, err, keys.ErrExists)
		require.NoError(t, made.Close())
		for range 5 { // each is taken out of the TPM again
			again, err := keys.Open(spec, keys.Config{})
			require.NoError(t, err)
			require.True(t, keys.SamePublic(made.Public(), again.Public()))
			signs(t, again)
			require.NoError(t, again.Close())
			_, err = again.Sign(nil, make([]byte, 32), crypto.SHA256)
			require.Error(t, err)
		}
	}
}

func TestSP2TPMKeyIsUsedByManyAtOnce(t *testing.T) {
	spec, _ := tpmSpec(t, keystest.NewTPM(t))
	key := generate(t, spec, "", keys.Config{})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { signs(t, key) })
	}
	all.Wait()
}

func TestSP2TPMKeyIsOfThatTPMOnly(t *testing.T) {
	spec, file := tpmSpec(t, keystest.NewTPM(t))
	generate(t, spec, "", keys.Config{})
	_, err := keys.Open(keys.Spec("tpm:"+file+"?device="+keystest.NewTPM(t)), keys.Config{})
	require.ErrorContains(t, err, "made in another one")
}

func TestSP2TPMRefusals(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.tpm")
	require.NoError(t, os.WriteFile(file, []byte("half a fi"), 0o600))
	for spec, says := range map[string]string{
		"tpm:":                                  "want tpm:FILE",
		"tpm:" + file + "?dev=x":                "all that may follow",
		"tpm:" + file + "?device=":              "all that may follow",
		"tpm:" + file:                           "not a TSS2 PRIVATE KEY",
		"tpm:" + file + ".none":                 "no such file",
		"tpm:" + file + ".new?device=/dev/none": "no such file",
	} {
		_, err := keys.Open(keys.Spec(spec), keys.Config{})
		require.ErrorContains(t, err, says, spec)
	}
	_, err := keys.Generate(keys.Spec("tpm:"+file+".new?device=/dev/none"), "", keys.Config{})
	require.ErrorContains(t, err, "/dev/none cannot be opened")
	_, err = keys.Generate(keys.Spec("tpm:"+file+".new"), "rsa3072", keys.Config{})
	require.ErrorContains(t, err, "want p256 or p384")
}

// TestSP2TPMKeyIsReadByOpenssl: key file and parent are those that tpm2-openssl means.
func TestSP2TPMKeyIsReadByOpenssl(t *testing.T) {
	device := keystest.NewTPM(t)
	spec, file := tpmSpec(t, device)
	key := generate(t, spec, "", keys.Config{})
	tcti := "TPM2OPENSSL_TCTI=cmd:socat - UNIX-CONNECT:" + strings.TrimPrefix(device, "unix:")
	run := func(args ...string) []byte {
		command := exec.Command("openssl", append(args[:1:1],
			append([]string{"-provider", "tpm2", "-provider", "default"}, args[1:]...)...)...)
		command.Env = append(os.Environ(), tcti)
		out, err := command.CombinedOutput()
		require.NoError(t, err, string(out))
		return out
	}
	want, err := x509.MarshalPKIXPublicKey(key.Public())
	require.NoError(t, err)
	require.Equal(t, want, run("pkey", "-in", file, "-pubout", "-outform", "DER"))

	dir := filepath.Dir(file)
	text, signature, public := filepath.Join(dir, "text"), filepath.Join(dir, "signature"), filepath.Join(dir, "public")
	require.NoError(t, os.WriteFile(text, []byte("what is signed"), 0o600))
	require.NoError(t, os.WriteFile(public, want, 0o600))
	run("pkeyutl", "-propquery", "?provider=tpm2", "-sign", "-inkey", file, "-rawin", "-digest",
		"sha256", "-in", text, "-out", signature)
	out, err := exec.Command("openssl", "dgst", "-sha256", "-verify", public, "-keyform", "DER",
		"-signature", signature, text).CombinedOutput()
	require.NoError(t, err, string(out))
}

func TestG2EraseTPMKey(t *testing.T) {
	spec, file := tpmSpec(t, keystest.NewTPM(t))
	c, wrap := wrapped(t)
	generate(t, spec, "", c)
	require.NoError(t, keys.Erase(spec, c))
	require.NoFileExists(t, file)
	require.FileExists(t, wrap, "no key in a TPM is encrypted under it")
}
