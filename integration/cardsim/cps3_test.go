package cardsim

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	selectCPS  = "00A4040C0D" + AIDCPS
	verifyCPS  = "0020000108" + "31323334FFFFFFFF"
	forLogin   = "002241A406800102840182"
	forSigning = "002241B606800142840181"
	forHash    = "002241AA03800140"
	wrongCPS   = "0020000108" + "39393939FFFFFFFF"
	digestInfo = "3031300D060960864801650304020105000420"
)

func newCPS3(t testing.TB) *CPS3 {
	t.Helper()
	c, err := NewCPS3(CPSConfig{})
	require.NoError(t, err)
	return c
}

// authenticates is the command that signs a SHA-256 of zeros.
var authenticates = "0088000033" + digestInfo + fmt.Sprintf("%064X", 0)

func TestCPS3Commands(t *testing.T) {
	c := newCPS3(t)
	for name, s := range map[string]struct {
		commands []string
		want     string
	}{
		"select by name":                {[]string{selectCPS}, "9000"},
		"select by name, with FCP":      {[]string{"00A404040D" + AIDCPS}, "6126"},
		"select the root by name":       {[]string{"00A4040008" + AIDCPSRoot}, "9000"},
		"select another application":    {[]string{"00A4040C05A000000001"}, "6A82"},
		"select by path from the root":  {[]string{"00A4090C063F0000015031"}, "9000"},
		"and a path from there":         {[]string{"00A4090C043F000001", "00A4020C025031"}, "9000"},
		"a file of another DF":          {[]string{"00A4020C025031"}, "6A82"},
		"half a path":                   {[]string{"00A4090C033F0000"}, "6700"},
		"EF.ATR":                        {[]string{"00A4090C022F01", "00B0000003"}, "8043019000"},
		"its length, wrong":             {[]string{"00A4090C022F01", "00B0000000"}, "6C39"},
		"read by short identifier":      {[]string{"00B09C000C"}, "5A0A802500000100000000019000"},
		"read without a file":           {[]string{"00B0000001"}, "6986"},
		"tries left":                    {[]string{"00200001"}, "63C3"},
		"a wrong PIN":                   {[]string{wrongCPS}, "63C2"},
		"three wrong PINs":              {[]string{wrongCPS, wrongCPS, wrongCPS}, "6983"},
		"the right one then":            {[]string{wrongCPS, wrongCPS, wrongCPS, verifyCPS}, "6983"},
		"the right one":                 {[]string{wrongCPS, verifyCPS, "00200001"}, "9000"},
		"a PIN of another length":       {[]string{"002000010431323334"}, "6A80"},
		"another PIN":                   {[]string{"00200002"}, "6A88"},
		"a key outside the application": {[]string{forLogin}, "6A88"},
		"an unknown key":                {[]string{selectCPS, "002241A406800102840183"}, "6A88"},
		"the other key's use":           {[]string{selectCPS, "002241A406800102840181"}, "6985"},
		"another algorithm":             {[]string{selectCPS, "002241A406800142840182"}, "6A80"},
		"a key twice":                   {[]string{selectCPS, "002241A409800102840182840182"}, "6A80"},
		"sign without an environment":   {[]string{selectCPS, verifyCPS, authenticates}, "6985"},
		"sign without the PIN":          {[]string{selectCPS, forLogin, authenticates}, "6982"},
		"sign after a wrong PIN":        {[]string{selectCPS, verifyCPS, wrongCPS, forLogin, authenticates}, "6982"},
		"sign":                          {[]string{selectCPS, verifyCPS, forLogin, authenticates}, "6100"},
		"the PIN before the key":        {[]string{verifyCPS, selectCPS, forLogin, authenticates}, "6100"},
		"the environment goes with its DF": {
			[]string{selectCPS, verifyCPS, forLogin, "00A4000C023F00", authenticates}, "6985"},
		"sign too much": {
			[]string{selectCPS, verifyCPS, forLogin, "0088000067" + fmt.Sprintf("%0206X", 0)}, "6A80"},
		"the signing key":        {[]string{selectCPS, verifyCPS, forSigning, authenticates}, "6985"},
		"compute without a hash": {[]string{selectCPS, verifyCPS, forSigning, "002A9E9A00"}, "6985"},
		"hash without an environment": {
			[]string{selectCPS, "002A90A0059000800161"}, "6985"},
		"compute without the PIN": {
			[]string{selectCPS, forSigning, forHash, "002A90A0059000800161", "002A9E9A00"}, "6982"},
		"data object of the PIN":   {[]string{"00CB3FFF0A4D087006BF810102A080"}, "6118"},
		"what nobody may read":     {[]string{"00CB3FFF0B4D097007BF8101037F4180"}, "6A80"},
		"no such data object":      {[]string{"00CB3FFF0A4D087006BF900202A080"}, "6A88"},
		"it is in the application": {[]string{selectCPS, "00CB3FFF0A4D087006BF900202A080"}, "6117"},
		"logical channel":          {[]string{"01A4040C0D" + AIDCPS}, "6E00"},
		"unknown instruction":      {[]string{"00870000"}, "6D00"},
	} {
		t.Run(name, func(t *testing.T) {
			c.PowerOn()
			c.pin = newSecret(defaultPIN)
			require.Equal(t, s.want, say(t, c, s.commands...))
		})
	}
}

