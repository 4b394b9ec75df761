package policy

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/session"
	"tlagate/tla/pin"
)

const (
	aidA = "D250000002564954414C45"
	aidB = "E828BD080F8025000001FF0010"
)

// bench is a policy that uses every field.
var bench = Table{Version: 1, Profiles: []Profile{{
	Name: "bench", Cards: []string{"3B75....", "3BAC"},
	Rules: []Rule{
		{Name: "never this file", CLA: "00", INS: "A4", Data: []string{"D0FF"}, Action: Refuse, Answer: "6A82"},
		{Name: "select A or B", CLA: "00", INS: "A4", P1: "04", Data: []string{aidA, aidB}, Action: Allow},
		{Name: "select the next B", CLA: "00", INS: "A4", P1: "04", P2: "02", Data: []string{aidB}, Action: Allow},
		{Name: "select a file of A", Apps: []string{aidA}, INS: "A4", P1: "00", Data: []string{"D0*", "3F00"},
			Action: Allow},
		{Name: "read A", Apps: []string{aidA}, CLA: "00", INS: "B0", Lc: "0", Le: "1-256", Action: Allow},
		{Name: "read nothing", Apps: []string{"none"}, CLA: "00", INS: "B2", Action: Allow},
		{Name: "sign with B", Apps: []string{aidB}, CLA: "00", INS: "2A", P1: "9E", P2: "9A", Lc: "1-300",
			Chained: true, Extended: true, Action: Allow},
		{Name: "channels", INS: "70", Lc: "0", Action: Allow},
		{Name: "retry counter", INS: "20", Lc: "0", Action: Allow},
		{Name: "PIN", INS: "20", P1: "00", P2: "81", Apps: []string{aidB, "none"}, Action: LocalPIN,
			PIN: &pin.Format{Min: 4, Max: 8}},
		{Name: "many instructions", Apps: []string{aidB}, INS: "C0/F0", Action: Allow},
		{Name: "this odd one", Apps: []string{aidB}, INS: "CB", Action: Allow},
		{Name: "SELECT in other words", Apps: []string{aidB}, INS: "A5", Action: Allow},
		{Name: "proprietary", CLA: "80", INS: "CA", Action: Allow},
		{Name: "under secure messaging", Apps: []string{aidB}, INS: "84", Secure: true, Action: Allow},
	},
}}}

// fakeCard answers with a status word, 9000 unless told otherwise, and keeps what reached it.
type fakeCard struct {
	got     []string
	answers []string // one for each command; then 9000
	err     error

	resetErr error
}

func (f *fakeCard) Transmit(apdu []byte) ([]byte, error) {
	f.got = append(f.got, strings.ToUpper(hex.EncodeToString(apdu)))
	if f.err != nil {
		return nil, f.err
	}
	answer := "9000"
	if len(f.answers) > 0 {
		answer, f.answers = f.answers[0], f.answers[1:]
	}
	return hex.DecodeString(answer)
}

func (f *fakeCard) Reset(session.ResetKind) ([]byte, error) { return []byte{0x3B, 0x75}, f.resetErr }

// guarded is a guard and its card.
type guarded struct {
	*Guard
	t    *testing.T
	card *fakeCard
	last Verdict // of the last refusal
}

func guard(t *testing.T, table Table, atr string) *guarded {
	p, err := Compile(table)
	require.NoError(t, err)
	g := &guarded{t: t, card: &fakeCard{}}
	g.Guard = p.Guard(g.card, octets(t, atr), Hooks{Refused: func(v Verdict) { g.last = v }})
	return g
}

func octets(t *testing.T, digits string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
	require.NoError(t, err)
	return b
}

// reaches sends commands that must reach the card.
func (g *guarded) reaches(apdus ...string) {
	g.t.Helper()
	for _, apdu := range apdus {
		before := len(g.card.got)
		_, err := g.Transmit(octets(g.t, apdu))
		require.NoError(g.t, err)
		require.Len(g.t, g.card.got, before+1, "%s: %s", apdu, g.last.Why)
		require.Equal(g.t, strings.ToUpper(strings.ReplaceAll(apdu, " ", "")), g.card.got[before])
	}
}

