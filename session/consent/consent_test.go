package consent

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	now  = time.Date(2026, 11, 24, 20, 0, 0, 0, time.UTC)
	said = Statement{TLA: "urn:tlagate:cab:tla:t1", PdT: "urn:tlagate:cab:pdt:p1", Session: strings.Repeat("ab", 16),
		Nonce: strings.Repeat("N", 43), Act: ActCommand, By: "uid 1000", At: now}
	want = Want{TLA: said.TLA, PdT: said.PdT, Session: said.Session, Nonce: said.Nonce, Now: now}
)

func newKey(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	require.NoError(t, err)
	return key
}

func TestC4ConsentIsVerified(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	for name, key := range map[string]crypto.Signer{"P-256": newKey(t, elliptic.P256()),
		"P-384": newKey(t, elliptic.P384()), "RSA": rsaKey} {
		text, err := Sign(said, key)
		require.NoError(t, err, name)
		got, err := Verify(text, key.Public(), want)
		require.NoError(t, err, name)
		expected := said
		expected.Version = 1
		require.Equal(t, expected, got, name)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	_, err = Sign(said, ed)
	require.ErrorContains(t, err, "ed25519")
	_, err = Sign(said, newKey(t, elliptic.P224()))
	require.Error(t, err)
}

func TestC4AnythingElseIsRefused(t *testing.T) {
	key := newKey(t, elliptic.P256())
	text, err := Sign(said, key)
	require.NoError(t, err)
	_, err = Verify(text, newKey(t, elliptic.P256()).Public(), want)
	require.ErrorIs(t, err, errSignature, "another device's key")

	for name, spoil := range map[string]func(*Want){
		"TLA": func(w *Want) { w.TLA += "x" }, "PdT": func(w *Want) { w.PdT += "x" },
		"session": func(w *Want) { w.Session = "" }, "nonce": func(w *Want) { w.Nonce = "" },
	} {
		other := want
		spoil(&other)
		_, err := Verify(text, key.Public(), other)
		require.ErrorIs(t, err, errMismatch, name)
	}
	for _, off := range []time.Duration{-Skew - time.Second, Skew + time.Second} {
		other := want
		other.Now = now.Add(off)
		_, err := Verify(text, key.Public(), other)
		require.ErrorIs(t, err, ErrClock)
		require.ErrorContains(t, err, "the terminal's clock says 2026-11-24 20:00:00 UTC")
		other.Now = now.Add(off / 2)
		_, err = Verify(text, key.Public(), other)
		require.NoError(t, err)
	}
	for i := range text { // each character
		altered := text[:i] + string(text[i]^1) + text[i+1:]
		_, err := Verify(altered, key.Public(), want)
		require.Error(t, err, "character %d", i)
		_, err = Verify(text[:i], key.Public(), want)
		require.Error(t, err, "cut at %d", i)
	}
}

// TestC4OnlyOneWayToWriteAStatement: a signed statement that is not written as Sign does is refused.
func TestC4OnlyOneWayToWriteAStatement(t *testing.T) {
	key := newKey(t, elliptic.P256())
	text, err := Sign(said, key)
	require.NoError(t, err)
	raw, err := base64.RawURLEncoding.DecodeString(text[:strings.IndexByte(text, '.')])
	require.NoError(t, err)
	payload := string(raw)
	resign := func(payload string) string {
		signature, err := key.Sign(rand.Reader, digestBare(form.Preamble+payload), crypto.SHA256)
		require.NoError(t, err)
		return base64.RawURLEncoding.EncodeToString([]byte(payload)) + "." +
			base64.RawURLEncoding.EncodeToString(signature)
	}
	_, err = Verify(resign(payload), key.Public(), want)
	require.NoError(t, err)
	for name, other := range map[string]string{
		"a space":          strings.Replace(payload, ":1,", ": 1,", 1),
		"an unknown word":  strings.Replace(payload, "{", `{"x":1,`, 1),
		"a doubled word":   strings.Replace(payload, "{", `{"version":1,`, 1),
		"more after it":    payload + "{}",
		"another version":  strings.Replace(payload, `"version":1`, `"version":2`, 1),
		"another act":      strings.Replace(payload, `"command"`, `"network"`, 1),
		"control octets":   strings.Replace(payload, `uid 1000`, `uid\u00001000`, 1),
		"a long name":      strings.Replace(payload, `uid 1000`, strings.Repeat("u", 129), 1),
		"a zone of time":   strings.Replace(payload, `20:00:00Z`, `21:00:00+01:00`, 1),
		"no statement":     "null",
		"nothing":          "",
		"capitals in keys": strings.Replace(payload, `"tla"`, `"TLA"`, 1),
	} {
		require.NotEqual(t, payload, other, name)
		_, err := Verify(resign(other), key.Public(), want)
		require.Error(t, err, name)
	}
	bare, err := key.Sign(rand.Reader, digestBare(payload), crypto.SHA256)
	require.NoError(t, err)
	_, err = Verify(text[:strings.IndexByte(text, '.')+1]+base64.RawURLEncoding.EncodeToString(bare), key.Public(),
		want)
	require.ErrorIs(t, err, errSignature, "a signature over the same octets made for something else")
}

func digestBare(payload string) []byte {
	h := crypto.SHA256.New()
	h.Write([]byte(payload))
	return h.Sum(nil)
}

func FuzzVerify(f *testing.F) {
	key := newKey(f, elliptic.P256())
	text, err := Sign(said, key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add("e30.AA")
	f.Add(".")
	f.Fuzz(func(t *testing.T, altered string) {
		s, err := Verify(altered, key.Public(), want)
		if err == nil && altered != text && !strings.HasPrefix(altered, text[:strings.IndexByte(text, '.')]) {
			t.Fatalf("believed: %+v", s)
		}
		_, _ = decode([]byte(altered))
	})
}
