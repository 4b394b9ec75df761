package cardsim

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"math/big"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	selectPIV  = "00A4040009A0000003080000100000"
	probe      = "00200080"
	rightPIN   = "0020008008" + "31323334FFFFFFFF"
	wrongPIN   = "0020008008" + "39393939FFFFFFFF"
	getPrinted = "00CB3FFF055C035FC109"
)

func newCPS(t testing.TB) *CPS {
	t.Helper()
	c, err := NewCPS(CPSConfig{})
	require.NoError(t, err)
	return c
}

// exchange sends data (chained if long) and collects the whole answer.
func exchange(t *testing.T, c *CPS, ins, p1, p2 byte, data []byte, withLe bool) ([]byte, uint16) {
	t.Helper()
	for len(data) > 255 {
		part := append([]byte{chaining, ins, p1, p2, 255}, data[:255]...)
		require.Equal(t, status(swOK), c.Process(part))
		data = data[255:]
	}
	cmd := append([]byte{0, ins, p1, p2, byte(len(data))}, data...)
	if withLe {
		cmd = append(cmd, 0)
	}
	resp := c.Process(cmd)
	var got []byte
	for {
		n := len(resp) - 2
		got = append(got, resp[:n]...)
		if resp[n] != 0x61 {
			return got, uint16(resp[n])<<8 | uint16(resp[n+1])
		}
		resp = c.Process([]byte{0, insGetResponse, 0, 0, resp[n+1]})
	}
}

func TestCPSATRIsWellFormed(t *testing.T) {
	atr := newCPS(t).ATR()
	require.Len(t, atr, 17)
	var check byte
	for _, b := range atr[1:] {
		check ^= b
	}
	require.Zero(t, check, "TCK")
}

func TestCPSCommands(t *testing.T) {
	c := newCPS(t)
	for name, s := range map[string]struct {
		commands []string
		want     string
	}{
		"select": {[]string{selectPIV},
			fmt.Sprintf("%X9000", applicationTemplate(unhex(AIDPIV)))},
		"select, short AID, no Le":   {[]string{"00A4040009A00000030800001000"}, "6124"},
		"select another application": {[]string{"00A4040005A000000001"}, "6A82"},
		"select by FID":              {[]string{"00A40000023F00"}, "6A82"},
		"nothing but select before":  {[]string{probe}, "6D00"},
		"discovery": {[]string{selectPIV, "00CB3FFF035C017E00"},
			"7E124F0BA0000003080000100001005F2F0240009000"},
		"discovery, T=0":                 {[]string{selectPIV, "00CB3FFF035C017E"}, "6114"},
		"absent object":                  {[]string{selectPIV, "00CB3FFF055C035FC10C"}, "6A82"},
		"broken tag list":                {[]string{selectPIV, "00CB3FFF055C055FC10C"}, "6A80"},
		"get data elsewhere":             {[]string{selectPIV, "00CB0000055C035FC10C"}, "6A86"},
		"printed information":            {[]string{selectPIV, getPrinted}, "6982"},
		"printed information, after PIN": {[]string{selectPIV, rightPIN, getPrinted}, "6121"},
		"probe":                          {[]string{selectPIV, probe}, "63C3"},
		"probe, P3=00":                   {[]string{selectPIV, probe + "00"}, "63C3"},
		"wrong PIN":                      {[]string{selectPIV, wrongPIN}, "63C2"},
		"probe after a wrong PIN":        {[]string{selectPIV, wrongPIN, probe}, "63C2"},
		"right PIN":                      {[]string{selectPIV, rightPIN}, "9000"},
		"probe after the right PIN":      {[]string{selectPIV, wrongPIN, rightPIN, probe}, "9000"},
		"log-out":                        {[]string{selectPIV, rightPIN, "0020FF80", probe}, "63C3"},
		"wrong PIN takes the right away": {[]string{selectPIV, rightPIN, wrongPIN, getPrinted}, "6982"},
		"PIN of four bytes":              {[]string{selectPIV, "002000800431323334", probe}, "63C3"},
		"PIN of another reference":       {[]string{selectPIV, "0020000008" + "31323334FFFFFFFF"}, "6A88"},
		"blocked at the third":           {[]string{selectPIV, wrongPIN, wrongPIN, wrongPIN}, "6983"},
		"blocked for the right one":      {[]string{selectPIV, wrongPIN, wrongPIN, wrongPIN, rightPIN}, "6983"},
		"blocked, probe":                 {[]string{selectPIV, wrongPIN, wrongPIN, wrongPIN, probe}, "6983"},
		"unblocked": {[]string{selectPIV, wrongPIN, wrongPIN, wrongPIN,
			"002C008010" + "3132333435363738" + "31323334FFFFFFFF", rightPIN}, "9000"},
		"unblock with a wrong PUK": {[]string{selectPIV, "002C008010" + "3132333435363739" + "31323334FFFFFFFF"},
			"63C2"},
		"changed": {[]string{selectPIV, "0024008010" + "31323334FFFFFFFF" + "39393939FFFFFFFF",
			wrongPIN}, "9000"},
		"change with a wrong PIN": {[]string{selectPIV, "0024008010" + "39393939FFFFFFFF" + "31323334FFFFFFFF"},
			"63C2"},
		"9A before PIN":                   {[]string{selectPIV, "0087079A047C028200"}, "6982"},
		"9E with the wrong algorithm":     {[]string{selectPIV, "0087079E047C028200"}, "6A86"},
		"9E with no challenge":            {[]string{selectPIV, "0087119E047C028200"}, "6A80"},
		"unknown key":                     {[]string{selectPIV, "00871181047C028200"}, "6A88"},
		"9C right after PIN":              {[]string{selectPIV, rightPIN, "0087119C047C028200"}, "6A80"},
		"9C later":                        {[]string{selectPIV, rightPIN, probe, "0087119C047C028200"}, "6982"},
		"chain broken by another command": {[]string{selectPIV, "1087079A04" + "7C820106", probe}, "6883"},
		"chain forgotten after that":      {[]string{selectPIV, "1087079A04" + "7C820106", probe, probe}, "63C3"},
		"logical channel":                 {[]string{"01A4040009A00000030800001000"}, "6E00"},
		"unknown instruction":             {[]string{selectPIV, "00B0000010"}, "6D00"},
		"get response of nothing":         {[]string{selectPIV, "00C00000FF", "00C00000FF"}, "6985"},
		"too short":                       {[]string{"00"}, "6700"},
	} {
		t.Run(name, func(t *testing.T) {
			c.PowerOn()
			c.pin, c.puk = newSecret(defaultPIN), newSecret(defaultPUK)
			require.Equal(t, s.want, say(t, c, s.commands...))
		})
	}
}