// stops sends a command that must not reach the card, and must be answered so.
func (g *guarded) stops(apdu, answer, why string) {
	g.t.Helper()
	before := len(g.card.got)
	response, err := g.Transmit(octets(g.t, apdu))
	require.NoError(g.t, err)
	require.Len(g.t, g.card.got, before, apdu)
	require.Equal(g.t, answer, hex.EncodeToString(response), apdu)
	require.Contains(g.t, g.last.Why, why, apdu)
}

func sel(aid string) string { return "00A40400" + hex.EncodeToString([]byte{byte(len(aid) / 2)}) + aid }

func TestC1WhatNoRuleAllowsStopsHere(t *testing.T) {
	g := guard(t, bench, "3B751234")
	g.stops("00B0000010", "6982", "no rule")
	g.reaches(sel(aidA), "00B0000010", "00B0000000", "00A40000023F00")
	g.stops("00B0000010", "6982", "no rule") // the master file is selected now
	g.reaches(sel(aidA), "00A4000002D002")
	g.reaches("00B0000010")
	g.stops("00A4000002D0FF", "6a82", "")
	require.Equal(t, Verdict{Action: Refuse, Profile: "bench", Rule: "never this file", Why: "that rule says so",
		Answer:   [2]byte{0x6A, 0x82},
		Expected: true, Header: "00A40000", Lc: 2, App: aidA}, g.last)
	g.stops("00A4000002D1FF", "6982", "no rule")
	g.stops("00D60000010A", "6982", "no rule")
	g.stops("00B000000110 00", "6982", "no rule") // data where none belong
	g.stops("00CA000000", "6982", "no rule")
	g.reaches("80CA000000")
	g.stops("84CA000000", "6982", "no rule")
	g.reaches("00200081")
	g.stops("00200081 04 31323334", "6982", "no rule")
	g.reaches("00A40000023F00")
	g.stops("00200081 04 31323334", "6982", "")
	require.Equal(t, LocalPIN, g.last.Action)
}

func TestC1CardWithoutProfileIsOfNoUse(t *testing.T) {
	for _, atr := range []string{"3B7512", "3B75123456", "3F751234"} {
		g := guard(t, bench, atr)
		g.stops(sel(aidA), "6982", "no profile")
		g.stops("10200081 01 00", "6884", "no profile")
	}
	guard(t, bench, "3BAC").reaches(sel(aidA))
}

func TestC1SelectedApplicationChangesBySuccessAlone(t *testing.T) {
	g := guard(t, bench, "3BAC")
	g.card.answers = []string{"6A82"}
	g.reaches(sel(aidA))
	g.stops("00B0000010", "6982", "no rule")
	g.card.answers = []string{"9000", "6A82", "9000"}
	g.reaches(sel(aidA), sel(aidB), "00B0000010") // still A
	g.card.answers = []string{"6112"}
	g.reaches(sel(aidB))
	g.stops("00B0000010", "6982", "no rule")
	g.reaches("00C0000012") // the rest of the answer to SELECT
	_, err := g.Reset(session.ResetWarm)
	require.NoError(t, err)
	g.reaches("00B2010400")
	g.reaches(sel(aidA))
	g.reaches("00A40402 0D" + aidB) // the next one of that name: which one is not known
	for _, apdu := range []string{"00B0000010", "00B2010400", "00CA000000"} {
		g.stops(apdu, "6982", "no rule")
	}
}

func TestC1NobodyKnowsWhatAFailedReaderSelected(t *testing.T) {
	g := guard(t, bench, "3BAC")
	g.reaches(sel(aidA))
	g.card.err = errors.New("the reader failed")
	_, err := g.Transmit(octets(t, sel(aidB)))
	require.Error(t, err)
	g.card.err = nil
	g.stops("00B0000010", "6982", "no rule")
	g.reaches(sel(aidA), "00B0000010")
}

