package cardsim

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// say runs commands in hex and gives the last response in upper-case hex.
func say(t *testing.T, card Card, commands ...string) string {
	t.Helper()
	var resp []byte
	for _, c := range commands {
		cmd, err := hex.DecodeString(c)
		require.NoError(t, err)
		resp = card.Process(cmd)
	}
	return fmt.Sprintf("%X", resp)
}

func TestParseCases(t *testing.T) {
	for name, c := range map[string]struct {
		cmd  string
		want apdu
		sw   uint16
	}{
		"1":               {"00A40000", apdu{ins: 0xA4}, swOK},
		"2":               {"00B0820010", apdu{ins: 0xB0, p1: 0x82, le: 16}, swOK},
		"2, 256":          {"00B0820000", apdu{ins: 0xB0, p1: 0x82, le: 256}, swOK},
		"3":               {"00A40000023F00", apdu{ins: 0xA4, data: []byte{0x3F, 0}}, swOK},
		"4":               {"00A40000023F0005", apdu{ins: 0xA4, data: []byte{0x3F, 0}, le: 5}, swOK},
		"too short":       {"00A400", apdu{}, swWrongLength},
		"nothing":         {"", apdu{}, swWrongLength},
		"Lc too long":     {"00A40000033F00", apdu{}, swWrongLength},
		"Lc too short":    {"00A40000013F0000", apdu{}, swWrongLength},
		"extended length": {"00A400000000023F00", apdu{}, swWrongLength},
	} {
		t.Run(name, func(t *testing.T) {
			cmd, err := hex.DecodeString(c.cmd)
			require.NoError(t, err)
			got, sw := parse(cmd)
			require.Equal(t, c.sw, sw)
			require.Equal(t, c.want, got)
		})
	}
}

func TestTLVRoundTrip(t *testing.T) {
	for _, size := range []int{0, 1, 0x7F, 0x80, 0xFF, 0x100, 0xFFFF} {
		value := bytes.Repeat([]byte{0xA5}, size)
		encoded := tlv(0x53, value)
		tag, got, rest, err := cutTLV(encoded)
		require.NoError(t, err)
		require.Equal(t, byte(0x53), tag)
		require.Equal(t, size, len(got))
		require.Empty(t, rest)
		for cut := range min(len(encoded), 10) {
			_, _, _, err := cutTLV(encoded[:cut])
			require.ErrorIs(t, err, errTLV)
		}
		_, _, _, err = cutTLV(encoded[:len(encoded)-1])
		require.ErrorIs(t, err, errTLV)
	}
}

func TestLedgerCounts(t *testing.T) {
	v := NewVitale(VitaleConfig{})
	v.PowerOn()
	v.Reset()
	v.Reset()
	say(t, v, "00A40000023F00", "00FF0000", "00")
	v.PowerOff()
	require.Equal(t, Counts{Commands: 3, PowerOns: 1, Resets: 2, PowerOffs: 1}, v.Counts())
	require.Equal(t, []Exchange{
		{INS: 0xA4, DataLength: 2, Status: 0x6116},
		{INS: 0xFF, Status: 0x6D00},
		{Status: 0x6700},
	}, v.History())
}

func TestLedgerIsBounded(t *testing.T) {
	v := NewVitale(VitaleConfig{})
	for range maxHistory + 10 {
		v.Process([]byte{0, 0xFF, 0, 0})
	}
	require.Equal(t, maxHistory+10, v.Counts().Commands)
	require.Len(t, v.History(), maxHistory)
}

func TestSlowTakesItsTime(t *testing.T) {
	v := Slow(NewVitale(VitaleConfig{}), time.Millisecond)
	begun := time.Now()
	require.Equal(t, "6D00", say(t, v, "00FF0000"))
	require.GreaterOrEqual(t, time.Since(begun), 6*time.Millisecond)
}
