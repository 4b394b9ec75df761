package policy

import "errors"

// The instructions the guard itself knows (ISO 7816-4).
const (
	insVerify        = 0x20
	insManageChannel = 0x70
	insSelect        = 0xA4
	insSelectTLV     = 0xA5
	insGetResponse   = 0xC0
	insEnvelope      = 0xC2
	insEnvelopeTLV   = 0xC3
)

// command is a command APDU taken apart (ISO 7816-3, 12.1).
type command struct {
	cla, ins, p1, p2 byte
	data             []byte // a part of the APDU
	le               int    // octets wanted: 1..65 536; 0 = none
	extended         bool   // lengths of two octets
}

var errMalformed = errors.New("its lengths do not add up")

// parse takes an APDU apart; its error is for what fits none of the seven cases.
func parse(apdu []byte) (command, error) {
	if len(apdu) < 4 {
		return command{}, errMalformed
	}
	c := command{cla: apdu[0], ins: apdu[1], p1: apdu[2], p2: apdu[3]}
	body := apdu[4:]
	switch {
	case len(body) == 0: // case 1
		return c, nil
	case len(body) == 1: // case 2
		c.le = orMax(int(body[0]), 256)
		return c, nil
	case body[0] != 0:
		return c.short(body)
	}
	c.extended = true
	return c.long(body[1:])
}

// unread returns what can be said of an APDU that does not add up: its header, and its length.
func unread(apdu []byte) command {
	var c command
	for i, field := range []*byte{&c.cla, &c.ins, &c.p1, &c.p2} {
		if i < len(apdu) {
			*field = apdu[i]
		}
	}
	c.data = apdu
	return c
}

// short reads cases 3 and 4: Lc, data, and perhaps Le.
func (c command) short(body []byte) (command, error) {
	lc := int(body[0])
	switch len(body) {
	case 1 + lc:
	case 2 + lc:
		c.le = orMax(int(body[1+lc]), 256)
	default:
		return c, errMalformed
	}
	c.data = body[1 : 1+lc]
	return c, nil
}

// long reads the extended cases, after their leading zero.
func (c command) long(body []byte) (command, error) {
	if len(body) < 2 {
		return c, errMalformed
	}
	n := int(body[0])<<8 | int(body[1])
	if len(body) == 2 { // case 2E
		c.le = orMax(n, 65536)
		return c, nil
	}
	switch {
	case n > 0 && len(body) == 2+n: // case 3E
	case n > 0 && len(body) == 4+n: // case 4E
		c.le = orMax(int(body[2+n])<<8|int(body[3+n]), 65536)
	default:
		return c, errMalformed
	}
	c.data = body[2 : 2+n]
	return c, nil
}

// orMax returns n, or largest if n is zero, which stands for it.
func orMax(n, largest int) int {
	if n == 0 {
		return largest
	}
	return n
}

// Class octets (ISO 7816-4, 5.4.1). What the bits of a proprietary class mean, only its card knows.
const (
	claProprietary = 0x80
	claFurther     = 0x40 // further interindustry: channels 4 to 19
	claChained     = 0x10
)

func (c command) proprietary() bool { return c.cla&claProprietary != 0 }

func (c command) further() bool { return c.cla&claFurther != 0 && !c.proprietary() }

// chained reports whether more parts of this command follow.
func (c command) chained() bool { return c.cla&claChained != 0 && !c.proprietary() }

// channel returns the logical channel, 0 to 19.
func (c command) channel() int {
	switch {
	case c.proprietary():
		return 0
	case c.further():
		return 4 + int(c.cla&0x0F)
	}
	return int(c.cla & 0x03)
}

// secure reports whether the command is under secure messaging, so that only the card knows what it says.
func (c command) secure() bool {
	switch {
	case c.proprietary():
		return false
	case c.further():
		return c.cla&0x20 != 0
	}
	return c.cla&0x0C != 0
}

// plainClass returns the class as it would be on channel 0 and unchained; a secured one keeps a bit that says so.
func (c command) plainClass() byte {
	switch {
	case c.proprietary():
		return c.cla
	case c.further():
		return (c.cla & 0x20) >> 2
	}
	return c.cla & 0x0C
}

// validClass reports whether the class is valid: FF is not, and 001x xxxx is reserved.
func (c command) validClass() bool { return c.cla != 0xFF && c.cla&0xE0 != 0x20 }

// veiled reports whether the data of the instruction hide another command, or are BER-TLV.
func (c command) veiled() bool { return c.ins == insEnvelope || c.ins&1 == 1 }

// hides reports whether the command may amount to a SELECT.
func (c command) hides() bool {
	return c.ins == insEnvelope || c.ins == insEnvelopeTLV || c.ins == insSelectTLV
}

// status returns SW1 and SW2 of a response.
func status(response []byte) (sw1, sw2 byte) {
	n := len(response)
	if n < 2 {
		return 0, 0
	}
	return response[n-2], response[n-1]
}

// succeeded reports normal processing, or a warning (ISO 7816-4, 5.6).
func succeeded(response []byte) bool {
	sw1, sw2 := status(response)
	return sw1 == 0x90 && sw2 == 0 || sw1 == 0x61 || sw1 == 0x62 || sw1 == 0x63
}

// failed reports that nothing was executed, or not to its end (ISO 7816-4, 5.6).
func failed(response []byte) bool {
	sw1, _ := status(response)
	return sw1 >= 0x64 && sw1 <= 0x6F
}
