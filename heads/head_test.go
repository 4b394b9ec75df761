package heads

import (
	"crypto"
	"crypto/x509"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/internal/signed"
	"tlagate/pki/pkitest"
)

const gateway = "urn:tlagate:op:gateway:g1"

var said = Statement{Version: 1, Gateway: gateway, Number: 4711, Hash: strings.Repeat("0f", 32),
	At: time.Date(2026, 11, 29, 15, 42, 5, 120e6, time.UTC)}

func TestSA2HeadIsVerified(t *testing.T) {
	ca := pkitest.New(t)
	cert := ca.Issue(gateway, x509.ExtKeyUsageClientAuth)
	text, err := Sign(said, cert.PrivateKey.(crypto.Signer))
	require.NoError(t, err)
	got, err := Open(text, cert.Leaf)
	require.NoError(t, err)
	require.Equal(t, said, got)

	other := ca.Issue("urn:tlagate:op:gateway:g2", x509.ExtKeyUsageClientAuth)
	_, err = Open(text, other.Leaf)
	require.ErrorIs(t, err, errSignature)
	text, err = Sign(said, other.PrivateKey.(crypto.Signer)) // g2 about g1
	require.NoError(t, err)
	_, err = Open(text, other.Leaf)
	require.ErrorIs(t, err, errIdentity)
}

// TestSA2AlteredHeadIsRefused changes each octet, and cuts the text after each.
func TestSA2AlteredHeadIsRefused(t *testing.T) {
	cert := pkitest.New(t).Issue(gateway, x509.ExtKeyUsageClientAuth)
	text, err := Sign(said, cert.PrivateKey.(crypto.Signer))
	require.NoError(t, err)
	for i := range text {
		_, err := Open(text[:i], cert.Leaf)
		require.Error(t, err, "cut at %d", i)
		other := "A"
		if text[i] == 'A' {
			other = "B"
		}
		_, err = Open(text[:i]+other+text[i+1:], cert.Leaf)
		require.Error(t, err, "octet %d", i)
	}
}

// TestSA2OnlyOneFormOfAHeadIsTaken: what is signed well, but is no head, is refused.
func TestSA2OnlyOneFormOfAHeadIsTaken(t *testing.T) {
	cert := pkitest.New(t).Issue(gateway, x509.ExtKeyUsageClientAuth)
	good, err := json.Marshal(said)
	require.NoError(t, err)
	refused := func(form signed.Form, payload string) {
		t.Helper()
		text, err := form.Sign(json.RawMessage(payload), cert.PrivateKey.(crypto.Signer))
		require.NoError(t, err)
		_, err = Open(text, cert.Leaf)
		require.Error(t, err, payload)
	}
	ticket := form
	ticket.Preamble = "tlagate ticket 1\n"
	refused(ticket, string(good))
	for old, now := range map[string]string{
		`"version":1`: `"version":2`, `"number":4711`: `"number":0`, `:4711`: `:-1`,
		`4711`: `9223372036854775807`, `"0f0f`: `"0F0f`, `0f0f"`: `0f"`, `.12Z`: `.1234567Z`, `12Z"`: `12+00:00"`,
		`}`: `,"more":1}`,
	} {
		require.Contains(t, string(good), old)
		refused(form, strings.Replace(string(good), old, now, 1))
	}
	for _, bad := range []Statement{{}, {Number: 1, Hash: "ab"}, {Hash: said.Hash}} {
		_, err := Sign(bad, cert.PrivateKey.(crypto.Signer))
		require.Error(t, err)
	}
	long := said
	long.Gateway = strings.Repeat("x", MaxText)
	_, err = Sign(long, cert.PrivateKey.(crypto.Signer))
	require.ErrorContains(t, err, "more than 1024")
}

func FuzzHead(f *testing.F) {
	ca := pkitest.New(f)
	cert := ca.Issue(gateway, x509.ExtKeyUsageClientAuth)
	text, err := Sign(said, cert.PrivateKey.(crypto.Signer))
	require.NoError(f, err)
	f.Add(text)
	f.Add("a.b")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		if got, err := Open(text, cert.Leaf); err == nil {
			require.Equal(t, said, got, "a text that was never signed")
		}
		if payload, _, ok := strings.Cut(text, "."); ok {
			if raw, err := signed.Field(payload); err == nil {
				_, _ = decode(raw)
			}
		}
		_, _ = decode([]byte(text))
	})
}

func FuzzKept(f *testing.F) {
	cert := pkitest.New(f).Issue(gateway, x509.ExtKeyUsageClientAuth)
	f.Add(line(f, cert, 7, said.Hash))
	f.Add("{}\n{}")
	f.Add(`{"gateway":"urn:tlagate:op:gateway:g1","number":1,"certificate":"AAAA"}`)
	f.Fuzz(func(t *testing.T, text string) {
		known, err := Read(strings.NewReader(text), nil)
		if err == nil && known.Len() > 0 {
			require.Equal(t, gateway, known.Gateway, "it was never signed")
		}
	})
}
