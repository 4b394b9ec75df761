//go:build cgo

package pkcs11_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/keys"
	"tlagate/keys/keystest"
	_ "tlagate/keys/pkcs11"
)

func signs(t *testing.T, key keys.Key) {
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

func TestSP2TokenKey(t *testing.T) {
	token := keystest.NewToken(t)
	for _, kind := range []string{"p256", "p384", "rsa3072"} {
		spec := keys.Spec(token.URI(kind))
		made, err := keys.Generate(spec, kind, keys.Config{})
		require.NoError(t, err)
		signs(t, made)
		require.Equal(t, keys.Description{Where: kind + " in token lab token", Kind: kind, Protection: keys.PKCS11},
			made.Describe())

		_, err = keys.Generate(spec, kind, keys.Config{})
		require.ErrorIs(t, err, keys.ErrExists)
		again, err := keys.Open(spec, keys.Config{})
		require.NoError(t, err)
		require.True(t, keys.SamePublic(made.Public(), again.Public()))
		require.NoError(t, made.Close())
		signs(t, again) // closing one connection leaves the other open
		require.NoError(t, again.Close())
		requireNowhere(t, token.Dir, made)
	}
}

// requireNowhere requires that no file has a private key in a readable form.
func requireNowhere(t *testing.T, dir string, _ keys.Key) {
	require.NoError(t, filepath.WalkDir(dir, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		raw, err := os.ReadFile(file)
		require.False(t, bytes.Contains(raw, []byte("PRIVATE KEY")))
		return err
	}))
}

func TestG2EraseTokenKey(t *testing.T) {
	token := keystest.NewToken(t)
	spec := keys.Spec(token.URI("device"))
	key, err := keys.Generate(spec, "", keys.Config{})
	require.NoError(t, err)
	defer key.Close()
	var told []keys.Event
	require.NoError(t, keys.Erase(spec, keys.Config{Event: func(e keys.Event) { told = append(told, e) }}))
	require.Len(t, told, 1)
	require.Equal(t, keys.Erased, told[0].Action)
	_, err = keys.Open(spec, keys.Config{})
	require.ErrorContains(t, err, "no such key pair")
	digest := sha256.Sum256(nil)
	_, err = key.Sign(rand.Reader, digest[:], crypto.SHA256)
	require.Error(t, err, "an open connection has it no more")
}

func TestSP3PIN(t *testing.T) {
	token := keystest.NewToken(t)
	key, err := keys.Generate(keys.Spec(token.URI("ca")), "", keys.Config{})
	require.NoError(t, err)
	require.NoError(t, key.Close())
	asked := keys.Spec(token.Asked("ca"))

	_, err = keys.Open(asked, keys.Config{})
	require.ErrorContains(t, err, "nobody is there to ask")

	var given []byte
	ask := func(answer string, fails error) keys.Config {
		return keys.Config{PIN: func(name string) ([]byte, error) {
			require.Equal(t, "lab token", name)
			given = []byte(answer)
			return given, fails
		}}
	}
	key, err = keys.Open(asked, ask(keystest.PIN, nil))
	require.NoError(t, err)
	signs(t, key)
	require.NoError(t, key.Close())
	require.Equal(t, make([]byte, len(keystest.PIN)), given, "the PIN is wiped")

	_, err = keys.Open(asked, ask("9999-wrong", nil))
	require.ErrorContains(t, err, "CKR_PIN_INCORRECT")
	require.NotContains(t, err.Error(), "9999")
	_, err = keys.Open(asked, ask("", nil))
	require.ErrorContains(t, err, "empty")
	_, err = keys.Open(asked, ask(strings.Repeat("9", 300), nil))
	require.ErrorContains(t, err, "longer than")
	_, err = keys.Open(asked, ask("", errors.New("cannot find a terminal")))
	require.ErrorContains(t, err, "cannot find a terminal")

	require.NoError(t, os.Chmod(token.PIN, 0o644))
	_, err = keys.Open(keys.Spec(token.URI("ca")), keys.Config{})
	require.ErrorContains(t, err, "chmod 600")

	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "token-pin"), []byte(keystest.PIN), 0o400))
	key, err = keys.Open(asked+"&pin-source=credential:token-pin", keys.Config{Credentials: dir})
	require.NoError(t, err)
	require.NoError(t, key.Close())
}

func TestTokenRefusals(t *testing.T) {
	token := keystest.NewToken(t)
	for spec, says := range map[string]string{
		token.URI("none"): "no such key pair",
		strings.Replace(token.URI("none"), "lab%20token", "other", 1):          "could not find PKCS#11 token",
		strings.Replace(token.URI("none"), token.Module, "/nowhere/m.so", 1):   "module cannot be loaded",
		strings.Replace(token.URI("none"), token.Module, "/etc/os-release", 1): "failed to open module",
	} {
		_, err := keys.Open(keys.Spec(spec), keys.Config{})
		require.ErrorContains(t, err, says, spec)
	}
	_, err := keys.Generate(keys.Spec(token.URI("x")), "ed25519", keys.Config{})
	require.ErrorContains(t, err, "want p256")
}
