package session

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// vectors reads testdata/frames.txt.
func vectors(t testing.TB) map[string][]byte {
	text, err := os.ReadFile("testdata/frames.txt")
	require.NoError(t, err)
	found := map[string][]byte{}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] == "#" {
			continue
		}
		b, err := hex.DecodeString(strings.Join(fields[1:], ""))
		require.NoError(t, err, fields[0])
		found[fields[0]] = b
	}
	require.Len(t, found, 23)
	return found
}

func TestFrameVectors(t *testing.T) {
	for name, b := range vectors(t) {
		t.Run(name, func(t *testing.T) {
			var buf []byte
			r := bytes.NewReader(b)
			f, err := readFrame(r, &buf)
			require.NoError(t, err)
			require.Zero(t, r.Len(), "octets left over")
			require.Equal(t, b, appendFrame(nil, f.typ, f.slot, f.payload), "round trip")
			for n := range b {
				_, err := readFrame(bytes.NewReader(b[:n]), &buf)
				want := io.ErrUnexpectedEOF
				if n == 0 {
					want = io.EOF
				}
				require.ErrorIs(t, err, want, "truncated to %d octets", n)
			}
		})
	}
}

// What this package writes is what the vectors say.
func TestEncodersMatchVectors(t *testing.T) {
	v := vectors(t)
	x := exchangeID{1, 1}
	require.Equal(t, v["command-select"], appendFrame(nil, frameCommand, SlotCPS, x.bytes(),
		[]byte{0, 0xA4, 0, 0, 2, 0x3F, 0}))
	require.Equal(t, v["reset-cold"], appendFrame(nil, frameReset, SlotCPS,
		exchangeID{1, 2}.bytes(), []byte{byte(ResetCold)}))
	require.Equal(t, v["verify-cps"], appendFrame(nil, frameVerify, SlotCPS, exchangeID{1, 3}.bytes(),
		[]byte{0, 0x20, 0, 0x81}))
	require.Equal(t, v["response-done"], appendFrame(nil, frameResponse, SlotCPS, x.bytes(),
		[]byte{byte(Done)}, []byte{0x90, 0}))
	require.Equal(t, v["response-stale"], appendFrame(nil, frameResponse, SlotCPS, exchangeID{3, 3}.bytes(),
		[]byte{byte(StaleEpoch)}))
	require.Equal(t, v["removed-cps"], appendFrame(nil, frameRemoved, SlotCPS, epochBytes(2)))
	require.Equal(t, v["shown-cps"], appendFrame(nil, frameShown, SlotCPS, epochBytes(1)))
	require.Equal(t, v["ahead-read"], appendFrame(nil, frameAhead, SlotCPS,
		promised{1, 3, []byte{0, 0xB0, 0, 64, 32}, []byte{1, 2, 3, 0x90, 0}}.parts()...))
	require.Equal(t, v["ask-read"], appendFrame(nil, frameAsk, SlotCPS, exchangeID{1, 7}.bytes(), numberBytes(2),
		[]byte{0, 0xB0, 0, 64, 32}))
	require.Equal(t, v["take-read"], appendFrame(nil, frameTake, SlotCPS, exchangeID{1, 8}.bytes(), numberBytes(3)))
	const id = "00112233445566778899aabbccddeeff"
	octets := make([]byte, 64)
	for i := range octets {
		octets[i] = byte(i)
	}
	secret, binding := octets[:32], octets[32:]
	raw, err := hex.DecodeString(id)
	require.NoError(t, err)
	first, again := newHelloTLA(ID(raw)), newHelloTLA(ID(raw))
	first.Shown = true
	ahead := first
	ahead.Ahead = offer(64)
	again.Resume = &resumeTLA{2, prove(secret, proofTerminal, 2, binding), []slotSeqText{{0, 7}, {1, 0}}}
	for name, hello := range map[string]any{
		"hello-tla":       first,
		"hello-tla-ahead": ahead,
		"hello-pdt-ahead": helloPdT{Version: 1, Session: id, Shown: true, Ahead: offer(16)},
		"hello-pdt-again-ahead": helloPdT{Version: 1, Session: id,
			Resume: &resumePdT{prove(secret, proofWorkstation, 2, binding),
				[]slotPendingText{{0, 8, new(uint32(7))}, {1, 0, new(uint32(0))}}}},
		"hello-tla-old":   newHelloTLA(ID(raw)),
		"hello-pdt":       helloPdT{Version: 1, Session: id, Shown: true},
		"hello-pdt-old":   helloPdT{Version: 1, Session: id},
		"hello-tla-again": again,
		"hello-pdt-again": helloPdT{Version: 1, Session: id,
			Resume: &resumePdT{prove(secret, proofWorkstation, 2, binding),
				[]slotPendingText{{Slot: 0, Pending: 8}, {Slot: 1}}}},
	} {
		text, err := json.Marshal(hello)
		require.NoError(t, err)
		require.Equal(t, v[name], appendFrame(nil, frameHello, 0, text), name)
	}
	bye, err := json.Marshal(Bye{ByeStopped, "The user ended it."})
	require.NoError(t, err)
	require.Equal(t, v["bye-stopped"], appendFrame(nil, frameBye, 0, bye))
}