func TestC1EachChannelHasItsApplication(t *testing.T) {
	g := guard(t, bench, "3BAC")
	g.reaches(sel(aidA))
	g.card.answers = []string{"019000"}
	g.reaches("0070000001")
	g.stops("01B0000010", "6982", "no rule") // nothing is selected there
	g.reaches("01B2010400", "00B0000010")
	g.reaches("01A404000B"+aidA, "01B0000010")
	g.card.answers = []string{"059000"}
	g.reaches("0170000001") // from channel 1, so with its application
	g.reaches("41B0000010") // channel 5
	g.reaches("01708000")   // closes the channel it is sent on
	g.stops("01B0000010", "6982", "no rule")
	g.stops("01B2010400", "6982", "no rule")
	g.reaches("41B0000010", "00708005")
	g.stops("41B0000010", "6982", "no rule")
	g.card.err = errors.New("the reader failed")
	_, err := g.Transmit(octets(t, "0070000001"))
	require.Error(t, err)
	g.card.err = nil
	g.stops("00B0000010", "6982", "no rule")
}

func TestC1VeiledCommandsNeedAName(t *testing.T) {
	g := guard(t, bench, "3BAC")
	g.reaches(sel(aidB))
	g.stops("00C20000020000", "6982", "an ENVELOPE or odd instruction must be named")
	g.stops("00C30000020000", "6982", "must be named")
	g.stops("00C1000000", "6982", "must be named")
	g.stops("0CCA000000", "6982", "secure messaging")
	g.stops("60CA000000", "6982", "no rule") // channel 4, which is not open
	g.stops("10CA000000", "6884", "chained")
	g.stops("00CA0000000100", "6982", "extended")
	g.stops("A0CA000000", "6982", "a proprietary class must be named")
	g.stops("FFCA000000", "6e00", "class")
	g.stops("20CA000000", "6e00", "class")
	g.reaches("00CA000000")
	g.reaches("00CB3FFF055C035FC10500")
	g.reaches("00CA000000", "00A5000000")
	g.stops("00CA000000", "6982", "no rule") // it may amount to a SELECT: only the card knows what it did
	g.reaches(sel(aidB), "0C840000083031323334353637")
	g.stops("00CA000000", "6982", "no rule")
	g.reaches(sel(aidB), "0070000101", "01A404000D"+aidB, "01CA000000")
	g.reaches("00A5000000") // nor on which channel
	g.stops("01CA000000", "6982", "no rule")
}

func TestC1ChainedCommandIsJudgedAsOne(t *testing.T) {
	const first, last = "102A9E9A 03 010203", "002A9E9A 02 0405 00"
	g := guard(t, bench, "3BAC")
	g.reaches(sel(aidB))
	begin := func() {
		response, err := g.Transmit(octets(t, first))
		require.NoError(t, err)
		require.Equal(t, "9000", hex.EncodeToString(response), "answered here")
	}
	sent := len(g.card.got)
	begin()
	require.Len(t, g.card.got, sent, "held back")
	_, err := g.Transmit(octets(t, last))
	require.NoError(t, err)
	require.Equal(t, []string{"102A9E9A03010203", "002A9E9A02040500"}, g.card.got[sent:])

	begin() // the whole is too long
	for range 2 {
		_, err = g.Transmit(octets(t, "102A9E9AFF"+strings.Repeat("00", 255)))
		require.NoError(t, err)
	}
	g.stops(last, "6982", "no rule")

	begin() // an interrupted one is forgotten
	g.reaches("00200081")
	sent = len(g.card.got)
	g.reaches(last)
	require.Len(t, g.card.got, sent+1, "alone")

	begin() // the card refuses a part
	g.card.answers = []string{"6985"}
	response, err := g.Transmit(octets(t, last))
	require.NoError(t, err)
	require.Equal(t, "6985", hex.EncodeToString(response))
	require.Len(t, g.card.got, sent+2)

	begin() // a chain of other instructions
	g.stops("10B0000001 00", "6884", "")
	begin() // a reset forgets
	_, err = g.Reset(session.ResetCold)
	require.NoError(t, err)
	g.stops(last, "6982", "no rule")

	g.reaches(sel(aidB))
	response, err = nil, nil // without end
	for range maxChainParts + 1 {
		response, err = g.Transmit(octets(t, first))
		require.NoError(t, err)
	}
	require.Equal(t, "6884", hex.EncodeToString(response))
}

