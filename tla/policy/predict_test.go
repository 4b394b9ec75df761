package policy

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/session"
)

// full is a response of n octets and 9000.
func full(n int) string { return strings.Repeat("AB", n) + "9000" }

// TestPredictor: what is expected next after commands, each with its response ("" = none). A command that begins with a
// + was predicted, one with a - for nobody.
func TestPredictor(t *testing.T) {
	const aid = "00A4040C05A000000001"
	two := []string{"00B0000010", full(16), "00B0001010", full(16)}
	after := func(more ...string) []string { return append(append([]string(nil), two...), more...) }
	for name, c := range map[string]struct {
		script []string
		next   string
	}{
		"nothing yet":               {nil, ""},
		"one read":                  {two[:2], ""},
		"two reads":                 {two, "00B0002010"},
		"the first by its SFI":      {[]string{"00B0810010", full(16), "00B0001010", full(16)}, "00B0002010"},
		"both by SFI":               {[]string{"00B0810010", full(16), "00B0811010", full(16)}, ""},
		"another file by SFI after": {after("00B0820010", full(16)), ""},
		"extended lengths": {[]string{"00B0000000 0100", full(256), "00B0010000 0100", full(256)},
			"00B00200000100"},
		"Le 00 is 256":             {[]string{"00B0000000", full(256), "00B0010000", full(256)}, "00B0020000"},
		"another Le":               {[]string{"00B0000010", full(16), "00B0001008", full(8)}, ""},
		"not where it ended":       {[]string{"00B0000010", full(16), "00B0002010", full(16)}, ""},
		"backwards":                {[]string{"00B0001010", full(16), "00B0000010", full(16)}, ""},
		"the same again":           {[]string{"00B0000010", full(16), "00B0000010", full(16)}, ""},
		"a warning":                {after("00B0002010", strings.Repeat("AB", 16)+"6281"), ""},
		"an error":                 {after("00B0002010", "6982"), ""},
		"less than asked for":      {after("00B0002010", full(15)), ""},
		"no answer":                {after("00B0002010", ""), ""},
		"another channel":          {[]string{"01B0000010", full(16), "01B0001010", full(16)}, ""},
		"another channel after":    {after("01B0000010", full(16)), ""},
		"records":                  {[]string{"00B2010410", full(16), "00B2020410", full(16)}, ""},
		"a record after":           {after("00B2010410", full(16)), ""},
		"chained":                  {[]string{"10B0000010", full(16), "10B0001010", full(16)}, ""},
		"SELECT after":             {after(aid, "9000"), ""},
		"a probe of the PIN":       {after("00200001", "63C3"), ""},
		"a PIN":                    {after("00200081", "9000"), ""},
		"a challenge":              {after("0084000008", full(8)), ""},
		"more waits":               {after("00A4040005A000000001", "6112"), ""},
		"secure messaging before":  {append([]string{"0C84000000", full(8)}, two...), ""},
		"ENVELOPE before":          {append([]string{"00C200000400B00000", "9000"}, two...), ""},
		"odd instruction before":   {append([]string{"00B1000002540100", full(8)}, two...), ""},
		"what cannot be read":      {after("00B00020100000", "6700"), ""},
		"the end of offsets":       {[]string{"00B07FE010", full(16), "00B07FF010", full(16)}, ""},
		"the end of a file of FCP": {append([]string{"00A4000002D001", "6F0480020020" + "9000"}, two...), ""},
		"before the end of it":     {append([]string{"00A4000002D001", "6F0480020030" + "9000"}, two...), "00B0002010"},
		"a part of a part left":    {append([]string{"00A4000002D001", "620481020025" + "9000"}, two...), ""},
		"80 before 81": {
			append([]string{"00A4000002D001", "6208" + "81020030" + "80020020" + "9000"}, two...), ""},
		"FCP fetched": {
			append([]string{"00A4000002D001", "6106", "00C0000006", "6F0480020020" + "9000"}, two...), ""},
		"FCP that is broken":      {append([]string{"00A4000002D001", "6F0480020020FF" + "9000"}, two...), ""},
		"a short read before":     {append([]string{"00B0002010", full(8)}, two...), ""},
		"6Cxx before":             {append([]string{"00B0002010", "6C08"}, two...), ""},
		"6Cxx":                    {[]string{"00B0000000", "6C08"}, "00B0000008"},
		"6Cxx of GET DATA":        {[]string{"00CA010000", "6C10"}, "00CA010010"},
		"6Cxx by SFI":             {[]string{"00B0810000", "6C08"}, ""},
		"6Cxx of a record":        {[]string{"00B2010400", "6C08"}, ""},
		"6Cxx elsewhere":          {[]string{"01B0000000", "6C08"}, ""},
		"6Cxx answered":           {[]string{"00B0000000", "6C08", "00B0000008", full(8)}, ""},
		"ahead":                   {after("+00B0002010", full(16)), "00B0003010"},
		"past the end":            {after("+00B0002010", "6B00"), ""},
		"past the end, and again": {after("+00B0002010", "6B00", "00B0000010", full(16), "00B0001010", full(16)), ""},
		"past the end of one, and another": {append(append([]string{"00A4000002D001", "9000"}, two...), "+00B0002010",
			"6B00", "00A4000002D002", "9000", "00B0000010", full(16), "00B0001010", full(16)), ""},
		"past the end, and before it again": {append(append([]string{aid, "9000", "00A4000002D001", "9000"}, two...),
			"+00B0002010", "6B00", aid, "9000", "00A4000002D001", "9000", "00B0000008", full(8), "00B0000808", full(8)),
			"00B0001008"},
		"past the end, and up to it again": {append(append([]string{aid, "9000", "00A4000002D001", "9000"}, two...),
			"+00B0002010", "6B00", aid, "9000", "00A4000002D001", "9000", "00B0000010", full(16), "00B0001010",
			full(16)), ""},
		"past the end by SFI, and before it again": {[]string{aid, "9000", "00B0810010", full(16), "00B0001010",
			full(16), "+00B0002010", "6B00", aid, "9000", "00B0810008", full(8), "00B0000808", full(8)}, "00B0001008"},
		"past the end, found another way": {append(append([]string{aid, "9000", "00A4000002D001", "9000"}, two...),
			"+00B0002010", "6B00", "00A4000002D001", "9000", "00B0000008", full(8), "00B0000808", full(8)), ""},
		"refused in the middle": {append(append([]string{aid, "9000", "00A4000002D001", "9000"}, two...), "00B0002010",
			"6982", "00B0000010", full(16), "00B0001010", full(16)), "00B0002010"},
		"past an end that was wrong": {append(append([]string{"00A4000002D001", "6F0480020080" + "9000"}, two...),
			"+00B0002010", "6B00", "00A4000002D001", "6F0480020080"+"9000", "00B0000010", full(16), "00B0001010",
			full(16)), ""},
		"past the end of another": {after("+00B0002010", "6B00", aid, "9000", "00B0000010", full(16), "00B0001010",
			full(16)), ""},
		"6Cxx ahead": {after("+00B0002010", "6C08"), ""},
		"6Cxx, taken ahead": {[]string{"00CA010000", "6C10", "+00CA010010", full(16), aid, "9000", "00B0000010",
			full(16), "00B0001010", full(16)}, "00B0002010"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPredictor(&profile{}, new(fetched))
			p.play(t, c.script)
			require.Equal(t, c.next, strings.ToUpper(hex.EncodeToString(expected(p))))
		})
	}
}