func TestFrameRefused(t *testing.T) {
	for name, b := range map[string][]byte{
		"type 0":            {0, 0, 0, 0, 0, 4, 1, 2, 3, 4},
		"type 15":           {15, 0, 0, 0, 0, 4, 1, 2, 3, 4},
		"ahead of nothing":  append([]byte{11, 0, 0, 0, 0, 15}, make([]byte, 15)...),
		"ahead too long":    {11, 0, 0, 1, 0, 41},
		"ask of 3":          append([]byte{12, 0, 0, 0, 0, 15}, make([]byte, 15)...),
		"ask of 65545":      {12, 0, 0, 1, 0, 21},
		"take too short":    append([]byte{13, 0, 0, 0, 0, 11}, make([]byte, 11)...),
		"take too long":     append([]byte{13, 0, 0, 0, 0, 13}, make([]byte, 13)...),
		"shown in slot 2":   {14, 2, 0, 0, 0, 4, 1, 2, 3, 4},
		"shown too short":   {14, 0, 0, 0, 0, 3, 1, 2, 3},
		"shown too long":    {14, 0, 0, 1, 0, 0},
		"slot 2":            {3, 2, 0, 0, 0, 4, 1, 2, 3, 4},
		"removed too short": {3, 0, 0, 0, 0, 3, 1, 2, 3},
		"removed too long":  {3, 0, 0, 0, 0, 5, 1, 2, 3, 4, 5},
		"command of 3":      {4, 0, 0, 0, 0, 11, 0, 0, 0, 1, 0, 0, 0, 1, 1, 2, 3},
		"command of 65545":  {4, 0, 0, 1, 0, 17},
		"4 GiB":             {6, 0, 0xff, 0xff, 0xff, 0xff},
		"ATR of 1":          {2, 0, 0, 0, 0, 6, 0, 0, 0, 1, 0, 0x3b},
	} {
		t.Run(name, func(t *testing.T) {
			var buf []byte
			_, err := readFrame(bytes.NewReader(b), &buf)
			var broken *ProtocolError
			require.ErrorAs(t, err, &broken)
			require.Less(t, cap(buf), 100, "nothing is allocated for a frame that is refused")
		})
	}
}

func FuzzFrame(f *testing.F) {
	for _, b := range vectors(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var buf []byte
		r := bytes.NewReader(b)
		fr, err := readFrame(r, &buf)
		if err == nil {
			require.Equal(t, b[:len(b)-r.Len()], appendFrame(nil, fr.typ, fr.slot, fr.payload))
			if fr.typ == frameAhead {
				checkAhead(t, fr.payload)
			}
			return
		}
		var broken *ProtocolError
		require.True(t, errors.As(err, &broken) || errors.Is(err, io.EOF) ||
			errors.Is(err, io.ErrUnexpectedEOF), "%v", err)
	})
}

