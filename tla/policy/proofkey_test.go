package policy

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/session"
)

// signing has the proofs of three kinds of card, and lets programs send everything that signs.
func signing(setting ProofKey) Table {
	pin := ProofPIN{P2: "01"}
	pin.Min, pin.Max, pin.Length, pin.Pad = 4, 8, 8, 0xFF
	file := ProofCertificate{File: "7102"}
	rules := []Rule{
		{Name: "select", CLA: "00", INS: "A4", Action: Allow},
		{Name: "channels", CLA: "00", INS: "70", Action: Allow},
		{Name: "environment", CLA: "00", INS: "22", Chained: true, Action: Allow},
		{Name: "environment, in clear or not", CLA: "00/F3", INS: "22", Secure: true, Action: Allow},
		{Name: "sign", CLA: "00", INS: "2A", Chained: true, Action: Allow},
		{Name: "authenticate", CLA: "00", INS: "88", Chained: true, Extended: true, Action: Allow},
		{Name: "authenticate, odd", CLA: "00", INS: "89", Action: Allow},
		{Name: "PIV", CLA: "00", INS: "87", Chained: true, Action: Allow},
		{Name: "PIV, even", CLA: "00", INS: "86", Action: Allow},
		{Name: "read", CLA: "00", INS: "B0", Action: Allow},
	}
	return Table{Version: 1, Profiles: []Profile{
		{Name: "ias", Cards: []string{"3B01"}, Rules: rules, ProofKey: setting, Proof: []Proof{{Name: "ias", AID: aidB,
			Verb: InternalAuthenticate, Key: "82", Algorithm: "02", Certificate: file, PIN: pin}}},
		{Name: "piv", Cards: []string{"3B02"}, Rules: rules, ProofKey: setting, Proof: []Proof{{Name: "piv", AID: aidB,
			Verb: GeneralAuthenticate, Key: "9A", Certificate: ProofCertificate{Object: "5FC105"}, PIN: pin}}},
		{Name: "other", Cards: []string{"3B03"}, Rules: rules, ProofKey: setting, Proof: []Proof{{Name: "other",
			AID: aidB, Verb: ComputeSignature, Key: "20", Environment: "81B691022CA0", Certificate: file, PIN: pin}}},
	}}
}

const (
	mseProof = "002241A406800102840182"
	mseOther = "002241A406800102840181"
	signOne  = "0088000004AABBCCDD"
	isKept   = "the user proves who they are"
)

