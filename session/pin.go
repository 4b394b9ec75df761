package session

// Instructions that carry a PIN (ISO 7816-4): VERIFY, CHANGE REFERENCE DATA,
// RESET RETRY COUNTER, and their odd (BER-TLV) forms.
const (
	insVerify      = 0x20
	insVerifyTLV   = 0x21
	insChange      = 0x24
	insChangeTLV   = 0x25
	insResetRetry  = 0x2C
	insResetRetryT = 0x2D
)

// SWSecurityStatus is 6982, security status not satisfied: the answer to a command that carries a PIN.
var SWSecurityStatus = []byte{0x69, 0x82}

// PINCard is a Card whose PIN the terminal's user can be asked for (SP4).
type PINCard interface {
	// VerifyPIN asks the user, has the card verify what they enter, and returns the card's status word, or one of ISO 7816-4 that says why
	// nothing was verified. header is CLA INS P1 P2 of the VERIFY that a program at the PdT sent; what it held never left the PdT.
	VerifyPIN(header [MinCommand]byte) ([]byte, error)
}

// blank gives the header of a VERIFY with data, and wipes the data; ok is false for any other command.
func blank(apdu []byte) (header []byte, ok bool) {
	if !CarriesPIN(apdu) || apdu[1] != insVerify {
		return nil, false
	}
	clear(apdu[MinCommand:])
	return apdu[:MinCommand], true
}

// CarriesPIN tells whether a command APDU would carry a PIN (SP2, SP4), whatever its class or
// channel. A VERIFY without data is the retry counter probe and carries none.
func CarriesPIN(apdu []byte) bool {
	if len(apdu) < MinCommand {
		return false
	}
	switch apdu[1] {
	case insVerify:
		return len(apdu) > MinCommand+1
	case insVerifyTLV, insChange, insChangeTLV, insResetRetry, insResetRetryT:
		return true
	}
	return false
}