// checkAhead: what can be taken apart is put together the same.
func checkAhead(t *testing.T, payload []byte) {
	p, err := splitAhead(payload)
	if err != nil {
		require.ErrorAs(t, err, new(*ProtocolError))
		return
	}
	require.GreaterOrEqual(t, len(p.command), MinCommand)
	require.GreaterOrEqual(t, len(p.response), MinResponse)
	require.Equal(t, payload, bytes.Join(p.parts(), nil))
}

func TestCarriesPIN(t *testing.T) {
	for _, c := range []struct {
		name string
		apdu []byte
		want bool
	}{
		{"VERIFY with data", []byte{0, 0x20, 0, 1, 4, 1, 2, 3, 4}, true},
		{"VERIFY on channel 1", []byte{1, 0x20, 0, 1, 4, 1, 2, 3, 4}, true},
		{"VERIFY chained", []byte{0x10, 0x20, 0, 1, 4, 1, 2, 3, 4}, true},
		{"VERIFY extended", []byte{0, 0x20, 0, 1, 0, 0, 1, 1}, true},
		{"VERIFY proprietary class", []byte{0x80, 0x20, 0, 1, 1, 1}, true},
		{"VERIFY probe", []byte{0, 0x20, 0, 1}, false},
		{"VERIFY probe, P3 = 0", []byte{0, 0x20, 0, 1, 0}, false},
		{"VERIFY, odd", []byte{0, 0x21, 0, 1}, true},
		{"CHANGE REFERENCE DATA", []byte{0, 0x24, 0, 1, 2, 1, 2}, true},
		{"CHANGE REFERENCE DATA, odd", []byte{0, 0x25, 0, 1, 2, 1, 2}, true},
		{"RESET RETRY COUNTER", []byte{0, 0x2C, 0, 1, 2, 1, 2}, true},
		{"RESET RETRY COUNTER, odd", []byte{0, 0x2D, 0, 1, 2, 1, 2}, true},
		{"RESET RETRY COUNTER without data", []byte{0, 0x2C, 3, 1}, true},
		{"DISABLE VERIFICATION REQUIREMENT", []byte{0, 0x26, 0, 1, 2, 1, 2}, true},
		{"ENABLE VERIFICATION REQUIREMENT, odd", []byte{0, 0x29, 0, 1, 2, 1, 2}, true},
		{"VERIFY in an ENVELOPE", []byte{0, 0xC2, 0, 0, 9, 0, 0x20, 0, 1, 4, 1, 2, 3, 4}, true},
		{"VERIFY in an extended ENVELOPE", []byte{0, 0xC2, 0, 0, 0, 0, 9, 0, 0x20, 0, 1, 4, 1, 2, 3, 4}, true},
		{"the beginning of CHANGE in an ENVELOPE", []byte{0x10, 0xC2, 0, 0, 2, 0, 0x24}, true},
		{"SELECT in an ENVELOPE", []byte{0, 0xC2, 0, 0, 7, 0, 0xA4, 0, 0, 2, 0x3F, 0}, false},
		{"the class alone in an ENVELOPE", []byte{0x10, 0xC2, 0, 0, 1, 0}, true},
		{"the class alone in an extended ENVELOPE", []byte{0x10, 0xC2, 0, 0, 0, 0, 1, 0}, true},
		{"ENVELOPE of nothing", []byte{0, 0xC2, 0, 0, 0}, false},
		{"ENVELOPE, odd", []byte{0, 0xC3, 0, 0, 1, 0}, true},
		{"SELECT", []byte{0, 0xA4, 0, 0, 2, 0x3F, 0}, false},
		{"PSO", []byte{0, 0x2A, 0x9E, 0x9A, 1, 1}, false},
		{"too short", []byte{0, 0x20}, false},
	} {
		t.Run("SP4 "+c.name, func(t *testing.T) { require.Equal(t, c.want, CarriesPIN(c.apdu)) })
	}
}
