package ca_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/ca"
	"tlagate/ca/store"
	"tlagate/keys"
	"tlagate/keys/keystest"
	_ "tlagate/keys/pkcs11"
	"tlagate/pki"
)

// asked counts how often the PIN is asked for.
func asked(count *int) keys.Config {
	return keys.Config{PIN: func(string) ([]byte, error) { *count++; return []byte(keystest.PIN), nil }}
}

func issue(t *testing.T, c *ca.CA, name string) *ca.Issued {
	t.Helper()
	key, err := ca.GenerateKey(ca.P256)
	require.NoError(t, err)
	csr, err := ca.NewCSR(key)
	require.NoError(t, err)
	id, err := pki.ParseIdentity("urn:tlagate:cab1:tla:" + name)
	require.NoError(t, err)
	issued, err := c.Certificates.Issue(ca.Request{Profile: "tla", Identity: id, CSR: csr})
	require.NoError(t, err)
	return issued
}

// TestSP3CAKeysInAToken: a CA's life with both keys in a token, behind its PIN.
func TestSP3CAKeysInAToken(t *testing.T) {
	token, dir := keystest.NewToken(t), filepath.Join(t.TempDir(), "ca")
	pins := 0
	require.NoError(t, ca.Init(dir, ca.InitConfig{
		Settings: ca.Settings{RootKey: keys.Spec(token.Asked("root")), IssuingKey: keys.Spec(token.Asked("issuing"))},
		Keys:     asked(&pins),
	}))

	require.Equal(t, 2, pins, "once a key")

	pins = 0
	c, err := ca.Open(dir, ca.Options{Keys: asked(&pins)})
	require.NoError(t, err)
	require.Zero(t, pins, "no key is opened before one is needed")
	issued := issue(t, c, "t1")
	require.NoError(t, issued.Certificate.CheckSignatureFrom(c.Issuing))
	_, err = c.Revocations.Revoke(ca.Selection{Serial: issued.Serial}, store.KeyCompromise)
	require.NoError(t, err)
	list, err := c.Lists.PublishCRL()
	require.NoError(t, err)
	require.Equal(t, 1, list.Entries)
	issue(t, c, "t2")
	require.Equal(t, 1, pins, "the PIN is asked for once")
	_, err = c.Lists.PublishARL()
	require.NoError(t, err)
	require.Equal(t, 2, pins, "and once for the root")
	for i, use := range []string{"root CA", "issuing CA"} {
		info := c.Keys()[i]
		require.NoError(t, info.Err)
		require.Equal(t, use, info.Use)
		require.Equal(t, keys.PKCS11, info.Key.Protection)
	}
	require.NoError(t, c.Close())
	noKeyIn(t, dir)
}

// noKeyIn checks that no file of the CA is a key, and that none holds the PIN.
func noKeyIn(t *testing.T, dir string) {
	require.NoError(t, filepath.WalkDir(dir, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		raw, err := os.ReadFile(file)
		require.False(t, bytes.Contains(raw, []byte("PRIVATE KEY")) || bytes.Contains(raw, []byte(keystest.PIN)), file)
		require.False(t, strings.HasSuffix(file, ".key"), file)
		return err
	}))
}

func TestSP3WithoutThePINTheCADoesNothing(t *testing.T) {
	token, dir := keystest.NewToken(t), filepath.Join(t.TempDir(), "ca")
	pins := 0
	require.NoError(t, ca.Init(dir, ca.InitConfig{Settings: ca.Settings{IssuingKey: keys.Spec(token.Asked("issuing"))},
		Keys: asked(&pins)}))
	for _, refuse := range []keys.Config{
		{},
		{PIN: func(string) ([]byte, error) { return []byte("0000-wrong"), nil }},
		{PIN: func(string) ([]byte, error) { return nil, errors.New("cannot find a terminal") }},
	} {
		c, err := ca.Open(dir, ca.Options{Keys: refuse})
		require.NoError(t, err)
		_, err = c.Lists.PublishCRL()
		require.ErrorContains(t, err, "cannot use the key issuing in token")
		records, err := c.List()
		require.NoError(t, err)
		require.Len(t, records, 1, "nothing was recorded")
		require.NoError(t, c.Close())
	}
}

