package cardsign

import (
	"fmt"

	"tlagate/session"
)

// Instructions, parameters and status words (ISO 7816-4, -8; SP 800-73-4).
const (
	insVerify               = 0x20
	insMSE                  = 0x22
	insPSO                  = 0x2A
	insGeneralAuthenticate  = 0x87
	insInternalAuthenticate = 0x88
	insSelect               = 0xA4
	insReadBinary           = 0xB0
	insGetData              = 0xCB

	chained = 0x10 // bit of the class: more follows

	selectByName  = 0x04
	selectFile    = 0x02 // of the application, by its identifier
	selectPath    = 0x09
	selectNoData  = 0x0C // of P2: no answer is wanted
	mostInCommand = 255  // octets of data

	swOK        = 0x9000
	swEndOfFile = 0x6282
	swBadOffset = 0x6B00
)

// Whether a command wants an answer.
const (
	noLe   = false
	withLe = true
)

// refusal is a status word by which a card declined a command.
type refusal struct {
	ins byte
	sw  uint16
}

func (r *refusal) Error() string {
	return fmt.Sprintf("the card answered %04X to the instruction %02X", r.sw, r.ins)
}

// send sends a command, in parts if its data are long, and returns what the card answered to the last.
func (k *Key) send(ins, p1, p2 byte, data []byte, le bool) (answer []byte, sw uint16, err error) {
	for len(data) > mostInCommand {
		_, sw, err := k.sendOne(k.app.Channel|chained, ins, p1, p2, data[:mostInCommand], noLe)
		if err != nil || sw != swOK {
			return nil, sw, err
		}
		data = data[mostInCommand:]
	}
	return k.sendOne(k.app.Channel, ins, p1, p2, data, le)
}

func (k *Key) sendOne(cla, ins, p1, p2 byte, data []byte, le bool) (answer []byte, sw uint16, err error) {
	apdu := []byte{cla, ins, p1, p2}
	if len(data) > 0 {
		apdu = append(append(apdu, byte(len(data))), data...)
	}
	if le {
		apdu = append(apdu, 0)
	}
	return split(k.card.Exchange(apdu))
}

// split returns data and status word of an answer.
func split(whole []byte, err error) (answer []byte, sw uint16, _ error) {
	if err != nil {
		return nil, 0, err
	}
	n := len(whole) - session.MinResponse
	if n < 0 {
		return nil, 0, session.ErrCardLost
	}
	return whole[:n], uint16(whole[n])<<8 | uint16(whole[n+1]), nil
}

// must is send for a command that has to succeed.
func (k *Key) must(ins, p1, p2 byte, data []byte, le bool) ([]byte, error) {
	answer, sw, err := k.send(ins, p1, p2, data, le)
	if err == nil && sw != swOK {
		err = &refusal{ins, sw}
	}
	return answer, err
}
