package cardsign_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/tla/cardsign"
	"tlagate/tla/cardsign/signtest"
	"tlagate/tla/policy"
)

// piv and ias are the ways in which the cards of signtest want to be used.
const atr = "3B00"

var (
	piv = policy.Proof{Name: "PIV", AID: "A000000308000010000100", Verb: policy.GeneralAuthenticate, Key: "9A",
		Certificate: policy.ProofCertificate{Object: "5FC105"}, PIN: pinOf("80")}
	ias = policy.Proof{Name: "IAS", AID: "E828BD080F8025000001FF0010", Verb: policy.InternalAuthenticate, Key: "82",
		Algorithm: "02", Certificate: policy.ProofCertificate{Directory: true}, PIN: pinOf("01")}
	pso = policy.Proof{Name: "PSO", AID: "E828BD080F8025000001FF0010", Verb: policy.ComputeSignature, Key: "82",
		Environment: "81B691022CA0", Certificate: policy.ProofCertificate{File: "3F000001A002"}, PIN: pinOf("01")}
)

func pinOf(p2 string) policy.ProofPIN {
	p := policy.ProofPIN{P2: p2}
	p.Min, p.Max, p.Length, p.Pad = 4, 8, 8, 0xFF
	return p
}

// apps compiles applications.
func apps(t testing.TB, list ...policy.Proof) []policy.Application {
	p, err := policy.Compile(policy.Table{Version: 1,
		Profiles: []policy.Profile{{Name: "any", Cards: []string{atr}, Proof: list}}})
	require.NoError(t, err)
	return p.Applications([]byte{0x3B, 0x00})
}

// reader fetches whole answers, as a lease does.
type reader struct{ card *signtest.Card }

func (r reader) Exchange(apdu []byte) ([]byte, error) {
	if len(apdu) > 5 && len(apdu) == 6+int(apdu[4]) { // Le beside data
		apdu = apdu[:len(apdu)-1]
	}
	answer := r.card.Process(apdu)
	for n := len(answer); answer[n-2] == 0x61; n = len(answer) {
		answer = append(answer[:n-2], r.card.Process([]byte{0, 0xC0, 0, 0, answer[n-1]})...)
	}
	return answer, nil
}

func enter(t *testing.T, c *signtest.Card, k *cardsign.Key) {
	header, format := k.PIN()
	data := append([]byte(c.PIN), bytes.Repeat([]byte{format.Pad}, format.Length-len(c.PIN))...)
	require.Equal(t, []byte{0x90, 0x00}, c.Process(append(append(header[:], byte(len(data))), data...)))
}

// TestC2EachVerbSigns: each kind of card signs what the proof's verifiers accept, again and again after one code.
func TestC2EachVerbSigns(t *testing.T) {
	key, p256, p384 := signtest.RSAKey(t), signtest.ECKey(t, elliptic.P256()), signtest.ECKey(t, elliptic.P384())
	at := []byte{0x41, 0xA4, 0x80, 1, 2, 0x84, 1, 0x82}
	dst := []byte{0x81, 0xB6, 0x91, 0x02, 0x2C, 0xA0}
	for name, c := range map[string]struct {
		card *signtest.Card
		how  policy.Proof
		pss  bool
	}{
		"PIV, RSA":               {signtest.PIV(t, key), piv, true},
		"PIV, P-256":             {signtest.PIV(t, p256), piv, false},
		"PIV, P-384":             {signtest.PIV(t, p384), piv, false},
		"IAS-ECC, RSA":           {signtest.IAS(t, key, at), ias, false},
		"PSO, RSA":               {signtest.IAS(t, key, dst), pso, true},
		"PSO, P-256, two number": {signtest.IAS(t, p256, dst), pso, false},
	} {
		t.Run(name, func(t *testing.T) {
			k, err := cardsign.Find(reader{c.card}, apps(t, c.how))
			require.NoError(t, err)
			require.Equal(t, c.card.Certificate.Raw, k.Certificate.Raw)
			require.NoError(t, k.Select())
			digest := sha256.Sum256([]byte("what is signed"))
			_, err = k.Sign(digest)
			require.ErrorContains(t, err, "the card answered 6982", "no code yet")
			enter(t, c.card, k)
			for range 2 {
				signature, err := k.Sign(digest)
				require.NoError(t, err)
				verifies(t, k.Certificate.PublicKey, digest, signature, c.pss)
			}
			require.Equal(t, 2, c.card.Signed)
		})
	}
}