// TestC2TheReservedKeyMakesNoSignatureForPrograms: whatever a program sends, in whatever order, the relay sends nothing
// to the card that may sign with the key of the proof.
func TestC2TheReservedKeyMakesNoSignatureForPrograms(t *testing.T) {
	table := signing(Reserved)
	for name, c := range map[string]struct {
		atr    string
		before []string
		sign   string
	}{
		"the key is named":             {"3B01", []string{mseProof}, signOne},
		"no key is named":              {"3B01", nil, signOne},
		"without the bit 80":           {"3B01", []string{"002241A406800102840102"}, signOne},
		"by the tag 83":                {"3B01", []string{"002241A406830182800102"}, signOne},
		"in parameter 2":               {"3B01", []string{mseOther}, "0088008204AABBCCDD"},
		"another, then the key":        {"3B01", []string{mseOther, mseProof}, signOne},
		"another, for another use":     {"3B01", []string{"002241B606800142840181"}, signOne},
		"another, on another channel":  {"3B01", []string{"0070000100", mseOther}, "0188000004AABBCCDD"},
		"both":                         {"3B01", []string{"002241A409800102840181840182"}, signOne},
		"a reference of two octets":    {"3B01", []string{"002241A40484020082"}, signOne},
		"half a template":              {"3B01", []string{mseOther, "002241A40484018184"}, signOne},
		"an environment of the card":   {"3B01", []string{mseOther, "0022F302"}, signOne},
		"another, to verify with":      {"3B01", []string{mseProof, "002281A406800102840181"}, signOne},
		"another, for messages":        {"3B01", []string{mseProof, "002211A406800102840181"}, signOne},
		"under secure messaging":       {"3B01", []string{mseOther, "0C2241A406800102840182"}, signOne},
		"the application was selected": {"3B01", []string{mseOther, sel(aidA)}, signOne},
		"a reset":                      {"3B01", []string{mseOther, "reset"}, signOne},
		"odd":                          {"3B01", []string{mseProof}, "0089000004AABBCCDD"},
		"extended":                     {"3B01", []string{mseProof}, "00880000000004AABBCCDD"},
		"by a hash":                    {"3B01", []string{"002241B606800142840182"}, "002A9E9A00"},
		"deciphers":                    {"3B01", []string{"002241B80680011A840182"}, "002A80860381AABB"},
		"PIV":                          {"3B02", nil, "0087079A04AABBCCDD"},
		"PIV, even":                    {"3B02", nil, "0086079A04AABBCCDD"},
		"PIV, no slot":                 {"3B02", nil, "0087070004AABBCCDD"},
		"no reference can be told":     {"3B03", []string{"002241B606800142840181"}, "002A9E9A00"},
	} {
		t.Run(name, func(t *testing.T) {
			g := guard(t, table, c.atr)
			for _, apdu := range c.before {
				if apdu == "reset" {
					_, _ = g.Reset(1)
					continue
				}
				g.reaches(apdu)
			}
			g.stops(c.sign, "6982", isKept)
		})
	}
	t.Run("in parts", func(t *testing.T) {
		g := guard(t, table, "3B02")
		_, err := g.Transmit(octets(t, "1087079A04AABBCCDD"))
		require.NoError(t, err)
		g.stops("0087079A04AABBCCDD", "6982", isKept)
		require.Empty(t, g.card.got)
	})
}

// TestC2OtherKeysStaySharedWithPrograms: what certainly signs with another key, and what signs nothing, passes.
func TestC2OtherKeysStaySharedWithPrograms(t *testing.T) {
	g := guard(t, signing(Reserved), "3B01")
	g.reaches(sel(aidB), mseProof, mseOther, signOne, "002241B606800142840181", "002A90A0059000800161", "002A9E9A00")
	g.reaches("00B0000010")
	for _, failed := range []string{"6A88", "6283"} {
		g.card.answers = []string{failed}
		g.reaches(mseOther) // which key is set is not known
		g.stops(signOne, "6982", isKept)
	}
	g = guard(t, signing(Reserved), "3B02")
	g.reaches("0087119C04AABBCCDD", signOne)
}

// TestC2SignaturesOfASharedKeyAreTold: they reach the card, and each that the card made is told.
func TestC2SignaturesOfASharedKeyAreTold(t *testing.T) {
	for _, setting := range []ProofKey{"", Shared} {
		g, told := guard(t, signing(setting), "3B01"), 0
		g.hooks.Signed = func() { told++ }
		g.reaches(sel(aidB), mseOther, signOne)
		require.Zero(t, told)
		g.card.answers = []string{"9000", "6982", "6100"}
		g.reaches(mseProof, signOne)
		require.Zero(t, told, "the card did not sign")
		g.reaches(signOne)
		require.Equal(t, 1, told)
		g.card.err = session.ErrCardLost
		_, _ = g.Transmit(octets(t, signOne))
		require.Equal(t, 2, told, "it may have")
	}
}

func TestC2ProofKeyIsOneOfTwoWords(t *testing.T) {
	table := signing("exclusive")
	_, err := Compile(table)
	require.ErrorContains(t, err, `proof-key: "exclusive" is none of shared, reserved`)
	table = signing(Reserved)
	table.Profiles[0].Proof = nil
	_, err = Compile(table)
	require.ErrorContains(t, err, "the profile has no proof")
}
