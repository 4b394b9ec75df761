package trust_test

import (
	"context"
	"crypto/fips140"
	"crypto/tls"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/internal/again"
	"tlagate/pki"
	"tlagate/pki/pkitest/bed"
	"tlagate/pki/trust"
)

// strict is a judge with crypto: rgs.
func strict(t *testing.T) (*bed.World, *trust.Party) {
	w := bed.New(t)
	w.Config.Crypto = pki.CryptoRGS
	return w, w.Party(w.Open(), bed.PdT1, bed.AsServer)
}

var (
	letter = []tls.CurveID{tls.SecP256r1MLKEM768, tls.SecP384r1MLKEM1024, tls.CurveP256, tls.CurveP384}
	beyond = []tls.CurveID{tls.X25519MLKEM768, tls.X25519}
)

// TestG5RGSTakesTheLetterAlone: each group of the letter of RGS B1 is taken, X25519 in no form, as server and as
// client.
func TestG5RGSTakesTheLetterAlone(t *testing.T) {
	w, judge := strict(t)
	require.ElementsMatch(t, letter, trust.PartyConfig(judge).CurvePreferences)
	require.ElementsMatch(t, []tls.CurveID{tls.CurveP256, tls.CurveP384}, pki.CryptoRGS.Groups(false))
	for _, g := range slices.Concat(letter, beyond) {
		t.Run(g.String(), func(t *testing.T) {
			conf := bed.Stranger(w.Issue(bed.TLA1, bed.AsClient))
			conf.CurvePreferences = []tls.CurveID{g}
			got, told := bed.Serve(t, judge, trust.Want{Usage: bed.AsClient}, conf)
			if slices.Contains(letter, g) {
				require.NoError(t, got.Err)
				require.Equal(t, g.String(), got.Peer.TLS.Group)
				return
			}
			require.Equal(t, pki.NotRGS, pki.ReasonOf(got.Err), "%v", got.Err)
			require.Error(t, told)
		})
		t.Run("a server with "+g.String(), func(t *testing.T) {
			conf := bed.Stranger(w.Issue(bed.TLA1, bed.AsServer))
			conf.CurvePreferences = []tls.CurveID{g}
			got, _ := bed.Dial(t, judge, trust.Want{Usage: bed.AsServer}, conf)
			require.Equal(t, slices.Contains(letter, g), got.Err == nil, "%v", got.Err)
		})
	}
}

// TestG5RGSTellsWhoKeepsToIt: by the hello of a client.
func TestG5RGSTellsWhoKeepsToIt(t *testing.T) {
	w, judge := strict(t)
	conf := bed.Stranger(w.Issue(bed.TLA1, bed.AsClient))
	got, _ := bed.Serve(t, judge, trust.Want{Usage: bed.AsClient}, conf)
	require.NoError(t, got.Err)
	require.False(t, got.Peer.KeepsRGS, "it offers X25519")
	conf.CurvePreferences = letter
	got, _ = bed.Serve(t, judge, trust.Want{Usage: bed.AsClient}, conf)
	require.NoError(t, got.Err)
	require.Equal(t, fips140.Enabled(), got.Peer.KeepsRGS, "it offers ChaCha20, unless Go keeps to FIPS 140")
}

// TestG5RGSShortHelloKeepsItsWord: a client whose hello keeps to the letter offers nothing else in any other, though it
// has no crypto: rgs and Go's FIPS 140 mode alone has taken X25519 from its hello without hybrids.
func TestG5RGSShortHelloKeepsItsWord(t *testing.T) {
	if !again.Run(t, again.FIPS, t.Name()) {
		return
	}
	w := bed.New(t)
	party := w.Party(w.Open(), bed.TLA1, bed.AsClient)
	require.Subset(t, letter, trust.PartyConfig(party).CurvePreferences)
	require.Subset(t, letter, pki.CryptoDefault.Groups(true))
	require.Contains(t, pki.CryptoDefault.Groups(true), tls.SecP256r1MLKEM768)
}

// TestG5RGSUnknownIsRefused: no trust store takes a word that it does not know for the default.
func TestG5RGSUnknownIsRefused(t *testing.T) {
	w := bed.New(t)
	w.Config.Crypto = "strict"
	_, err := trust.Open(w.Config)
	require.ErrorContains(t, err, `cannot use crypto: "strict" is neither rgs nor default`)
}

// TestG5RGSWithoutCertificates: the handshake that proves nothing keeps to the letter, too.
func TestG5RGSWithoutCertificates(t *testing.T) {
	w := bed.New(t)
	for g, good := range map[tls.CurveID]bool{tls.CurveP384: true, tls.X25519: false} {
		near, far := bed.Pipe(t)
		conf := bed.Stranger(w.Issue(bed.PdT1, bed.AsServer))
		conf.ClientAuth, conf.CurvePreferences = tls.NoClientCert, []tls.CurveID{g}
		go func() { _ = tls.Server(far, conf).Handshake() }()
		_, err := (&trust.Party{Crypto: pki.CryptoRGS}).Unproven(context.Background(), near, trust.ALPNCard,
			trust.Want{})
		require.Equal(t, good, err == nil, "%v: %v", g, err)
	}
}

// TestG5RGSRefusesChaCha20: a client without AES instructions prefers ChaCha20. Go's own FIPS 140 mode does not take
// it; without that mode, what was agreed upon is refused.
func TestG5RGSRefusesChaCha20(t *testing.T) {
	if !again.Run(t, "cpu.aes=off,fips140=off", t.Name()) {
		again.Run(t, "cpu.aes=off,"+again.FIPS, t.Name())
		return
	}
	w, judge := strict(t)
	got, _ := bed.Serve(t, judge, trust.Want{Usage: bed.AsClient}, bed.Stranger(w.Issue(bed.TLA1, bed.AsClient)))
	if fips140.Enabled() {
		require.NoError(t, got.Err)
		require.Contains(t, got.Peer.TLS.Suite, "AES")
		return
	}
	require.Equal(t, pki.NotRGS, pki.ReasonOf(got.Err), "%v", got.Err)
	require.ErrorContains(t, got.Err, "TLS_CHACHA20_POLY1305_SHA256 was negotiated, and crypto: rgs does not take it")
}

// TestG5UnderFIPS140: the rest of a trust store's work goes on as it does by default.
func TestG5UnderFIPS140(t *testing.T) {
	again.Run(t, again.FIPS, "TestC2BothSidesAreProven|TestC2MustStaple|"+
		"TestG5RSA2048EndsIn2031|TestG5RGSTells.*|TestG5RGSHello.*|TestG5HelloWithoutHybridsElsewhere")
}

// TestG5RGSHelloWithoutHybrids: where only a short hello is answered, it offers P-256 and P-384.
func TestG5RGSHelloWithoutHybrids(t *testing.T) {
	b := newBox(t, 1200)
	b.Config.Crypto = pki.CryptoRGS
	known := b.client.Hybrids
	known.Without = nil
	b.client = b.Party(b.Open(), bed.TLA1, bed.AsClient)
	b.client.Hybrids = known
	for range 2 {
		_, err := b.dial(atGateway)
		require.Error(t, err)
	}
	_, err := b.dial(atGateway)
	require.NoError(t, err)
	require.Greater(t, b.sizes[0], 1280)
	require.ElementsMatch(t, []tls.CurveID{tls.CurveP256, tls.CurveP384}, b.groups[0])
}