func verifies(t *testing.T, public crypto.PublicKey, digest [32]byte, signature []byte, pss bool) {
	switch p := public.(type) {
	case *rsa.PublicKey:
		if pss {
			require.NoError(t, rsa.VerifyPSS(p, crypto.SHA256, digest[:], signature, &rsa.PSSOptions{SaltLength: 32}))
			return
		}
		require.NoError(t, rsa.VerifyPKCS1v15(p, crypto.SHA256, digest[:], signature))
	case *ecdsa.PublicKey:
		require.True(t, ecdsa.VerifyASN1(p, digest[:], signature))
	}
}

// TestC2TheFirstApplicationThatTheCardHasIsUsed: by the order of the list, and by nothing else.
func TestC2TheFirstApplicationThatTheCardHasIsUsed(t *testing.T) {
	card := signtest.PIV(t, signtest.ECKey(t, elliptic.P256()))
	k, err := cardsign.Find(reader{card}, apps(t, ias, piv, pso))
	require.NoError(t, err)
	require.Equal(t, []byte{0xA4, 0xA4, 0xCB, 0xC0}, card.Log[:4])
	header, _ := k.PIN()
	require.Equal(t, [4]byte{0, 0x20, 0, 0x80}, header)
	_, err = cardsign.Find(reader{card}, apps(t, ias, pso))
	require.ErrorIs(t, err, cardsign.ErrNoApplication)
	_, err = cardsign.Find(reader{card}, nil)
	require.ErrorIs(t, err, cardsign.ErrNoApplication)
}

// TestC2AKeyForSignaturesIsNeverUsed: neither when its certificate says so, nor when the card's directory does.
func TestC2AKeyForSignaturesIsNeverUsed(t *testing.T) {
	key := signtest.ECKey(t, elliptic.P256())
	for name, usage := range map[string]x509.KeyUsage{
		"none":       0,
		"both":       x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment,
		"commitment": x509.KeyUsageContentCommitment,
		"agreement":  x509.KeyUsageKeyAgreement,
	} {
		_, err := cardsign.Find(reader{signtest.PIVFor(t, key, usage)}, apps(t, piv))
		require.ErrorIs(t, err, cardsign.ErrUnfitKey, name)
	}
	signing := asn1.BitString{Bytes: []byte{0x20, 0x40}, BitLength: 10}
	_, err := cardsign.Find(reader{signtest.IASFor(t, key, nil, signing)}, apps(t, ias))
	require.ErrorIs(t, err, cardsign.ErrUnfitKey)
	none := ias
	none.Key = "83"
	_, err = cardsign.Find(reader{signtest.IAS(t, key, nil)}, apps(t, none))
	require.ErrorContains(t, err, "no key 83")
}