func TestC1GetResponseFollowsWhatWasAllowed(t *testing.T) {
	g := guard(t, bench, "3BAC")
	g.stops("00C0000010", "6982", "no rule")
	g.card.answers = []string{"6110", "00006104", "9000"}
	g.reaches(sel(aidA), "00C0000010", "00C0000004")
	g.stops("00C0000004", "6982", "no rule")
	g.card.answers = []string{"6110"}
	g.reaches(sel(aidA))
	g.stops("01C0000010", "6982", "no rule") // another channel
	g.stops("F1C0000010", "6982", "no rule") // a class of which only its card knows the meaning
	g.stops("00C000000100", "6982", "no rule")
	g.card.answers = []string{"6110", "6C10", "9000"}
	g.reaches(sel(aidA), "00C0000000", "00C0000010") // a T=0 card says how much there is
	g.stops("00C0000010", "6982", "no rule")
}

// TestC1GetResponseInAProprietaryClass: it has the class of the command whose response it fetches, and no other.
func TestC1GetResponseInAProprietaryClass(t *testing.T) {
	g := guard(t, bench, "3BAC")
	g.stops("80C0000010", "6982", "no rule")
	g.card.answers = []string{"6110", "6C08", "00006104", "9000"}
	g.reaches("80CA000000", "80C0000010", "80C0000008", "80C0000004")
	g.stops("80C0000004", "6982", "no rule") // all is fetched
	g.card.answers = []string{"6110"}
	g.reaches("80CA000000")
	g.stops("90C0000010", "6982", "no rule")     // another class
	g.stops("80C00000011000", "6982", "no rule") // data where none belong
	g.reaches("00C0000010")                      // as programs do that know only T=0
	g.card.answers = []string{"6110"}
	g.reaches(sel(aidA))
	g.stops("80C0000010", "6982", "no rule") // of a command of another class
	g.card.answers = []string{"6110"}
	g.reaches("80CA000000")
	_, err := g.Reset(session.ResetWarm)
	require.NoError(t, err)
	g.stops("80C0000010", "6982", "no rule")
}

// TestC1WhatIsSelectedCannotBeTold: then no rule for an application fits, nor one for "none".
func TestC1WhatIsSelectedCannotBeTold(t *testing.T) {
	g := guard(t, bench, "3BAC")
	g.reaches(sel(aidA))
	g.card.answers = []string{"9F10"} // success, on old cards
	g.reaches("00A404000D" + aidB)
	g.stops("00B0000010", "6982", "no rule")
	g.reaches(sel(aidA))
	g.card.answers = []string{"6101"}
	g.reaches("0070000001") // which channel it opened is still to be fetched
	g.stops("00B2010400", "6982", "no rule")
	g.reaches("00B0000010")
	g.card.resetErr = errors.New("the reader failed")
	_, err := g.Reset(session.ResetWarm)
	require.Error(t, err)
	g.stops("00B0000010", "6982", "no rule")
	g.stops("00B2010400", "6982", "no rule")
}

