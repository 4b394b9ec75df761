package keys_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/keys"
)

const secret = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGH"

// wrapped returns a configuration with a wrapping key, and the wrapping key's file.
func wrapped(t testing.TB) (keys.Config, string) {
	file := filepath.Join(t.TempDir(), "wrap")
	require.NoError(t, os.WriteFile(file, []byte(secret+"\n"), 0o600))
	return keys.Config{WrappingKey: file}, file
}

func generate(t testing.TB, s keys.Spec, kind string, c keys.Config) keys.Key {
	t.Helper()
	key, err := keys.Generate(s, kind, c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, key.Close()) })
	return key
}

// signs has the key sign, and verifies the signature.
func signs(t testing.TB, key keys.Key) {
	t.Helper()
	digest := sha256.Sum256([]byte("what is signed"))
	signature, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
	require.NoError(t, err)
	switch pub := key.Public().(type) {
	case *ecdsa.PublicKey:
		require.True(t, ecdsa.VerifyASN1(pub, digest[:], signature))
	case *rsa.PublicKey:
		require.NoError(t, rsa.VerifyPKCS1v15(pub, crypto.SHA256, digest[:], signature))
	}
}

func TestSP2KeyFiles(t *testing.T) {
	locked, _ := wrapped(t)
	for name, c := range map[string]struct {
		config     keys.Config
		block      string
		protection keys.Protection
	}{
		"plain":     {keys.Config{}, "PRIVATE KEY", keys.PlainFile},
		"encrypted": {locked, "ENCRYPTED PRIVATE KEY", keys.EncryptedFile},
	} {
		for _, kind := range []string{"p256", "p384", "rsa3072"} {
			t.Run(name+" "+kind, func(t *testing.T) {
				file := filepath.Join(t.TempDir(), "device.key")
				made := generate(t, keys.Spec(file), kind, c.config)
				opened, err := keys.Open(keys.Spec(file), c.config)
				require.NoError(t, err)
				require.True(t, keys.SamePublic(made.Public(), opened.Public()))
				signs(t, opened)
				require.Equal(t, keys.Description{Where: file, Kind: kind, Protection: c.protection, Exportable: true},
					opened.Describe())
				require.Equal(t, c.protection == keys.EncryptedFile, opened.Describe().Protection.Hidden())
				raw, err := os.ReadFile(file)
				require.NoError(t, err)
				block, rest := pem.Decode(raw)
				require.Equal(t, c.block, block.Type)
				require.Empty(t, rest)
				info, err := os.Stat(file)
				require.NoError(t, err)
				require.Equal(t, os.FileMode(0o600), info.Mode())
			})
		}
	}
}

func TestSP2OpensslReadsWhatWeEncrypt(t *testing.T) {
	c, wrap := wrapped(t)
	file := filepath.Join(t.TempDir(), "device.key")
	key := generate(t, keys.Spec(file), "", c)
	out, err := exec.Command("openssl", "pkey", "-in", file, "-passin", "file:"+wrap, "-pubout",
		"-outform", "DER").Output()
	require.NoError(t, err)
	want, err := x509.MarshalPKIXPublicKey(key.Public())
	require.NoError(t, err)
	require.Equal(t, want, out)
}

func TestSP2WeReadWhatOpensslEncrypts(t *testing.T) {
	c, wrap := wrapped(t)
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain.key")
	made := generate(t, keys.Spec(plain), "", keys.Config{})
	convert := func(out string, options ...string) keys.Spec {
		args := append([]string{"pkcs8", "-topk8", "-in", plain, "-passout", "file:" + wrap, "-out", out}, options...)
		require.NoError(t, exec.Command("openssl", args...).Run())
		return keys.Spec(out)
	}
	good := convert(filepath.Join(dir, "good.key"), "-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA256", "-iter", "20000")
	key, err := keys.Open(good, c)
	require.NoError(t, err)
	require.True(t, keys.SamePublic(made.Public(), key.Public()))
	for name, options := range map[string][]string{
		"SHA-1":   {"-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA1"},
		"AES-128": {"-v2", "aes-128-cbc"},
		"scrypt":  {"-scrypt"},
		"3DES":    {"-v2", "des3"},
	} {
		_, err := keys.Open(convert(filepath.Join(dir, name), options...), c)
		require.ErrorContains(t, err, "converts it", name)
	}
}