// TestC2ACardThatAnswersNonsense: an error, whatever it answers, and not another application.
func TestC2ACardThatAnswersNonsense(t *testing.T) {
	good := signtest.PIV(t, signtest.ECKey(t, elliptic.P256()))
	for name, answer := range map[string][]byte{
		"nothing":           {},
		"one octet":         {0x90},
		"no data":           {0x90, 0x00},
		"lengths":           {0x53, 0x05, 0x70, 0x90, 0x00},
		"no certificate":    {0x53, 0x02, 0x70, 0x00, 0x90, 0x00},
		"compressed":        {0x53, 0x06, 0x70, 0x01, 0x00, 0x71, 0x01, 0x01, 0x90, 0x00},
		"a long tag":        {0x5F, 0x53, 0x00, 0x90, 0x00},
		"no such object":    {0x6A, 0x82},
		"an endless length": {0x53, 0x84, 0xFF, 0xFF, 0xFF, 0xFF, 0x90, 0x00},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := cardsign.Find(answering{reader{good}, 0xCB, answer}, apps(t, piv, ias))
			require.Error(t, err)
			require.NotErrorIs(t, err, cardsign.ErrNoApplication)
		})
	}
}

// TestC2NoErrorNamesTheHolder: what crypto/x509 cannot read of a certificate it quotes, and errors come into the log.
func TestC2NoErrorNamesTheHolder(t *testing.T) {
	good := signtest.PIV(t, signtest.ECKey(t, elliptic.P256()))
	name := append([]byte{0x30, 0x12, 0x86, 0x10}, "http://[SPECIMEN"...)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: name}}}
	key := signtest.ECKey(t, elliptic.P256())
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	_, err = x509.ParseCertificate(der)
	require.ErrorContains(t, err, "SPECIMEN", "the test shows nothing")
	value := append([]byte{0x70, 0x82, byte(len(der) >> 8), byte(len(der))}, der...)
	object := append([]byte{0x53, 0x82, byte(len(value) >> 8), byte(len(value))}, value...)
	_, err = cardsign.Find(answering{reader{good}, 0xCB, append(object, 0x90, 0x00)}, apps(t, piv))
	require.ErrorContains(t, err, "certificate")
	require.NotContains(t, err.Error(), "SPECIMEN")
}

// answering is a card that answers one instruction so.
type answering struct {
	reader
	ins    byte
	answer []byte
}

func (a answering) Exchange(apdu []byte) ([]byte, error) {
	if apdu[1] == a.ins {
		return bytes.Clone(a.answer), nil
	}
	return a.reader.Exchange(apdu)
}

// FuzzDirectory has cards answer whatever they like to READ BINARY.
func FuzzDirectory(f *testing.F) {
	card := signtest.IAS(f, signtest.ECKey(f, elliptic.P256()), nil)
	card.Process(append([]byte{0, 0xA4, 4, 0x0C, 13}, signtest.IASAID...))
	for _, path := range []string{"\x50\x31", "\x3F\x00\x00\x01\x70\x01", "\x3F\x00\x00\x01\x70\x02"} {
		p1 := byte(9)
		if len(path) == 2 {
			p1 = 2
		}
		card.Process(append([]byte{0, 0xA4, p1, 0x0C, byte(len(path))}, path...))
		file := card.Process([]byte{0, 0xB0, 0, 0, 0xE0})
		f.Add(file[:len(file)-2])
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		_, _ = cardsign.Find(answering{reader{card}, 0xB0, append(file, 0x90, 0x00)}, apps(t, ias, pso))
	})
}

// FuzzCertificate has cards answer whatever they like to GET DATA.
func FuzzCertificate(f *testing.F) {
	card := signtest.PIV(f, signtest.ECKey(f, elliptic.P256()))
	card.Process(append([]byte{0, 0xA4, 4, 0, byte(len(signtest.PIVAID))}, signtest.PIVAID...))
	f.Add(card.Process([]byte{0, 0xCB, 0x3F, 0xFF, 5, 0x5C, 3, 0x5F, 0xC1, 0x05}))
	f.Add([]byte{0x53, 0x02, 0x70, 0x00})
	f.Fuzz(func(t *testing.T, object []byte) {
		k, err := cardsign.Find(answering{reader{card}, 0xCB, append(object, 0x90, 0x00)}, apps(t, piv))
		if err == nil && k.Certificate == nil {
			t.Error("no certificate")
		}
	})
}