func TestCPSChainIsBounded(t *testing.T) {
	c := newCPS(t)
	say(t, c, selectPIV)
	part := append([]byte{chaining, insAuthenticate, algRSA2048, KeyAuthentication, 255}, make([]byte, 255)...)
	for range maxChained / 255 {
		require.Equal(t, status(swOK), c.Process(part))
	}
	require.Equal(t, status(swWrongLength), c.Process(part))
	require.Equal(t, "63C3", say(t, c, probe), "the chain is gone")
}

func TestCPSCertificatesAreReadable(t *testing.T) {
	c := newCPS(t)
	say(t, c, selectPIV)
	for ref, object := range map[byte]string{0x9A: "5FC105", 0x9C: "5FC10A", 0x9D: "5FC10B", 0x9E: "5FC101"} {
		for protocol, withLe := range map[string]bool{"T=0": false, "T=1": true} {
			t.Run(fmt.Sprintf("%X %s", ref, protocol), func(t *testing.T) {
				data := append([]byte{0x5C, 3}, unhex(object)...)
				got, sw := exchange(t, c, insGetData, 0x3F, 0xFF, data, withLe)
				require.EqualValues(t, swOK, sw)
				_, body, _, err := cutTLV(got)
				require.NoError(t, err)
				_, der, _, err := cutTLV(body)
				require.NoError(t, err)
				cert, err := x509.ParseCertificate(der)
				require.NoError(t, err)
				require.True(t, cert.Equal(c.Certificate(ref)))
				require.NoError(t, cert.CheckSignatureFrom(c.Issuer()))
			})
		}
	}
	require.Nil(t, c.Certificate(0x81))
}