func TestG2GenerateNeverOverwrites(t *testing.T) {
	file := filepath.Join(t.TempDir(), "device.key")
	generate(t, keys.Spec(file), "", keys.Config{})
	before, err := os.ReadFile(file)
	require.NoError(t, err)
	_, err = keys.Generate(keys.Spec(file), "", keys.Config{})
	require.ErrorIs(t, err, keys.ErrExists)
	require.ErrorIs(t, err, os.ErrExist)
	after, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, before, after)
}

func TestSP2KeyFileRefusals(t *testing.T) {
	locked, wrap := wrapped(t)
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		file := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		require.NoError(t, os.Chmod(file, mode))
		return file
	}
	copyOf := func(name, from string) string {
		raw, err := os.ReadFile(from)
		require.NoError(t, err)
		return write(name, string(raw), 0o600)
	}
	plain, encrypted := filepath.Join(dir, "plain.key"), filepath.Join(dir, "encrypted.key")
	generate(t, keys.Spec(plain), "", keys.Config{})
	generate(t, keys.Spec(encrypted), "", locked)
	elsewhere := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.Rename(copyOf("moved", plain), elsewhere))
	require.NoError(t, os.Symlink(elsewhere, filepath.Join(dir, "link.key")))
	twice, err := os.ReadFile(plain)
	require.NoError(t, err)
	with := func(wrapping string) keys.Config { return keys.Config{WrappingKey: wrapping} }

	for name, c := range map[string]struct {
		spec   string
		config keys.Config
		says   string
	}{
		"none named":             {"", keys.Config{}, "none is named"},
		"plain where encrypted":  {plain, locked, "not encrypted, though wrapping_key is set"},
		"encrypted, no wrapping": {encrypted, keys.Config{}, "wrapping_key must name"},
		"other wrapping":         {encrypted, with(write("other", strings.Repeat("x", 40), 0o600)), "does not open it"},
		"short wrapping":         {encrypted, with(write("short", secret[:31], 0o600)), "shorter than 32 octets"},
		"binary wrapping":        {encrypted, with(write("binary", secret+"\x00", 0o600)), "printable ASCII"},
		"wrapping of two lines":  {encrypted, with(write("lines", secret+"\n"+secret, 0o600)), "printable ASCII"},
		"wrapping of the group":  {encrypted, with(write("group", secret, 0o640)), "chmod 600"},
		"wrapping of the world":  {encrypted, with(write("world", secret, 0o604)), "chmod 600"},
		"no wrapping there":      {encrypted, with(wrap + ".none"), "no such file"},
		"no credential":          {encrypted, with("credential:tlagate-wrap"), "LoadCredentialEncrypted=tlagate-wrap"},
		"credential elsewhere":   {encrypted, with("credential:../wrap"), "without /"},
		"group reads":            {write("group.key", string(twice), 0o640), keys.Config{}, "chmod 600"},
		"world reads":            {write("world.key", string(twice), 0o604), keys.Config{}, "chmod 600"},
		"group writes":           {write("writes.key", string(twice), 0o620), keys.Config{}, "chmod 600"},
		"link to elsewhere":      {filepath.Join(dir, "link.key"), keys.Config{}, "leads out of its directory"},
		"a directory":            {dir, keys.Config{}, "no regular file"},
		"two keys": {write("two.key", string(twice)+string(twice), 0o600), keys.Config{},
			"more than one PEM block"},
		"traditional": {write("ec.key",
			"-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n", 0o600), keys.Config{},
			"openssl pkcs8 -topk8"},
		"not PEM": {write("text.key", "half a fi", 0o600), keys.Config{}, "not a PEM"},
		"too large": {write("large.key", strings.Repeat("x", 70_000), 0o600),
			keys.Config{}, "larger than"},
		"not PKCS#8": {write("not.key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
			0o600), keys.Config{}, "not a PKCS#8 key"},
		"not encrypted PKCS#8": {write("note.key",
			"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n", 0o600), locked,
			"EncryptedPrivateKeyInfo"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := keys.Open(keys.Spec(c.spec), c.config)
			require.ErrorContains(t, err, c.says)
			require.NotContains(t, err.Error(), secret)
			require.NotContains(t, err.Error(), "half a fi")
		})
	}

	require.NoError(t, os.Symlink("plain.key", filepath.Join(dir, "near.key")))
	_, err = keys.Open(keys.Spec(filepath.Join(dir, "near.key")), keys.Config{})
	require.NoError(t, err, "a link within the directory is how a key is swapped")
}

