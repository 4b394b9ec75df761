package cards

import "tlagate/session"

// A program at the PdT finds out from the ATR which protocol a card speaks, and its PC/SC service prefers T=1. A reader
// here may know no T=1, or not with this card, and then speaks T=0. So that programs get what T=1 promises, the
// terminal does what ISO 7816-3 (12.2) leaves to a user of T=0. Programs that do it by themselves do not notice.

const (
	insGetResponse = 0xC0
	swMore         = 0x61 // SW2 octets wait
	swWrongLe      = 0x6C // SW2 octets are there, nothing was done
)

// asT1 sends a short command over T=0 and returns the answer that T=1 would have. An extended one is left to the
// reader.
func asT1(send func([]byte) ([]byte, error), apdu []byte) ([]byte, error) {
	ne := wanted(apdu)
	if ne == 0 {
		return send(apdu)
	}
	if len(apdu) > session.MinCommand+1 { // case 4: T=0 has no Le beside data
		apdu = apdu[:len(apdu)-1]
	}
	answer, err := exactly(send, apdu, ne)
	for err == nil && len(answer) >= session.MinResponse {
		have, more := len(answer)-2, waiting(answer)
		if more == 0 || have >= ne {
			break
		}
		var rest []byte
		rest, err = exactly(send, fetch(apdu[0], min(more, ne-have)), ne-have)
		if len(rest) <= session.MinResponse { // no data came: its status word is that of the whole answer
			answer = append(answer[:have], rest...)
			break
		}
		answer = joined(answer[:have], rest)
	}
	return answer, err
}

// joined returns rest after answer, and wipes both: octets of a card are to be in one place only.
func joined(answer, rest []byte) []byte {
	defer clear(rest)
	defer clear(answer)
	return append(append(make([]byte, 0, len(answer)+len(rest)), answer...), rest...)
}

// wanted returns how many octets a short command asks for, 1 to 256; 0 = none, or the command is extended.
func wanted(apdu []byte) int {
	body := apdu[session.MinCommand:]
	if len(body) == 1 || len(body) > 2 && body[0] != 0 && len(body) == 2+int(body[0]) {
		return octets(body[len(body)-1])
	}
	return 0
}

// octets returns the number that an octet of length stands for: 00 is 256.
func octets(n byte) int { return (int(n)+255)%256 + 1 }

// waiting returns how many octets a card says it has for GET RESPONSE.
func waiting(answer []byte) int {
	if answer[len(answer)-2] != swMore {
		return 0
	}
	return octets(answer[len(answer)-1])
}

// fetch returns the GET RESPONSE for a command of that class: on its channel, neither chained nor secured.
func fetch(class byte, n int) []byte {
	switch {
	case class&0x80 != 0: // proprietary: only its card knows what its bits mean
	case class&0x40 != 0:
		class &^= 0x30
	default:
		class &= 0x03
	}
	return []byte{class, insGetResponse, 0, 0, byte(n)}
}

// exactly sends a command, and once more with the right Le if the card asks for that and has no more than ne octets.
func exactly(send func([]byte) ([]byte, error), apdu []byte, ne int) ([]byte, error) {
	answer, err := send(apdu)
	if err != nil || len(apdu) != session.MinCommand+1 || len(answer) != session.MinResponse || answer[0] != swWrongLe {
		return answer, err
	}
	if octets(answer[1]) > ne {
		return answer, nil
	}
	return send(append(append(make([]byte, 0, len(apdu)), apdu[:session.MinCommand]...), answer[1]))
}
