package integration

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/integration/cardsim"
	"tlagate/integration/lab"
)

// hostileCard answers as it likes to what it has something for; to the rest as the card beneath it does.
type hostileCard struct {
	*cardsim.CPS
	says func(cmd []byte) []byte // nil = what the card says
}

// Process implements cardsim.Card.
func (h *hostileCard) Process(cmd []byte) []byte {
	if answer := h.says(cmd); answer != nil {
		return answer
	}
	return h.CPS.Process(cmd)
}

// answers has a card answer so to an instruction, and to what fetches the rest of it.
func answers(ins byte, answer []byte) func([]byte) []byte {
	last := byte(0)
	return func(cmd []byte) []byte {
		if cmd[1] != 0xC0 {
			last = cmd[1]
		}
		if last == ins && cmd[0]&0x10 == 0 {
			return bytes.Clone(answer)
		}
		return nil
	}
}

// TestC2AHostileCardProvesNobody: whatever a card in the reader answers, the start ends with a reason, and the relay
// serves the next card.
func TestC2AHostileCardProvesNobody(t *testing.T) {
	l := newUserLab(t, "require")
	endless := append(bytes.Repeat([]byte{0x30}, 256), 0x61, 0x00)
	toTheCode := func(answer ...byte) func([]byte) []byte {
		return func(cmd []byte) []byte {
			if cmd[1] == 0x20 && len(cmd) > 5 {
				return bytes.Clone(answer)
			}
			return nil
		}
	}
	for name, c := range map[string]struct {
		says  func([]byte) []byte
		codes []string
		cause string
	}{
		"SELECT without end":        {answers(0xA4, endless), nil, "card_failed"},
		"a certificate without end": {answers(0xCB, endless), nil, "card_failed"},
		"always another length":     {answers(0xCB, []byte{0x6C, 0x10}), nil, "card_failed"},
		"lengths in lengths": {answers(0xCB, append(bytes.Repeat([]byte{0x53, 0x82, 0x00, 0xF0}, 60), 0x90, 0)), nil,
			"card_failed"},
		"more than a status word to the code": {toTheCode(1, 2, 3, 0x90, 0), []string{theCode}, "card_failed"},
		"no signature": {answers(0x87, []byte{0x7C, 0x02, 0x82, 0x00, 0x90, 0}), []string{theCode},
			"card_failed"},
		"a signature of nothing": {answers(0x87, []byte{0x7C, 0x0A, 0x82, 0x08, 0x30, 0x06, 2, 1, 1, 2, 1, 1, 0x90, 0}),
			[]string{theCode}, "card_failed"},
	} {
		t.Run("C2 "+name, func(t *testing.T) {
			putIn(t, l, &hostileCard{newCardOf(t, l, lab.Doctor, nil), c.says})
			w := startRefusedAs(t, l, c.codes...)
			require.Equal(t, []string{"user_required", c.cause}, []string{w.Reason, w.Cause})
		})
	}
	t.Run("C2 not even a status word", func(t *testing.T) {
		putIn(t, l, &hostileCard{newCardOf(t, l, lab.Doctor, nil), answers(0xCB, []byte{0x90})})
		require.Equal(t, "card_out", startRefusedAs(t, l).Reason)
		putIn(t, l, &hostileCard{newCardOf(t, l, lab.Doctor, nil), toTheCode(0x90)})
		require.Equal(t, "card_out", startRefusedAs(t, l, theCode).Reason)
	})
	putIn(t, l, l.CPS)
	a := startAs(t, l, theCode)
	require.True(t, a.OK, "%+v", a.Error)
}