// TestC1WhatIsRefusedIsNamedWithoutItsData: header, lengths, application and rule; a refusal is expected if its rule
// has an answer of its own, or says so.
func TestC1WhatIsRefusedIsNamedWithoutItsData(t *testing.T) {
	table := Table{Version: 1, Profiles: []Profile{{Name: "x", Cards: []string{"3BAC"}, Rules: []Rule{
		{Name: "select", INS: "A4", P1: "04", Lc: "2-255", Action: Allow},
		{Name: "absent", INS: "A4", Action: Refuse, Answer: "6A82"},
		{Name: "probes", INS: "CA", Action: Refuse, Expected: true},
		{Name: "plain", INS: "CB", Action: Refuse},
		{Name: "no PIN", INS: "20", Action: Refuse, Expected: true},
	}}}}
	g := guard(t, table, "3BAC")
	named := func(apdu, rule string, expected bool, lc, le int, app string) {
		t.Helper()
		_, err := g.Transmit(octets(t, apdu))
		require.NoError(t, err)
		header := strings.ToUpper(apdu[:8])
		require.Equal(t, []any{rule, expected, header, lc, le, app}, []any{g.last.Rule, g.last.Expected, g.last.Header,
			g.last.Lc, g.last.Le, g.last.App})
	}
	named("00A4000002AABB00", "absent", true, 2, 256, "none")
	named("00CA010203", "probes", true, 0, 3, "none")
	g.reaches(sel(aidA))
	named("00CB010202AABB00", "plain", false, 2, 256, aidA)
	named("00D6000003AABBCC", "", false, 3, 0, aidA)
	named("01D60000", "", false, 0, 0, "unknown")
	named("00D6000009AABBCC", "", false, 8, 0, aidA) // it does not add up: all of it counts
	g.reaches("00A4040011" + strings.Repeat("DE", 17))
	named("00D60000", "", false, 0, 0, "unknown") // what is too long for an AID may be anything
	named("10CA0000", "probes", true, 0, 0, "unknown")
	_, err := g.VerifyPIN([4]byte{0, 0x20, 0, 0x81})
	require.NoError(t, err)
	require.True(t, g.last.Expected)
	require.Equal(t, "00200081", g.last.Header)
}

func TestMalformedCommandsAreRefused(t *testing.T) {
	g := guard(t, bench, "3BAC")
	for _, apdu := range []string{"", "00", "00A404", "00A4040002AA", "00A4040001AABBCC", "00A404000000",
		"00A40400000002AA", "00A40400000001AABBCCDD", "00A4040000000001"} {
		g.stops(apdu, "6700", "lengths")
	}
}

func TestCompileNamesWhatIsWrong(t *testing.T) {
	for what, spoil := range map[string]func(*Table){
		"version is 2":             func(t *Table) { t.Version = 2 },
		"0 profiles":               func(t *Table) { t.Profiles = nil },
		"is no ATR":                func(t *Table) { t.Profiles[0].Cards = []string{"3B7"} },
		"too many cards":           func(t *Table) { t.Profiles[0].Cards = []string{"....."[:4]} },
		"0 cards":                  func(t *Table) { t.Profiles[0].Cards = nil },
		`"9000" is no status word`: func(t *Table) { t.Profiles[0].Refuse = "9000" },
		`rules[0] "x": ins: "A"`: func(t *Table) {
			t.Profiles[0].Rules = []Rule{{Name: "x", INS: "A", Action: Allow}}
		},
		`p1: "01/00"`: func(t *Table) {
			t.Profiles[0].Rules = []Rule{{Name: "x", P1: "01/00", Action: Allow}}
		},
		`action: "alow"`:          func(t *Table) { t.Profiles[0].Rules = []Rule{{Name: "x", Action: "alow"}} },
		"local-pin is for VERIFY": func(t *Table) { t.Profiles[0].Rules = []Rule{{Name: "x", Action: LocalPIN}} },
		"p2 without mask": func(t *Table) {
			t.Profiles[0].Rules = []Rule{{Name: "x", INS: "20", P1: "00", Action: LocalPIN}}
		},
		"needs pin:": func(t *Table) {
			t.Profiles[0].Rules = []Rule{{Name: "x", INS: "20", P1: "00", P2: "81", Action: LocalPIN}}
		},
		"and nothing else, needs pin": func(t *Table) {
			t.Profiles[0].Rules = []Rule{{Name: "x", Action: Allow, PIN: &pin.Format{Min: 4, Max: 8}}}
		},
		"pin: a PIN of 1 to 8": func(t *Table) {
			t.Profiles[0].Rules = []Rule{{Name: "x", INS: "20", P1: "00", P2: "81", Action: LocalPIN,
				PIN: &pin.Format{Min: 1, Max: 8}}}
		},
		"neither an AID": func(t *Table) {
			t.Profiles[0].Rules = []Rule{{Name: "x", Apps: []string{"any"}, Action: Allow}}
		},
		`lc: "5-1"`: func(t *Table) {
			t.Profiles[0].Rules = []Rule{{Name: "x", Lc: "5-1", Action: Allow}}
		},
		`data: "xx"`: func(t *Table) {
			t.Profiles[0].Rules = []Rule{{Name: "x", Data: []string{"xx"}, Action: Allow}}
		},
		"name: a name of 1 to 64":     func(t *Table) { t.Profiles[0].Rules = []Rule{{Action: Allow}} },
		`profiles[0] "": a name of 1`: func(t *Table) { t.Profiles[0].Name = "" },
		"there is a profile of that":  func(t *Table) { t.Profiles = append(t.Profiles, t.Profiles[0]) },
		"apps: the list is empty": func(t *Table) {
			t.Profiles[0].Rules = []Rule{{Name: "x", Apps: []string{}, Action: Allow}}
		},
		"data: the list is empty": func(t *Table) {
			t.Profiles[0].Rules = []Rule{{Name: "x", Data: []string{}, Action: Allow}}
		},
		"no class fits": func(t *Table) {
			t.Profiles[0].Rules = []Rule{{Name: "x", CLA: "01", Action: Refuse}}
		},
		"lc excludes data of 2": func(t *Table) {
			t.Profiles[0].Rules = []Rule{{Name: "x", Data: []string{"3F00"}, Lc: "0", Action: Allow}}
		},
		"must be named":      func(t *Table) { t.Profiles[0].Rules = []Rule{{Name: "x", INS: "C1/C1", Action: Allow}} },
		"what carries a PIN": func(t *Table) { t.Profiles[0].Rules = []Rule{{Name: "x", INS: "24", Action: Allow}} },
		`VERIFY lc: "0"`:     func(t *Table) { t.Profiles[0].Rules = []Rule{{Name: "x", INS: "20", Action: Allow}} },
		"and no data": func(t *Table) {
			t.Profiles[0].Rules = []Rule{{Name: "x", INS: "20", P1: "00", P2: "81", Data: []string{"00"},
				Action: LocalPIN, PIN: &pin.Format{Min: 4, Max: 8}}}
		},
		"expected is for": func(t *Table) {
			t.Profiles[0].Rules = []Rule{{Name: "x", Action: Allow, Expected: true}}
		},
		`answer: "xyz" is no status wo`: func(t *Table) {
			t.Profiles[0].Rules = []Rule{{Name: "x", Action: Allow, Answer: "xyz"}}
		},
	} {
		table := Table{Version: 1, Profiles: []Profile{bench.Profiles[0]}}
		spoil(&table)
		_, err := Compile(table)
		require.ErrorContains(t, err, what)
	}
}

