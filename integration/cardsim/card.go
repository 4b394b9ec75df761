package cardsim

// Card is what a reader sees of a card. One reader at a time calls its methods; tests may observe the cards of this
// package meanwhile.
type Card interface {
	// ATR returns the answer to reset, which is never empty.
	ATR() []byte
	// PowerOn is a cold reset.
	PowerOn()
	// PowerOff ends the supply of power, as removal does.
	PowerOff()
	// Reset is a warm reset.
	Reset()
	// Process executes a command APDU and returns the response: data, then the two bytes of the status word. cmd is
	// only valid during the call.
	Process(cmd []byte) []byte
}

// Status words (ISO/IEC 7816-4).
const (
	swOK             = 0x9000
	swBytesLeft      = 0x6100 // low byte: how many
	swTriesLeft      = 0x63C0 // low nibble: how many
	swWrongLength    = 0x6700
	swChainExpected  = 0x6883
	swNotSatisfied   = 0x6982 // security status
	swBlocked        = 0x6983
	swConditions     = 0x6985
	swNoCurrentEF    = 0x6986
	swBadData        = 0x6A80
	swNotFound       = 0x6A82
	swWrongP1P2      = 0x6A86
	swNoReference    = 0x6A88
	swWrongOffset    = 0x6B00
	swExactLength    = 0x6C00 // low byte: the right Le
	swUnknownINS     = 0x6D00
	swUnknownCLA     = 0x6E00
	swCardMuted      = 0x6F00
	maxShortResponse = 256
)

// Instructions that both personalities know.
const (
	insSelect      = 0xA4
	insReadBinary  = 0xB0
	insGetResponse = 0xC0
)

// apdu is a parsed short command APDU, cases 1 to 4.
type apdu struct {
	cla, ins, p1, p2 byte
	data             []byte
	le               int // 0: none asked for; 1..256
}

// parse reads a short command; its second result is swOK, or the status word for what is wrong.
func parse(cmd []byte) (apdu, uint16) {
	if len(cmd) < 4 {
		return apdu{}, swWrongLength
	}
	a := apdu{cla: cmd[0], ins: cmd[1], p1: cmd[2], p2: cmd[3]}
	switch body := cmd[4:]; {
	case len(body) == 0:
	case len(body) == 1:
		a.le = expected(body[0])
	case body[0] != 0 && len(body) == 1+int(body[0]):
		a.data = body[1:]
	case body[0] != 0 && len(body) == 2+int(body[0]):
		a.data, a.le = body[1:len(body)-1], expected(body[len(body)-1])
	default:
		return apdu{}, swWrongLength
	}
	return a, swOK
}

func expected(le byte) int {
	if le == 0 {
		return maxShortResponse
	}
	return int(le)
}

// status returns a response without data.
func status(sw uint16) []byte { return []byte{byte(sw >> 8), byte(sw)} }

// respond returns a response with data.
func respond(data []byte, sw uint16) []byte {
	return append(append(make([]byte, 0, len(data)+2), data...), byte(sw>>8), byte(sw))
}

// bytesLeft returns 61xx; 6100 means 256 or more.
func bytesLeft(n int) uint16 { return swBytesLeft | uint16(byte(min(n, maxShortResponse))) }