func expected(p *predictor) []byte {
	apdu, _ := p.Next()
	return apdu
}

func (p *predictor) play(t *testing.T, script []string) {
	for i := 0; i < len(script); i += 2 {
		text, ahead := strings.CutPrefix(strings.ReplaceAll(script[i], " ", ""), "+")
		text, wasted := strings.CutPrefix(text, "-")
		apdu, response := octets(t, text), octets(t, script[i+1])
		switch {
		case ahead:
			p.Predicted(apdu, response)
		case wasted && script[i+1] == "":
			p.Wasted(apdu, nil)
		case wasted:
			p.Wasted(apdu, response)
		case script[i+1] == "":
			p.Gave(apdu, nil)
		default:
			p.Gave(apdu, response)
		}
	}
}

// TestPredictorBeginsAnew: a reset ends what secure messaging hides; another insertion, and a profile that says so,
// what went past the end.
func TestPredictorBeginsAnew(t *testing.T) {
	two := []string{"00B0000010", full(16), "00B0001010", full(16)}
	p := newPredictor(&profile{}, new(fetched))
	p.play(t, append([]string{"0C84000000", full(8)}, two...))
	require.Nil(t, expected(p))
	p.Lose()
	p.play(t, two)
	require.Nil(t, expected(p), "a lost link ends nothing that the card remembers")
	p.Reset()
	require.Nil(t, expected(p))
	p.play(t, two)
	require.NotNil(t, expected(p))
	p.play(t, []string{"+00B0002010", "6B00"})
	p.Reset()
	p.play(t, two)
	require.Nil(t, expected(p), "until the next insertion")

	p = newPredictor(&profile{ahead: Ahead{EOF: Probe}}, new(fetched))
	p.play(t, append(append([]string{}, two...), "+00B0002010", "6B00"))
	require.Nil(t, expected(p))
	p.play(t, two)
	require.Nil(t, expected(p), "it is known now where the file ends")
	p.play(t, append([]string{"00A4040C05A000000001", "9000"}, two...))
	require.NotNil(t, expected(p))

	for _, never := range []*profile{nil, {ahead: Ahead{Reads: Off}}} {
		p = newPredictor(never, new(fetched))
		p.play(t, append([]string{"00A4000002D001", "6F0480020080" + "9000"}, two...))
		require.Nil(t, expected(p))
	}
}

