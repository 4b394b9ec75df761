package proof

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"math/big"
	"os"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	theGateway  = "urn:tlagate:op:gateway:gw1"
	theTLA      = "urn:tlagate:cab1:tla:t1"
	thePdT      = "urn:tlagate:cab1:pdt:p1"
	theSession  = "00112233445566778899aabbccddeeff"
	theNonce    = "bm9uY2Vub25jZW5vbmNlbm9uY2Vub25jZW5vbmNlbm8"
	theConsent  = "consent.signature"
	theExporter = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
)

func statement(at time.Time) Statement {
	return Statement{Means: MeansCPS, Gateway: theGateway, PdT: thePdT, TLA: theTLA, Session: theSession,
		Nonce: theNonce, Exporter: theExporter, Consent: HashOf(theConsent), At: at}
}

func wanted(now time.Time) Want {
	return Want{Gateway: theGateway, PdT: thePdT, TLA: theTLA, Session: theSession, Nonce: theNonce,
		Consent: theConsent, Exporter: theExporter, Now: now}
}

// certificate returns a certificate (DER) of key.
func certificate(t testing.TB, key crypto.Signer) []byte {
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "SPECIMEN"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	return der
}

// signers has a key and options for each way in which a card may sign, and for some in which it may not.
func signers(t testing.TB) map[string]func(digest [32]byte) ([]byte, crypto.Signer) {
	list := map[string]func([32]byte) ([]byte, crypto.Signer){}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	for name, opts := range map[string]crypto.SignerOpts{
		"PKCS#1 v1.5":         crypto.SHA256,
		"PSS":                 &rsa.PSSOptions{SaltLength: 32, Hash: crypto.SHA256},
		"no: PSS, short salt": &rsa.PSSOptions{SaltLength: 20, Hash: crypto.SHA256},
	} {
		list[name] = func(digest [32]byte) ([]byte, crypto.Signer) {
			s, err := rsaKey.Sign(rand.Reader, digest[:], opts)
			require.NoError(t, err)
			return s, rsaKey
		}
	}
	list["no: a long RSA"] = longRSA
	for name, curve := range map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(),
		"no: P-521": elliptic.P521()} {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		require.NoError(t, err)
		list[name] = func(digest [32]byte) ([]byte, crypto.Signer) {
			s, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
			require.NoError(t, err)
			return s, key
		}
	}
	return list
}

// longRSA signs by PKCS#1 v1.5 with a key of 4484 bits, whose primes are Mersenne's.
func longRSA(digest [32]byte) ([]byte, crypto.Signer) {
	one := big.NewInt(1)
	p := new(big.Int).Sub(new(big.Int).Lsh(one, 2203), one)
	q := new(big.Int).Sub(new(big.Int).Lsh(one, 2281), one)
	key := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: 65537}}
	phi := new(big.Int).Mul(p.Sub(p, one), q.Sub(q, one))
	key.D = new(big.Int).ModInverse(big.NewInt(65537), phi)
	info := append(sha256Info, digest[:]...)
	padded := append([]byte{0, 1}, bytes.Repeat([]byte{0xFF}, key.Size()-len(info)-3)...)
	padded = append(append(padded, 0), info...)
	return new(big.Int).Exp(new(big.Int).SetBytes(padded), key.D, key.N).FillBytes(make([]byte, key.Size())), key
}

var sha256Info = []byte{0x30, 0x31, 0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05,
	0x00, 0x04, 0x20}

// made returns a proof by a P-256 key.
func made(t testing.TB, s Statement) string {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	text, err := Make(s, certificate(t, key), func(digest [32]byte) ([]byte, error) {
		return key.Sign(rand.Reader, digest[:], crypto.SHA256)
	})
	require.NoError(t, err)
	return text
}

// TestC2ProofByEachKindOfKey: cards sign in the ways of the algorithm table, and in no other.
func TestC2ProofByEachKindOfKey(t *testing.T) {
	now := time.Now()
	for name, sign := range signers(t) {
		_, key := sign([32]byte{})
		text, err := Make(statement(now), certificate(t, key), func(digest [32]byte) ([]byte, error) {
			s, _ := sign(digest)
			return s, nil
		})
		require.NoError(t, err, name)
		p, err := Parse(text)
		require.NoError(t, err, name)
		if strings.HasPrefix(name, "no: ") {
			require.ErrorIs(t, p.Verify(wanted(now)), ErrSignature, name)
			continue
		}
		require.NoError(t, p.Verify(wanted(now)), name)
	}
}

