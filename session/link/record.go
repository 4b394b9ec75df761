package link

import (
	"encoding/binary"
	"fmt"
	"io"
)

// Type is the first octet of a record.
type Type uint8

// The records; the direction is the sender's.
const (
	TypeJoined Type = 1 // gateway → PdT: JSON [Joined], first and once
	TypeData   Type = 2 // both: bytes of the card session
	TypeStatus Type = 3 // both: signed revocation answers
	TypePing   Type = 4 // both: 8 octets
	TypePong   Type = 5 // both: the 8 octets of the ping
	TypeNotice Type = 6 // gateway → end: JSON [Notice]
)

const (
	headerLen = 3
	// MaxPayload is the longest payload of a record, in octets: one TLS record and some room.
	MaxPayload = 16896
	pingLen    = 8
)

// ProtocolError says how a peer broke docs/protocol.md.
type ProtocolError struct{ Detail string }

func (e *ProtocolError) Error() string { return "peer broke the link protocol: " + e.Detail }

func protocolErrorf(format string, args ...any) error {
	return &ProtocolError{Detail: fmt.Sprintf(format, args...)}
}

// appendHeader adds type(1) length(2).
func appendHeader(b []byte, t Type, n int) []byte {
	return binary.BigEndian.AppendUint16(append(b, byte(t)), uint16(n))
}

// readRecord reads one record; its payload is put in buf, which must hold MaxPayload octets.
// The error is io.EOF only between two records.
func readRecord(r io.Reader, buf []byte) (Type, []byte, error) {
	header := buf[:headerLen]
	if _, err := io.ReadFull(r, header); err != nil {
		return 0, nil, err
	}
	t, n := Type(header[0]), int(binary.BigEndian.Uint16(header[1:]))
	if err := checkHeader(t, n); err != nil {
		return 0, nil, err
	}
	if _, err := io.ReadFull(r, buf[:n]); err != nil {
		return 0, nil, noEOF(err)
	}
	return t, buf[:n], nil
}

func checkHeader(t Type, n int) error {
	switch {
	case t < TypeJoined || t > TypeNotice:
		return protocolErrorf("record type %d", t)
	case n > MaxPayload:
		return protocolErrorf("record of %d octets", n)
	case (t == TypePing || t == TypePong) && n != pingLen:
		return protocolErrorf("ping of %d octets", n)
	}
	return nil
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