func TestCPSSigns(t *testing.T) {
	c := newCPS(t)
	digest := sha256.Sum256([]byte("specimen"))
	for protocol, withLe := range map[string]bool{"T=0": false, "T=1": true} {
		t.Run("9A "+protocol, func(t *testing.T) {
			say(t, c, selectPIV, rightPIN)
			pub := c.Certificate(KeyAuthentication).PublicKey.(*rsa.PublicKey)
			padded := pkcs1(digest[:])
			sig := authenticate(t, c, algRSA2048, KeyAuthentication, tlv(0x82), tlv(0x81, padded), withLe)
			require.NoError(t, rsa.VerifyPKCS1v15(pub, 0, digest[:], sig))
		})
		t.Run("9E "+protocol, func(t *testing.T) {
			c.PowerOn()
			say(t, c, selectPIV)
			pub := c.Certificate(KeyCardAuthentication).PublicKey.(*ecdsa.PublicKey)
			sig := authenticate(t, c, algP256, KeyCardAuthentication, tlv(0x82), tlv(0x81, digest[:]), withLe)
			require.True(t, ecdsa.VerifyASN1(pub, digest[:], sig))
		})
	}
	t.Run("9D agrees", func(t *testing.T) {
		say(t, c, selectPIV, rightPIN)
		peer, err := ecdh.P256().GenerateKey(rand.Reader)
		require.NoError(t, err)
		got := authenticate(t, c, algP256, KeyManagement, tlv(0x82), tlv(0x85, peer.PublicKey().Bytes()), true)
		pub, err := c.Certificate(KeyManagement).PublicKey.(*ecdsa.PublicKey).ECDH()
		require.NoError(t, err)
		want, err := peer.ECDH(pub)
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
	t.Run("9A refuses a challenge beyond the modulus", func(t *testing.T) {
		say(t, c, selectPIV, rightPIN)
		n := c.Certificate(KeyAuthentication).PublicKey.(*rsa.PublicKey).N
		challenge := tlv(0x7C, tlv(0x82), tlv(0x81, new(big.Int).Set(n).Bytes()))
		_, sw := exchange(t, c, insAuthenticate, algRSA2048, KeyAuthentication, challenge, true)
		require.EqualValues(t, swBadData, sw)
	})
}

// pkcs1 is the padding that PIV leaves to the host, here without DigestInfo.
func pkcs1(digest []byte) []byte {
	padded := []byte{0, 1}
	for len(padded) < 256-1-len(digest) {
		padded = append(padded, 0xFF)
	}
	return append(append(padded, 0), digest...)
}

func authenticate(t *testing.T, c *CPS, algorithm, ref byte, parts ...any) []byte {
	t.Helper()
	withLe := parts[2].(bool)
	data := tlv(0x7C, parts[0].([]byte), parts[1].([]byte))
	got, sw := exchange(t, c, insAuthenticate, algorithm, ref, data, withLe)
	require.EqualValues(t, swOK, sw)
	_, body, _, err := cutTLV(got)
	require.NoError(t, err)
	tag, result, _, err := cutTLV(body)
	require.NoError(t, err)
	require.EqualValues(t, 0x82, tag)
	return result
}

func TestCPSForgetsOnReset(t *testing.T) {
	for name, power := range map[string]func(Card){"cold": Card.PowerOn, "warm": Card.Reset, "off": Card.PowerOff} {
		t.Run(name, func(t *testing.T) {
			c := newCPS(t)
			require.Equal(t, "9000", say(t, c, selectPIV, wrongPIN, rightPIN, probe))
			say(t, c, wrongPIN)
			power(c)
			require.Equal(t, "6D00", say(t, c, probe), "no application is selected")
			require.Equal(t, "63C2", say(t, c, selectPIV, probe), "not verified; the tries stay counted")
		})
	}
}

func TestCPSCardsDiffer(t *testing.T) {
	one := newCPS(t)
	two, err := NewCPS(CPSConfig{Serial: "0000000002", PIN: "987654"})
	require.NoError(t, err)
	const getCHUID = "00CB3FFF055C035FC10200"
	require.NotEqual(t, say(t, one, selectPIV, getCHUID), say(t, two, selectPIV, getCHUID))
	require.Contains(t, two.Certificate(KeyAuthentication).Subject.CommonName, "0000000002")
	require.Equal(t, "9000", say(t, two, "0020008008"+hex.EncodeToString([]byte("987654"))+"FFFF"))
}

var fuzzCPS = sync.OnceValues(func() (*CPS, error) { return NewCPS(CPSConfig{}) })

func FuzzCPSProcess(f *testing.F) {
	f.Add(sequence(selectPIV, probe, rightPIN, getPrinted, "00C0000000"))
	f.Add(sequence(selectPIV, wrongPIN, wrongPIN, wrongPIN, probe, "002C008010"+"3132333435363738"+"31323334FFFFFFFF"))
	f.Add(sequence(selectPIV, "00CB3FFF055C035FC105", "00C0000000", "00CB3FFF055C035FC10108", "00C0000000"))
	f.Add(sequence(selectPIV, "1087119E02"+"7C06", "0087119E06"+"820081020102"))
	f.Add(sequence(selectPIV, rightPIN, "0087119D0A"+"7C08820085040400FFFF"))
	f.Fuzz(func(t *testing.T, input []byte) {
		card, err := fuzzCPS()
		require.NoError(t, err)
		card.PowerOn()
		card.pin, card.puk = newSecret(defaultPIN), newSecret(defaultPUK)
		runSequence(t, card, input)
	})
}