// TestC1PredictionsThatNobodyWants: one that failed counts all the same, since the card may count it; and none follows
// one that the reader could not have executed.
func TestC1PredictionsThatNobodyWants(t *testing.T) {
	two := []string{"00B0000010", full(16), "00B0001010", full(16)}
	other := append([]string{"00A4000002D002", "9000"}, two...)
	for name, c := range map[string]struct {
		wasted []string
		next   string
	}{
		"it succeeded":   {[]string{"-00B0002010", full(16)}, "00B0002010"},
		"it failed":      {[]string{"-00B0002010", "6B00"}, ""},
		"it was refused": {[]string{"-00B0002010", "6982"}, ""},
		"it had no end":  {[]string{"-00B0002010", ""}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPredictor(&profile{}, new(fetched))
			p.play(t, append(append([]string{"00A4000002D001", "9000"}, two...), c.wasted...))
			if c.next != "" {
				require.Equal(t, octets(t, c.next), expected(p), "nothing has become of it")
			}
			p.play(t, other)
			require.Equal(t, c.next, strings.ToUpper(hex.EncodeToString(expected(p))))
		})
	}
}

// TestC1LengthsAreThoseOfTheFile: what may make another file the current one, or name another application in the same
// way, ends what is known of its length.
func TestC1LengthsAreThoseOfTheFile(t *testing.T) {
	two := []string{"00B0000010", full(16), "00B0001010", full(16)}
	known := []string{"00A4000002D001", "6F0480020090" + "9000"}
	byName := "00A4040005A000000001"
	for name, script := range map[string][]string{
		"UPDATE BINARY by SFI": append(known, "00D682000141", "9000"),
		"READ RECORD by SFI":   append(known, "00B2011404", full(4)),
		"CREATE FILE":          append(known, "00E0000002D003", "9000"),
		"next occurrence":      {byName, "6F0480020090" + "9000", "00A4040205A000000001", "9000"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPredictor(&profile{}, new(fetched))
			p.play(t, append(append(two[:4:4], "+00B0002010", "6B00"), script...))
			p.play(t, two)
			require.Nil(t, expected(p), "one prediction past an end is all there may be")
		})
	}
}

