package cards

import (
	"encoding/binary"

	"tlagate/tla/pin"
)

// A reader with a PIN pad takes the PIN itself (PC/SC part 10): the PIN is never in this machine's memory.

// featureVerify is FEATURE_VERIFY_PIN_DIRECT.
const featureVerify = 0x06

// verifyCode returns the control code of the pad's VERIFY from the answer to GET_FEATURE_REQUEST: TLVs of 6 octets with
// a big-endian value; 0 = the reader has no pad.
func verifyCode(features []byte) uint32 {
	for ; len(features) >= 6; features = features[6:] {
		if features[0] == featureVerify && features[1] == 4 {
			return binary.BigEndian.Uint32(features[2:])
		}
	}
	return 0
}

// Values of a PIN_VERIFY_STRUCTURE (PC/SC part 10, 2.5.2).
const (
	padASCII   = 0x82   // bmFormatString: octets, left, ASCII
	padOnEnter = 0x02   // bEntryValidationCondition: validation key
	padOneText = 0x01   // bNumberMessage
	padFrench  = 0x040C // wLangId
	padStart   = 30     // bTimerOut, seconds until the first key
	padNextKey = 20     // bTimerOut2, seconds; together less than a command may last
)

// verifyStructure returns the structure from which the pad builds the VERIFY, in the card policy's format.
func verifyStructure(header [4]byte, f pin.Format) []byte {
	apdu := append(append([]byte(nil), header[:]...), byte(f.Length))
	for range f.Length {
		apdu = append(apdu, f.Pad)
	}
	b := []byte{padStart, padNextKey, padASCII, byte(f.Length), 0}
	b = append(b, byte(f.Max), byte(f.Min)) // wPINMaxExtraDigit, little-endian: most, least
	b = append(b, padOnEnter, padOneText)
	b = binary.LittleEndian.AppendUint16(b, padFrench)
	b = append(b, 0, 0, 0, 0) // bMsgIndex, bTeoPrologue
	b = binary.LittleEndian.AppendUint32(b, uint32(len(apdu)))
	return append(b, apdu...)
}

// Pad returns the control code of the reader's PIN pad; 0 = it has none.
func (l *Lease) Pad() (code uint32, err error) {
	features, err := l.do(func() ([]byte, error) { return l.card.Features(), nil })
	return verifyCode(features), err
}

// VerifyOnPad has the user enter the PIN at the reader, whose pad has that control code.
func (l *Lease) VerifyOnPad(code uint32, header [4]byte, f pin.Format) ([]byte, error) {
	sw, err := l.do(func() ([]byte, error) { return l.card.Control(code, verifyStructure(header, f)) })
	return sw, alone(sw, err)
}