// TestG2AnInitThatFailsLeavesNoKeyInTheToken: the next try finds its names free.
func TestG2AnInitThatFailsLeavesNoKeyInTheToken(t *testing.T) {
	token, dir := keystest.NewToken(t), t.TempDir()
	taken, err := keys.Generate(keys.Spec(token.URI("taken")), "", keys.Config{})
	require.NoError(t, err)
	defer taken.Close()
	settings := ca.Settings{RootKey: keys.Spec(token.URI("root")), IssuingKey: keys.Spec(token.URI("taken"))}
	require.ErrorIs(t, ca.Init(filepath.Join(dir, "ca"), ca.InitConfig{Settings: settings}), keys.ErrExists)
	_, err = keys.Open(settings.RootKey, keys.Config{})
	require.ErrorContains(t, err, "no such key pair")
	still, err := keys.Open(settings.IssuingKey, keys.Config{})
	require.NoError(t, err, "what was there before stays")
	require.NoError(t, still.Close())
}

func TestSP2CAKeysEncrypted(t *testing.T) {
	dir, wrap := filepath.Join(t.TempDir(), "ca"), filepath.Join(t.TempDir(), "wrap")
	require.NoError(t, os.WriteFile(wrap, []byte(strings.Repeat("w", 40)), 0o600))
	require.NoError(t, ca.Init(dir, ca.InitConfig{Settings: ca.Settings{WrappingKey: wrap}}))
	raw, err := os.ReadFile(filepath.Join(dir, "issuing", "issuing.key"))
	require.NoError(t, err)
	require.Contains(t, string(raw), "BEGIN ENCRYPTED PRIVATE KEY")
	c, err := ca.Open(dir, ca.Options{})
	require.NoError(t, err)
	defer c.Close()
	issue(t, c, "t1")
	require.NoError(t, os.Remove(wrap))
	_, err = c.Lists.PublishCRL()
	require.ErrorContains(t, err, "cannot read the wrapping key")
}

// TestSP3ASuccessorInAToken: the next issuing CA's key is made in a token, too, and never leaves it.
func TestSP3ASuccessorInAToken(t *testing.T) {
	token, dir := keystest.NewToken(t), t.TempDir()
	pins := 0
	opts := ca.Options{Keys: asked(&pins)}
	first, next := filepath.Join(dir, "ca"), filepath.Join(dir, "next")
	require.NoError(t, ca.Init(first, ca.InitConfig{Settings: ca.Settings{RootKey: keys.Spec(token.Asked("root")),
		IssuingKey: keys.Spec(token.Asked("issuing"))}, Keys: opts.Keys}))
	c, err := ca.Open(first, opts)
	require.NoError(t, err)
	defer c.Close()
	wish := ca.Successor{Name: "TEST next", URL: "http://next.example.invalid", Where: keys.Spec(token.Asked("next"))}

	wish.IssuingKey = "p999"
	require.Error(t, c.Succeed(next, wish))
	wish.IssuingKey = ca.P384
	taken := wish
	taken.Where = keys.Spec(token.Asked("issuing"))
	require.ErrorIs(t, c.Succeed(next, taken), keys.ErrExists)
	issue(t, c, "t1") // the key of before is still there
	require.NoError(t, c.Succeed(next, wish))
	noKeyIn(t, next)

	n, err := ca.Open(next, opts)
	require.NoError(t, err)
	defer n.Close()
	require.Equal(t, keys.PKCS11, n.Keys()[1].Key.Protection)
	require.Contains(t, n.Keys()[1].Key.Where, "next in token")
	statement, err := c.ApproveSuccessor(n.Issuing, "urn:tlagate:op:admin:a", "urn:tlagate:op:admin:b")
	require.NoError(t, err)
	require.NoError(t, n.Begin(statement))
	require.NoError(t, issue(t, n, "t2").Certificate.CheckSignatureFrom(n.Issuing))
	_, err = n.Lists.PublishCRL()
	require.NoError(t, err)
	_, err = n.Lists.PublishARL()
	require.NoError(t, err)
	noKeyIn(t, next)
}