// TestPredictorKnowsWhatWasTaken: predictions that are dropped leave what the program has had.
func TestPredictorKnowsWhatWasTaken(t *testing.T) {
	p := newPredictor(&profile{}, new(fetched))
	p.play(t, []string{"00B0000010", full(16), "00B0001010", full(16)})
	p.play(t, []string{"+00B0002010", full(16), "+00B0003010", full(16)})
	require.Equal(t, octets(t, "00B0004010"), expected(p))
	p.Took(octets(t, "00B0002010"), octets(t, full(16)))
	require.Equal(t, octets(t, "00B0004010"), expected(p))
	p.Drop()
	require.Equal(t, octets(t, "00B0003010"), expected(p))
}

// TestC1PredictionsPassThePolicy: what the table refuses is never predicted, and nobody is told of it.
func TestC1PredictionsPassThePolicy(t *testing.T) {
	g := guard(t, bench, "3B750000")
	read := octets(t, "00B0000010")
	for range 2 {
		_, err := g.Ahead(read)
		require.ErrorIs(t, err, session.ErrNotAhead)
	}
	require.Empty(t, g.card.got)
	require.Zero(t, g.last)
	_, err := g.Transmit(octets(t, "00A404000B"+aidA))
	require.NoError(t, err)
	response, err := g.Ahead(read)
	require.NoError(t, err)
	require.Equal(t, octets(t, "9000"), response)
	for _, never := range []string{"00B2010410", "10B0000010", "00B000", "00200081", "0020008104 31323334"} {
		_, err := g.Ahead(octets(t, strings.ReplaceAll(never, " ", "")))
		require.ErrorIs(t, err, session.ErrNotAhead, never)
	}
	require.Len(t, g.card.got, 2)
	require.Zero(t, g.last)
}

func TestAheadOfAProfile(t *testing.T) {
	for _, c := range []struct {
		ahead Ahead
		wrong string
	}{{Ahead{}, ""}, {Ahead{Reads: On, EOF: Stop}, ""}, {Ahead{Reads: Off, EOF: Probe}, ""},
		{Ahead{Reads: "perhaps"}, `reads: "perhaps" is none of on, off`},
		{Ahead{EOF: "go on"}, `eof: "go on" is none`}} {
		t.Run(fmt.Sprint(c.ahead), func(t *testing.T) {
			table := Table{Version: 1, Profiles: []Profile{{Name: "p", Cards: []string{"3B*"}, Ahead: c.ahead}}}
			_, err := Compile(table)
			if c.wrong == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.wrong)
		})
	}
}

// FuzzPredictor: whatever a card and a program do, and whatever a profile says, the next command is a read of the
// current file, or what the card asked for; it passes as a command.
func FuzzPredictor(f *testing.F) {
	f.Add([]byte("\x05\x00\xB0\x00\x00\x10\x12abcdefghijklmnop\x90\x00" +
		"\x05\x00\xB0\x00\x10\x10\x12abcdefghijklmnop\x90\x00"))
	f.Add([]byte("\x07\x00\xA4\x00\x00\x02\xD0\x01\x08\x6F\x04\x80\x02\x00\x20\x90\x00" +
		"\x05\x00\xB0\x00\x00\x00\x02\x6C\x10"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p := newPredictor(rich(t), new(fetched))
		part := func() (out []byte) {
			if len(b) > 0 {
				n := min(int(b[0]), len(b)-1)
				out, b = b[1:1+n], b[1+n:]
			}
			return out
		}
		for len(b) > 0 {
			apdu, response := part(), part()
			if len(response) < 2 {
				response = nil
			}
			p.Gave(apdu, response)
			next, most := p.Next()
			if next == nil {
				continue
			}
			c, err := parse(next)
			require.NoError(t, err)
			require.Empty(t, c.data)
			require.Zero(t, c.cla)
			require.Contains(t, []byte{insReadBinary, insGetData, insReadRecord, insGetResponse}, c.ins)
			require.False(t, p.hidden)
			require.Equal(t, c.le+2, most)
			switch c.ins {
			case insReadBinary:
				require.Zero(t, c.p1&sfiBit)
			case insReadRecord:
				require.True(t, c.byNumber())
			}
			p.Predicted(next, []byte{0x6B, 0})
			require.Nil(t, expected(p), "one that went wrong is enough")
			p.Drop()
		}
	})
}
