package pdt

import (
	"encoding/binary"
	"io"
)

// The control octets of vpcd, each alone in its frame. Any other payload is a command APDU and expects one reply.
const (
	vpcdPowerOff = 0x00 // no reply
	vpcdPowerOn  = 0x01 // no reply
	vpcdReset    = 0x02 // no reply
	vpcdGetATR   = 0x04 // reply: the ATR
)

const (
	vpcdHeaderLen  = 2
	vpcdMaxPayload = 1<<16 - 1
)

// readVPCD reads one frame: length(2), payload. The caller owns the payload, and wipes it. The error is io.EOF only
// between two frames.
func readVPCD(r io.Reader) ([]byte, error) {
	var header [vpcdHeaderLen]byte
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

// appendVPCD appends one frame; payload is at most vpcdMaxPayload octets.
func appendVPCD(b, payload []byte) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(payload))), payload...)
}

// vpcdControl returns the control octet of a frame; ok reports whether it is one.
func vpcdControl(payload []byte) (control byte, ok bool) {
	if len(payload) != 1 {
		return 0, false
	}
	switch payload[0] {
	case vpcdPowerOff, vpcdPowerOn, vpcdReset, vpcdGetATR:
		return payload[0], true
	}
	return 0, false
}
