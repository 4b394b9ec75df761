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