func TestCPS3Authenticates(t *testing.T) {
	c := newCPS3(t)
	digest := sha256.Sum256([]byte("specimen"))
	say(t, c, selectCPS, verifyCPS, forLogin)
	cmd := append(unhex("0088000033"+digestInfo), digest[:]...)
	require.Equal(t, unhex("6100"), c.Process(cmd))
	answer := c.Process(unhex("00C0000000"))
	require.Len(t, answer, 258)
	key := c.Certificate(KeyCPSAuthentication).PublicKey.(*rsa.PublicKey)
	require.NoError(t, rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], answer[:256]))
}

// TestCPS3Signs: the host hashes all but the last block, the card the rest.
func TestCPS3Signs(t *testing.T) {
	c := newCPS3(t)
	text := []byte(fmt.Sprintf("%0150d", 7))
	h := sha256.New()
	h.Write(text[:128])
	state, err := h.(encoding.BinaryMarshaler).MarshalBinary()
	require.NoError(t, err)
	counted := append(state[4:4+sha256.Size:4+sha256.Size], 0, 0, 0, 0, 0, 0, 128*8/256, 0)
	data := append(tlv(0x90, counted), tlv(0x80, text[128:])...)
	say(t, c, selectCPS, verifyCPS, forHash, forSigning)
	require.Equal(t, unhex("9000"), c.Process(append([]byte{0, insPSO, 0x90, 0xA0, byte(len(data))}, data...)))
	answer := c.Process(unhex("002A9E9A00"))
	require.Len(t, answer, 258)
	digest := sha256.Sum256(text)
	key := c.Certificate(KeyCPSSignature).PublicKey.(*rsa.PublicKey)
	require.NoError(t, rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], answer[:256]))
	require.Equal(t, "6985", say(t, c, "002A9E9A00"), "one signature for one hash")
}

func TestCPS3ForgetsOnReset(t *testing.T) {
	for name, power := range map[string]func(Card){"cold": Card.PowerOn, "warm": Card.Reset, "off": Card.PowerOff} {
		t.Run(name, func(t *testing.T) {
			c := newCPS3(t)
			require.Equal(t, "6100", say(t, c, selectCPS, verifyCPS, forLogin, authenticates))
			power(c)
			require.Equal(t, "63C3", say(t, c, "00200001"))
			require.Equal(t, "6A88", say(t, c, forLogin), "back at the master file")
		})
	}
}

func FuzzCPS3Process(f *testing.F) {
	f.Add(sequence(selectCPS, verifyCPS, forLogin, authenticates, "00C0000000"))
	f.Add(sequence(selectCPS, forHash, "002A90A0059000800161", verifyCPS, forSigning, "002A9E9A00"))
	f.Add(sequence("00CB3FFF0A4D087006BF810102A080", "00A4090C063F0000015031", "00B0000010", "0084000008"))
	f.Add(sequence("00CB3FFF034D087006"))
	c, err := NewCPS3(CPSConfig{})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, input []byte) {
		c.PowerOn()
		c.pin = newSecret(defaultPIN)
		runSequence(t, c, input)
	})
}
