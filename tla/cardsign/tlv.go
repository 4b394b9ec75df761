package cardsign

import "errors"

// Tags of one octet, for what PIV and PKCS#15 cards answer.
const (
	tagSequence       = 0x30
	tagObject         = 0x53
	tagList           = 0x5C
	tagCertificate    = 0x70
	tagCertInfo       = 0x71
	tagAuthentication = 0x7C
	tagChallenge      = 0x81
	tagResponse       = 0x82
)

var errTLV = errors.New("cannot read what the card answered: its lengths do not add up")

// tlv returns a value with its tag and length, of at most 65 535 octets.
func tlv(tag byte, value []byte) []byte {
	n := len(value)
	b := []byte{tag}
	switch {
	case n < 0x80:
		b = append(b, byte(n))
	case n < 0x100:
		b = append(b, 0x81, byte(n))
	default:
		b = append(b, 0x82, byte(n>>8), byte(n))
	}
	return append(b, value...)
}

// cut takes the first value off b; its tag has one octet.
func cut(b []byte) (tag byte, value, rest []byte, err error) {
	if len(b) < 2 || b[0]&0x1F == 0x1F {
		return 0, nil, nil, errTLV
	}
	tag, n, b := b[0], int(b[1]), b[2:]
	if n >= 0x80 {
		size := n & 0x7F
		if size == 0 || size > 2 || size > len(b) {
			return 0, nil, nil, errTLV
		}
		n = 0
		for _, o := range b[:size] {
			n = n<<8 | int(o)
		}
		b = b[size:]
	}
	if n > len(b) {
		return 0, nil, nil, errTLV
	}
	return tag, b[:n], b[n:], nil
}

// only returns the value of b, which has to be the only one in it, with that tag.
func only(b []byte, want byte) ([]byte, error) {
	tag, value, rest, err := cut(b)
	if err == nil && (tag != want || len(rest) > 0) {
		err = errTLV
	}
	return value, err
}
