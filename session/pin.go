package session

// Instructions that carry a PIN (ISO 7816-4): these, their odd (BER-TLV) forms, and ENVELOPE when it holds one of them.
const (
	insVerify      = 0x20
	insChange      = 0x24 // CHANGE REFERENCE DATA
	insDisable     = 0x26 // DISABLE VERIFICATION REQUIREMENT
	insEnable      = 0x28 // ENABLE VERIFICATION REQUIREMENT
	insResetRetry  = 0x2C // RESET RETRY COUNTER
	insEnvelope    = 0xC2
	insEnvelopeTLV = 0xC3
)

// SWSecurityStatus is 6982, security status not satisfied: the answer to a command that carries a PIN.
var swSecurityStatus = []byte{0x69, 0x82}

// PINCard is a Card for whose PIN the terminal's user can be asked (SP4).
type PINCard interface {
	// VerifyPIN asks the user, has the card verify what they enter, and returns the card's status word, or one of
	// ISO 7816-4 that says why nothing was verified. header is CLA INS P1 P2 of the VERIFY that a program at the PdT
	// sent; its data never left the PdT.
	VerifyPIN(header [MinCommand]byte) ([]byte, error)
}

// blank wipes the data of a VERIFY and returns its header; ok is false for any other command.
func blank(apdu []byte) (header []byte, ok bool) {
	if !CarriesPIN(apdu) || apdu[1] != insVerify {
		return nil, false
	}
	clear(apdu[MinCommand:])
	return apdu[:MinCommand], true
}

// CarriesPIN reports whether a command APDU may carry a PIN (SP2, SP4), whatever its class or channel. A VERIFY without
// data only reads the retry counter, and carries none. A BER-TLV ENVELOPE counts, since its content cannot be known; so
// does one of a single octet, since the instruction may be in the next.
func CarriesPIN(apdu []byte) bool {
	if len(apdu) < MinCommand {
		return false
	}
	switch apdu[1] {
	case insVerify:
		return len(apdu) > MinCommand+1
	case insEnvelope:
		part := enveloped(apdu)
		return len(part) == 1 || ofPIN(part)
	case insEnvelopeTLV:
		return true
	}
	return ofPIN(apdu)
}

// ofPIN reports whether a command, or the beginning of one, has an instruction that carries a PIN.
func ofPIN(apdu []byte) bool {
	if len(apdu) < 2 {
		return false
	}
	switch apdu[1] &^ 1 {
	case insVerify, insChange, insDisable, insEnable, insResetRetry:
		return true
	}
	return false
}

// enveloped returns the data of an ENVELOPE, which are a command or a part of one.
func enveloped(apdu []byte) []byte {
	lc := MinCommand
	if len(apdu) > lc && apdu[lc] == 0 { // extended length
		lc += 2
	}
	return apdu[min(lc+1, len(apdu)):]
}