func TestSP2WrappingKeyFromCredential(t *testing.T) {
	dir := t.TempDir()
	// systemd does so with ACLs.
	require.NoError(t, os.WriteFile(filepath.Join(dir, "tlagate-wrap"), []byte(secret), 0o440))
	c := keys.Config{WrappingKey: "credential:tlagate-wrap", Credentials: dir}
	file := keys.Spec(filepath.Join(t.TempDir(), "device.key"))
	generate(t, file, "", c)

	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	key, err := keys.Open(file, keys.Config{WrappingKey: "credential:tlagate-wrap"})
	require.NoError(t, err)
	signs(t, key)

	require.NoError(t, os.Chmod(filepath.Join(dir, "tlagate-wrap"), 0o444))
	_, err = keys.Open(file, c)
	require.ErrorContains(t, err, "chmod 600")
}

func TestG2EraseTakesTheWrappingKeyToo(t *testing.T) {
	var told []keys.Event
	record := func(e keys.Event) { told = append(told, e) }
	actions := func() (list []keys.Action) {
		for _, e := range told {
			list = append(list, e.Action)
		}
		return list
	}

	c, wrap := wrapped(t)
	c.Event = record
	file := filepath.Join(t.TempDir(), "device.key")
	generate(t, keys.Spec(file), "", c)
	require.NoError(t, keys.Erase(keys.Spec(file), c))
	require.Equal(t, []keys.Action{keys.Generated, keys.Erased, keys.WrappingErased}, actions())
	require.NoFileExists(t, file)
	require.NoFileExists(t, wrap)

	told = nil
	require.NoError(t, keys.Erase(keys.Spec(file), c), "what is gone is no error")
	require.Equal(t, []keys.Action{keys.WrappingAbsent}, actions())

	store, loaded := t.TempDir(), t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(store, "tlagate-wrap"), []byte("as systemd-creds wrote it"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(loaded, "tlagate-wrap"), []byte(secret), 0o600))
	c = keys.Config{WrappingKey: "credential:tlagate-wrap", Credentials: loaded, CredentialStores: []string{store}}
	generate(t, keys.Spec(file), "", c)
	require.NoError(t, keys.Erase(keys.Spec(file), c))
	require.NoFileExists(t, filepath.Join(store, "tlagate-wrap"))
}

func TestG2EraseOverwritesTheFile(t *testing.T) {
	dir := t.TempDir()
	file, second := filepath.Join(dir, "device.key"), filepath.Join(dir, "same")
	generate(t, keys.Spec(file), "", keys.Config{})
	require.NoError(t, os.Link(file, second)) // shows what became of the content
	require.NoError(t, keys.Erase(keys.Spec(file), keys.Config{}))
	require.NoFileExists(t, file)
	left, err := os.ReadFile(second)
	require.NoError(t, err)
	require.NotEmpty(t, left)
	require.Empty(t, bytes.Trim(left, "\x00"))
}

func TestG2InspectTellsWithoutOpening(t *testing.T) {
	c, wrap := wrapped(t)
	file := filepath.Join(t.TempDir(), "device.key")
	generate(t, keys.Spec(file), "", c)
	require.NoError(t, os.Remove(wrap))
	about, err := keys.Inspect(keys.Spec(file), c)
	require.NoError(t, err)
	require.Equal(t, keys.Description{Where: file, Protection: keys.EncryptedFile, Exportable: true}, about)
	_, err = keys.Inspect(keys.Spec(file+".none"), c)
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestSpecIn(t *testing.T) {
	for spec, want := range map[keys.Spec]keys.Spec{
		"":                             "",
		"a.key":                        "/etc/x/a.key",
		"/b/a.key":                     "/b/a.key",
		"tpm:a.tpm":                    "tpm:/etc/x/a.tpm",
		"tpm:/b/a.tpm":                 "tpm:/b/a.tpm",
		"pkcs11:token=":                "pkcs11:token=",
		"tpm:a.tpm?device=unix:/run/s": "tpm:/etc/x/a.tpm?device=unix:/run/s",
	} {
		require.Equal(t, want, spec.In("/etc/x"))
	}
}