// TestC2ProofIsForOneThing: a proof for anything else than what the verifier knows is refused.
func TestC2ProofIsForOneThing(t *testing.T) {
	now := time.Now()
	p, err := Parse(made(t, statement(now)))
	require.NoError(t, err)
	for name, change := range map[string]func(*Want){
		"gateway":  func(w *Want) { w.Gateway += "x" },
		"PdT":      func(w *Want) { w.PdT += "x" },
		"TLA":      func(w *Want) { w.TLA += "x" },
		"session":  func(w *Want) { w.Session += "x" },
		"nonce":    func(w *Want) { w.Nonce += "x" },
		"consent":  func(w *Want) { w.Consent += "x" },
		"exporter": func(w *Want) { w.Exporter = strings.Repeat("0", 64) },
	} {
		w := wanted(now)
		change(&w)
		require.ErrorIs(t, p.Verify(w), ErrMismatch, name)
	}
	early, late := wanted(now.Add(-Skew-time.Second)), wanted(now.Add(Skew+time.Second))
	require.ErrorIs(t, p.Verify(early), ErrClock)
	require.ErrorIs(t, p.Verify(late), ErrClock)
	pdt := wanted(now)
	pdt.Exporter = "" // which it cannot know
	require.NoError(t, p.Verify(pdt))
}

// TestC2ProofAltered: no octet of the statement or the signature may be another, and nothing may be missing.
func TestC2ProofAltered(t *testing.T) {
	now := time.Now()
	text := made(t, statement(now))
	fields := strings.Split(text, ".")
	for i := range text {
		_, err := Parse(text[:i])
		require.Error(t, err, "cut at %d", i)
	}
	for n, field := range fields[:2] {
		raw, err := base64.RawURLEncoding.DecodeString(field)
		require.NoError(t, err)
		for i := range raw {
			raw[i] ^= 1
			changed := append([]string{}, fields...)
			changed[n] = base64.RawURLEncoding.EncodeToString(raw)
			raw[i] ^= 1
			p, err := Parse(strings.Join(changed, "."))
			if err == nil {
				err = p.Verify(wanted(now))
			}
			require.Error(t, err, "field %d, octet %d", n, i)
		}
	}
}

// TestC2ProofTooLong: a card's certificate that does not fit is refused where it is read.
func TestC2ProofTooLong(t *testing.T) {
	_, err := Make(statement(time.Now()), make([]byte, 5000), func([32]byte) ([]byte, error) { return []byte{1}, nil })
	require.ErrorContains(t, err, "certificate is too long")
}

// vectors reads testdata/proofs.txt.
func vectors(t testing.TB) (list []vector) {
	text, err := os.ReadFile("testdata/proofs.txt")
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); fields[0] != "#" {
			list = append(list, vector{fields[0], fields[1], fields[2]})
		}
	}
	return list
}

type vector struct{ name, outcome, text string }

// vectorTime is by whose clock the vectors are verified.
var vectorTime = time.Date(2026, 12, 1, 8, 0, 0, 0, time.UTC)

// TestC2ProofVectors: other implementations have the same proofs, and the same ones that are refused.
func TestC2ProofVectors(t *testing.T) {
	outcomes := map[string]error{"good": nil, "unreadable": ErrUnreadable, "signature": ErrSignature,
		"mismatch": ErrMismatch, "clock": ErrClock}
	seen := map[string]int{}
	for _, v := range vectors(t) {
		want, known := outcomes[v.outcome]
		require.True(t, known, v.name)
		seen[v.outcome]++
		p, err := Parse(v.text)
		if err == nil {
			err = p.Verify(wanted(vectorTime))
		}
		require.ErrorIs(t, err, want, v.name)
	}
	require.Len(t, seen, len(outcomes))
}

func FuzzParse(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(v.text)
	}
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Parse(text)
		if err != nil {
			return
		}
		require.NotNil(t, p.Certificate)
		again := strings.Join([]string{encode(p.payload), encode(p.signature), encode(p.Certificate.Raw)}, ".")
		require.Equal(t, text, again)
		_ = p.Verify(wanted(time.Now()))
	})
}

// TestC2WhetherAProofIsTooLongIsKnownBefore: what passes can be sent, and what is hardly longer cannot.
func TestC2WhetherAProofIsTooLongIsKnownBefore(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	const most = 3 // octets by which a signature of an elliptic curve is often shorter than the longest
	for name, key := range map[string]crypto.Signer{"RSA": rsaKey, "P-256": p256, "P-384": p384} {
		t.Run(name, func(t *testing.T) {
			fits := func(filler int) (*x509.Certificate, bool) {
				cert := filled(t, key, filler)
				err := CheckLength(statement(time.Now()), cert)
				if err != nil {
					require.ErrorIs(t, err, ErrTooLong)
				}
				return cert, err == nil
			}
			make := func(cert *x509.Certificate) error {
				_, err := Make(statement(time.Unix(1, 123e6)), cert.Raw, func(digest [32]byte) ([]byte, error) {
					return key.Sign(rand.Reader, digest[:], crypto.SHA256)
				})
				return err
			}
			first := sort.Search(MaxText, func(filler int) bool { _, ok := fits(filler); return !ok })
			last, ok := fits(first - 2*most) // the certificate's own signature has another length each time
			require.True(t, ok)
			require.NoError(t, make(last))
			require.Greater(t, len(last.Raw), 3500)
			require.ErrorIs(t, make(filled(t, key, first+3*most)), ErrTooLong)
		})
	}
}

// filled returns a certificate of key with so many octets that mean nothing.
func filled(t *testing.T, key crypto.Signer, octets int) *x509.Certificate {
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 32473, 9},
			Value: make([]byte, octets)}}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return cert
}
