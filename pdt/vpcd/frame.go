package vpcd

import (
	"encoding/binary"
	"io"
)

// The control octets of vpcd, each alone in its frame. Any other payload is a command APDU and expects one reply.
const (
	powerOff  = 0x00 // no reply
	powerOn   = 0x01 // no reply
	warmReset = 0x02 // no reply
	getATR    = 0x04 // reply: the ATR
)

const (
	headerLen  = 2
	maxPayload = 1<<16 - 1
)

// readFrame reads one frame: length(2), payload. The caller owns the payload, and wipes it. The error is io.EOF only
// between two frames.
func readFrame(r io.Reader) ([]byte, error) {
	var header [headerLen]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return nil, err
	}
	payload := make([]byte, binary.BigEndian.Uint16(header[:]))
	if _, err := io.ReadFull(r, payload); err != nil {
		clear(payload)
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return payload, nil
}

// appendFrame appends one frame; payload is at most maxPayload octets.
func appendFrame(b, payload []byte) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(payload))), payload...)
}

// controlOf returns the control octet of a frame; ok reports whether it is one.
func controlOf(payload []byte) (control byte, ok bool) {
	if len(payload) != 1 {
		return 0, false
	}
	switch payload[0] {
	case powerOff, powerOn, warmReset, getATR:
		return payload[0], true
	}
	return 0, false
}
