package cardsim

import (
	"encoding/binary"
	"errors"
)

var errTLV = errors.New("cannot read a TLV: truncated or too long")

// tlv encodes a BER-TLV with a tag of one to three bytes and a value of less than 0x10000 bytes.
func tlv(tag uint32, parts ...[]byte) []byte {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	out := appendLength(appendTag(nil, tag), size)
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

func appendTag(out []byte, tag uint32) []byte {
	switch {
	case tag > 0xFFFF:
		return append(out, byte(tag>>16), byte(tag>>8), byte(tag))
	case tag > 0xFF:
		return binary.BigEndian.AppendUint16(out, uint16(tag))
	}
	return append(out, byte(tag))
}

func appendLength(out []byte, size int) []byte {
	switch {
	case size < 0x80:
		return append(out, byte(size))
	case size < 0x100:
		return append(out, 0x81, byte(size))
	}
	return append(out, 0x82, byte(size>>8), byte(size))
}

// cutTLV splits the first TLV from b; its tag must be one byte.
func cutTLV(b []byte) (tag byte, value, rest []byte, err error) {
	if len(b) < 2 {
		return 0, nil, nil, errTLV
	}
	tag = b[0]
	size, rest, err := cutLength(b[1:])
	if err != nil || size > len(rest) {
		return 0, nil, nil, errTLV
	}
	return tag, rest[:size], rest[size:], nil
}

// cutLength reads a BER length of up to two bytes; b is not empty.
func cutLength(b []byte) (int, []byte, error) {
	switch {
	case b[0] < 0x80:
		return int(b[0]), b[1:], nil
	case b[0] == 0x81 && len(b) >= 2:
		return int(b[1]), b[2:], nil
	case b[0] == 0x82 && len(b) >= 3:
		return int(binary.BigEndian.Uint16(b[1:])), b[3:], nil
	}
	return 0, nil, errTLV
}
