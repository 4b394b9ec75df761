package cardsim

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestVitaleATRHasNoCheckByte(t *testing.T) {
	atr := NewVitale(VitaleConfig{}).ATR()
	require.Len(t, atr, 10)
	require.EqualValues(t, 0x75, atr[1], "TA, TB, TC and five historical bytes; no TD: T=0 alone")
	require.EqualValues(t, 0x40, atr[5]&0xF0)
}

func TestVitaleCommands(t *testing.T) {
	const (
		mf     = "00A40000023F00"
		app    = "00A404000B" + AIDVitale
		big    = "00A4000002D001"
		block0 = "00B0000010"
	)
	for name, c := range map[string]struct {
		commands []string
		want     string
	}{
		"select MF announces its FCI": {[]string{mf}, "6116"},
		"get response gives it": {[]string{mf, "00C0000016"},
			"6F1483023F00840ED2500000024D465F564954414C459000"},
		"a part of it": {[]string{mf, "00C0000002"}, "6F146114"},
		"and the rest": {[]string{mf, "00C0000002", "00C0000014"},
			"83023F00840ED2500000024D465F564954414C459000"},
		"get response with a wrong Le": {[]string{mf, "00C0000000"}, "6C16"},
		"and the right one": {[]string{mf, "00C0000000", "00C0000016"},
			"6F1483023F00840ED2500000024D465F564954414C459000"},
		"get response twice":                 {[]string{mf, "00C0000016", "00C0000016"}, "6985"},
		"get response after another command": {[]string{mf, "00FF0000", "00C0000016"}, "6985"},
		"get response with P2":               {[]string{mf, "00C0000114"}, "6A86"},
		"select without an answer":           {[]string{"00A4000C023F00"}, "9000"},
		"select MF without data":             {[]string{"00A40000"}, "6116"},
		"case 4 is announced too":            {[]string{mf + "00"}, "6116"},
		"MF by name":                         {[]string{"00A404000E" + AIDVitaleMF}, "6116"},
		"application by name":                {[]string{app}, "6113"},
		"other application by name":          {[]string{"00A404000C" + AIDVitaleCP}, "6114"},
		"application by FID":                 {[]string{"00A4000002D000"}, "6113"},
		"unknown application":                {[]string{"00A404000BD250000002564954414C46"}, "6A82"},
		"file":                               {[]string{app, big}, "610D"},
		"file information":                   {[]string{app, big, "00C000000D"}, "6F0B800208008201018302D0019000"},
		"file of another folder":             {[]string{big}, "6A82"},
		"failed select keeps the file":       {[]string{app, big, "00A4000002FFFF", "00B0000004"}, "535045439000"},
		"select of one byte":                 {[]string{"00A40000013F"}, "6700"},
		"select by path":                     {[]string{"00A40900023F00"}, "6A86"},
		"select, odd P2":                     {[]string{"00A40001023F00"}, "6A86"},
		"read by short identifier, wrong Le": {[]string{mf, "00B0820000"}, "6C30"},
		"read by short identifier":           {[]string{mf, "00B0820008"}, "53504543494D454E9000"},
		"unknown short identifier":           {[]string{mf, "00B09F0008"}, "6A82"},
		"short identifier 0":                 {[]string{mf, "00B0800008"}, "6A82"},
		"read without a file":                {[]string{app, block0}, "6986"},
		"read beyond the end":                {[]string{app, big, "00B0080010"}, "6B00"},
		"read across the end":                {[]string{app, big, "00B007F820"}, "6C08"},
		"read without Le":                    {[]string{app, big, "00B00000"}, "6700"},
		"read with data":                     {[]string{app, big, "00B000000100"}, "6700"},
		"unknown instruction":                {[]string{"00200080"}, "6D00"},
		"unknown class":                      {[]string{"80A40000023F00"}, "6E00"},
		"extended length":                    {[]string{"00A400000000023F00"}, "6700"},
		"a select forgets the file":          {[]string{app, big, mf, block0}, "6986"},
	} {
		t.Run(name, func(t *testing.T) {
			v := NewVitale(VitaleConfig{})
			require.Equal(t, c.want, say(t, v, c.commands...))
		})
	}
}

func TestVitaleReadsWholeFile(t *testing.T) {
	v := NewVitale(VitaleConfig{Serial: "0000000042"})
	say(t, v, "00A404000B"+AIDVitale, "00A4000002D001")
	var got []byte
	for offset := 0; offset < 2048; offset += 32 {
		resp := v.Process([]byte{0, 0xB0, byte(offset >> 8), byte(offset), 32})
		require.Len(t, resp, 34)
		got = append(got, resp[:32]...)
	}
	require.Equal(t, v.Content(AIDVitale, 0xD001), got)
	require.Contains(t, string(got), "SPECIMEN")
	require.Contains(t, string(got), "0000000042")
}

func TestVitaleContentsDiffer(t *testing.T) {
	one, two := NewVitale(VitaleConfig{}), NewVitale(VitaleConfig{Serial: "0000000002"})
	for aid, fid := range map[string]uint16{AIDVitaleMF: 0x2F02, AIDVitale: 0xD001, AIDVitaleCP: 0xD101} {
		require.NotEmpty(t, one.Content(aid, fid))
		for block := 0; block+32 <= len(one.Content(aid, fid)); block += 32 {
			require.NotEqual(t, one.Content(aid, fid)[block:block+32], two.Content(aid, fid)[block:block+32])
		}
	}
	require.Nil(t, one.Content(AIDVitale, 0x2F02))
}

func TestVitaleForgetsOnReset(t *testing.T) {
	for name, power := range map[string]func(Card){"cold": Card.PowerOn, "warm": Card.Reset, "off": Card.PowerOff} {
		t.Run(name, func(t *testing.T) {
			v := NewVitale(VitaleConfig{})
			say(t, v, "00A404000B"+AIDVitale, "00A4000002D001")
			power(v)
			require.Equal(t, "6986", say(t, v, "00B0000010"))
			require.Equal(t, "6A82", say(t, v, "00A4000002D001"), "back at the MF")
		})
	}
}

// sequence returns a fuzz input: commands, each after a byte with its length.
func sequence(commands ...string) []byte {
	var out []byte
	for _, c := range commands {
		out = append(append(out, byte(len(c)/2)), unhex(c)...)
	}
	return out
}

func runSequence(t *testing.T, card Card, input []byte) {
	for len(input) > 0 {
		n := min(int(input[0]), len(input)-1)
		cmd := bytes.Clone(input[1 : 1+n])
		resp := card.Process(cmd)
		require.GreaterOrEqual(t, len(resp), 2, fmt.Sprintf("INS of %d bytes", n))
		require.LessOrEqual(t, len(resp), 258)
		require.Contains(t, []byte{0x61, 0x63, 0x67, 0x68, 0x69, 0x6A, 0x6B, 0x6C, 0x6D, 0x6E, 0x90}, resp[len(resp)-2])
		input = input[1+n:]
	}
}

func FuzzVitaleProcess(f *testing.F) {
	f.Add(sequence("00A40000023F00", "00C0000014", "00B0820000", "00B0820030"))
	f.Add(sequence("00A404000B"+AIDVitale, "00A4000002D001", "00B0000020", "00B007F820", "00B0080001"))
	f.Add(sequence("00A40000", "00C0000001", "00C0000000", "00"))
	f.Fuzz(func(t *testing.T, input []byte) { runSequence(t, NewVitale(VitaleConfig{}), input) })
}
