package der

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/cryptobyte"
	tag "golang.org/x/crypto/cryptobyte/asn1"
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

func TestSequence(t *testing.T) {
	content, ok := Sequence(unhex("30 03 02 01 05"))
	require.True(t, ok)
	require.Equal(t, unhex("02 01 05"), []byte(content))
	for _, wrong := range []string{"", "30", "31 00", "30 01", "30 00 00", "30 81 00"} {
		_, ok := Sequence(unhex(wrong))
		require.False(t, ok, wrong)
	}
}

func TestOID(t *testing.T) {
	require.Equal(t, unhex("06 03 55 1d 15"), OID(CRLReason))
}

func TestExtension(t *testing.T) {
	var b cryptobyte.Builder
	AddExtension(&b, CRLReason, func(b *cryptobyte.Builder) { b.AddASN1Enum(4) })
	raw := b.BytesOrPanic()
	require.Equal(t, unhex("30 0a 0603551d15 0403 0a0104"), raw)
	in := cryptobyte.String(append(raw, unhex("30 0d 0603551d15 0101ff 0403 0a0104")...))
	for _, critical := range []bool{false, true} {
		e, ok := ReadExtension(&in)
		require.True(t, ok)
		require.Equal(t, critical, e.Critical)
		require.Equal(t, OID(CRLReason), []byte(e.ID))
		require.Equal(t, unhex("0a0104"), []byte(e.Value))
		id, ok := e.ObjectIdentifier()
		require.True(t, ok)
		require.Equal(t, CRLReason, id)
	}
	require.True(t, in.Empty())
}

func TestExtensionIsStrict(t *testing.T) {
	for name, wrong := range map[string]string{
		"nothing":       "",
		"no sequence":   "31 09 0603551d15 0402 0500",
		"no identifier": "30 04 0402 0500",
		"no value":      "30 05 0603551d15",
		"a tail":        "30 0b 0603551d15 0402 0500 0500",
		"a flag of 1":   "30 0c 0603551d15 010101 0402 0500",
		"a long length": "30 81 09 0603551d15 0402 0500",
		"a late flag":   "30 0c 0603551d15 0402 0500 0101ff",
	} {
		in := cryptobyte.String(unhex(wrong))
		_, ok := ReadExtension(&in)
		require.False(t, ok, name)
	}
	in := cryptobyte.String(unhex("30 08 06 02 2a 80 0402 0500")) // its last arc has no end
	e, ok := ReadExtension(&in)
	require.True(t, ok)
	_, ok = e.ObjectIdentifier()
	require.False(t, ok)
}

func TestAttribute(t *testing.T) {
	var b cryptobyte.Builder
	AddAttribute(&b, Data, func(b *cryptobyte.Builder) { b.AddASN1NULL() })
	in := cryptobyte.String(b.BytesOrPanic())
	whole := bytes.Clone(in)
	kind, values, ok := ReadAttribute(&in)
	require.True(t, ok)
	require.True(t, in.Empty())
	require.Equal(t, Data, kind)
	require.Equal(t, unhex("0500"), []byte(values))
	whole[1] += 2
	in = append(whole, 5, 0)
	_, _, ok = ReadAttribute(&in)
	require.False(t, ok, "a tail")
}

func TestSignedData(t *testing.T) {
	var b cryptobyte.Builder
	AddSignedData(&b, func(b *cryptobyte.Builder) { b.AddASN1Int64(1) })
	message := b.BytesOrPanic()
	require.Equal(t, unhex("3012 06092a864886f70d010702 a005 3003 020101"), message)
	signed, ok := ReadSignedData(message)
	require.True(t, ok)
	require.Equal(t, unhex("020101"), []byte(signed))
	for _, wrong := range []string{
		"3012 06092a864886f70d010701 a005 3003 020101",
		"3012 06092a864886f70d010702 a005 3003 020101 00",
		"3014 06092a864886f70d010702 a005 3003 020101 0500",
		"3014 06092a864886f70d010702 a007 3003 020101 0500",
		"3012 06092a864886f70d010702 a105 3003 020101",
	} {
		_, ok := ReadSignedData(unhex(wrong))
		require.False(t, ok, wrong)
	}
}

func TestCertID(t *testing.T) {
	good := unhex("3014 3009 06052b0e03021a 0500 0401 aa 0401 bb 0201 05")
	in := cryptobyte.String(good)
	id, ok := ReadCertID(&in)
	require.True(t, ok)
	require.True(t, in.Empty())
	require.Equal(t, good, []byte(id.Raw))
	require.Equal(t, OID(HashOID(crypto.SHA1)), []byte(id.Hash))
	require.Equal(t, unhex("0500"), []byte(id.Parameters))
	require.Equal(t, "\xaa\xbb\x05", string(id.Name)+string(id.Key)+string(id.Serial))
	for _, wrong := range []string{
		"3016 3009 06052b0e03021a 0500 0401 aa 0401 bb 0201 05 0500",
		"3011 3009 06052b0e03021a 0500 0401 aa 0401 bb",
		"300d 3002 0500 0401 aa 0401 bb 0201 05",
	} {
		in := cryptobyte.String(unhex(wrong))
		_, ok := ReadCertID(&in)
		require.False(t, ok, wrong)
	}
}

func TestHashes(t *testing.T) {
	for _, h := range Hashes {
		require.Equal(t, h, HashOf(HashOID(h)))
	}
	require.Zero(t, HashOf(Data))
}

// TestSignatureFor compares SignatureFor with what crypto/x509 writes.
func TestSignatureFor(t *testing.T) {
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	rsa2048, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	for want, key := range map[crypto.Hash][]crypto.Signer{crypto.SHA256: {p256, rsa2048}, crypto.SHA384: {p384}} {
		for _, k := range key {
			algorithm, hash, ok := SignatureFor(k.Public())
			require.True(t, ok)
			require.Equal(t, want, hash)
			fields, ok := Sequence(certificate(t, k).Raw)
			var theirs cryptobyte.String
			require.True(t, ok && fields.SkipASN1(tag.SEQUENCE) && fields.ReadASN1Element(&theirs, tag.SEQUENCE))
			require.Equal(t, []byte(theirs), algorithm)
		}
	}
	_, other, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	_, _, ok := SignatureFor(other.Public())
	require.False(t, ok)
}

func TestCertificates(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	c := certificate(t, key)
	bits, err := PublicKeyBits(c)
	require.NoError(t, err)
	point, err := key.PublicKey.Bytes()
	require.NoError(t, err)
	require.Equal(t, point, bits)
	_, err = PublicKeyBits(new(x509.Certificate))
	require.Error(t, err)

	e, has := Find(c, OCSPNoCheck)
	require.True(t, has)
	require.Equal(t, asn1.NullBytes, e.Value)
	_, has = Find(c, SubjectAltName)
	require.False(t, has)
}

func certificate(t *testing.T, key crypto.Signer) *x509.Certificate {
	template := &x509.Certificate{SerialNumber: big.NewInt(1),
		ExtraExtensions: []pkix.Extension{{Id: OCSPNoCheck, Value: asn1.NullBytes}}}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	c, err := x509.ParseCertificate(raw)
	require.NoError(t, err)
	return c
}
