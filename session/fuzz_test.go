package session

import (
	"encoding/hex"
	"net"
	"slices"
	"testing"
	"time"
)

// FuzzTerminal: whatever its PdT sends, a TLA ends and does not panic.
func FuzzTerminal(f *testing.F) {
	const id = "00112233445566778899aabbccddeeff"
	v := vectors(f)
	hello := v["hello-pdt"]
	f.Add(append(append(append([]byte(nil), hello...), v["command-select"]...), v["reset-cold"]...))
	f.Add(append(append([]byte(nil), hello...), v["bye-stopped"]...))
	f.Add(slices.Concat(hello, v["shown-cps"], v["shown-cps"], v["reset-cold"], v["shown-cps"]))
	f.Add(slices.Concat(v["hello-pdt-old"], v["shown-cps"]))
	f.Add(slices.Concat(v["hello-pdt-ahead"], readFrom1(v["ask-read"]), v["take-read"], v["reset-cold"]))
	f.Add(slices.Concat(v["hello-pdt-ahead"], v["take-read"]))
	f.Fuzz(func(t *testing.T, b []byte) {
		raw, _ := hex.DecodeString(id)
		near, far := net.Pipe()
		go drain(far)
		term, err := OpenTerminal(near, TerminalConfig{ID: ID(raw), Timers: Timers{Heartbeat: time.Minute},
			Ahead: 8})
		if err != nil {
			t.Fatal(err)
		}
		if err := term.Insert(SlotCPS, fakeATR, T1, newReadCard()); err != nil {
			t.Fatal(err)
		}
		go func() { far.Write(b); far.Close() }()
		if err := term.Run(t.Context()); err == nil {
			t.Fatal("Run ended without a reason")
		}
	})
}

// readFrom1 returns an ask with the first number.
func readFrom1(ask []byte) []byte {
	first := slices.Clone(ask)
	first[frameHeaderLen+exchangeLen-1] = 1
	return first
}

// FuzzWorkstation: whatever its TLA sends, a PdT ends and does not panic.
func FuzzWorkstation(f *testing.F) {
	v := vectors(f)
	f.Add(append(append([]byte(nil), v["inserted-cps"]...), v["removed-cps"]...))
	f.Add(append(append([]byte(nil), v["inserted-cps"]...), v["response-done"]...))
	f.Add(slices.Concat(v["inserted-cps"], v["ahead-read"], v["response-done"], v["ahead-read"]))
	f.Fuzz(func(t *testing.T, b []byte) {
		near, far := net.Pipe()
		go drain(far)
		w := newWorkstation(near, WorkstationConfig{Timers: Timers{Heartbeat: time.Minute},
			Inserted: func(Slot, Inserted) {}, Removed: func(Slot) {}})
		w.beginAhead(8)
		go w.Transmit(t.Context(), SlotCPS, 1, make([]byte, 4))
		go func() { far.Write(b); far.Close() }()
		if err := w.Run(t.Context()); err == nil {
			t.Fatal("Run ended without a reason")
		}
	})
}