func TestSP4ThePINIsAskedForByTheRuleAlone(t *testing.T) {
	g := guard(t, bench, "3BAC")
	var asked []string
	g.hooks.Verify = func(header [4]byte, f pin.Format) ([]byte, error) {
		require.Equal(t, pin.Format{Min: 4, Max: 8}, f)
		asked = append(asked, hex.EncodeToString(header[:]))
		return []byte{0x63, 0xC1}, nil
	}
	verify := func(header string) string {
		response, err := g.VerifyPIN([4]byte(octets(t, header)))
		require.NoError(t, err)
		return hex.EncodeToString(response)
	}
	require.Equal(t, "63c1", verify("00200081"))
	require.Equal(t, "6982", verify("00200082"), "another PIN")
	require.Equal(t, "6982", verify("00240081"), "another instruction")
	for _, header := range []string{"04200081", "10200081", "80200081", "FF200081", "01200081"} {
		require.Equal(t, "6982", verify(header), "%s: secured, chained, proprietary, no class, closed channel", header)
	}
	g.reaches(sel(aidA))
	require.Equal(t, "6982", verify("00200081"), "another application")
	g.reaches(sel(aidB), "0070000001", "01A404000D"+aidB)
	require.Equal(t, "63c1", verify("01200081"), "on its channel")
	require.Equal(t, []string{"00200081", "01200081"}, asked)
	g.hooks.Verify = nil
	require.Equal(t, "6982", verify("00200081"), "nobody to ask")
	unknown := guard(t, bench, "3F00")
	response, err := unknown.VerifyPIN([4]byte{0, 0x20, 0, 0x81})
	require.NoError(t, err)
	require.Equal(t, []byte{0x69, 0x82}, response)
}
