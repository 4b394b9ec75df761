package link

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// Status is one signed piece of revocation data: an OCSP answer, an ARL, or a CRL about persons (docs/protocol.md,
// section 2.1). The link carries it and does not judge it.
type Status struct {
	ARL bool // else an OCSP answer, unless CRL
	CRL bool // about persons, for a PdT alone
	DER []byte
}

// The kinds of pieces; others are ignored.
const (
	statusAnswer = 1
	statusARL    = 2
	statusCRL    = 3
)

// MaxCRL is the longest CRL about persons in a status, in octets.
const MaxCRL = 12 << 10

// MaxStatus is the longest payload of a status record, in octets.
const maxStatus = 16 << 10

const (
	pieceHeaderLen = 3
	maxPieces      = 64 // of one record
)

// WriteStatus sends pieces, in as many records as they need. It leaves out a piece that fits no record, and then
// returns an error.
func (l *Conn) WriteStatus(pieces []Status) error {
	payloads, err := encodeStatus(pieces)
	for _, p := range payloads {
		if err := l.WriteRecord(TypeStatus, p); err != nil {
			return err
		}
	}
	return err
}

func encodeStatus(pieces []Status) (payloads [][]byte, err error) {
	var now []byte
	count := 0 // of pieces in now
	for _, p := range pieces {
		size := pieceHeaderLen + len(p.DER)
		if most := p.most(); len(p.DER) > most {
			err = fmt.Errorf("cannot send a status of %d octets: at most %d fit", len(p.DER), most)
			continue
		}
		if len(now)+size > maxStatus || count == maxPieces {
			payloads, now, count = append(payloads, now), nil, 0
		}
		now, count = p.append(now), count+1
	}
	if len(now) > 0 {
		payloads = append(payloads, now)
	}
	return payloads, err
}

// most returns how long a piece of this kind may be.
func (s Status) most() int {
	if s.CRL {
		return MaxCRL
	}
	return maxStatus - pieceHeaderLen
}

// append appends type(1) length(2) DER.
func (s Status) append(b []byte) []byte {
	kind := byte(statusAnswer)
	switch {
	case s.ARL:
		kind = statusARL
	case s.CRL:
		kind = statusCRL
	}
	b = binary.BigEndian.AppendUint16(append(b, kind), uint16(len(s.DER)))
	return append(b, s.DER...)
}

// decodeStatus reads a payload, to which the pieces point.
func decodeStatus(payload []byte) ([]Status, error) {
	if len(payload) > maxStatus {
		return nil, protocolErrorf("status of %d octets", len(payload))
	}
	var pieces []Status
	for count := 1; len(payload) > 0; count++ {
		if len(payload) < pieceHeaderLen {
			return nil, protocolErrorf("status cut short")
		}
		if count > maxPieces {
			return nil, protocolErrorf("status of more than %d pieces", maxPieces)
		}
		kind, n := payload[0], int(binary.BigEndian.Uint16(payload[1:]))
		if payload = payload[pieceHeaderLen:]; n > len(payload) {
			return nil, protocolErrorf("status cut short")
		}
		piece := Status{kind == statusARL, kind == statusCRL, payload[:n]}
		if n > piece.most() {
			return nil, protocolErrorf("a CRL of %d octets in a status", n)
		}
		if kind >= statusAnswer && kind <= statusCRL {
			pieces = append(pieces, piece)
		}
		payload = payload[n:]
	}
	return pieces, nil
}

// Answers returns copies of the OCSP answers among pieces: the pieces are gone when OnStatus returns.
func Answers(pieces []Status) [][]byte {
	var list [][]byte
	for _, s := range pieces {
		if !s.ARL && !s.CRL {
			list = append(list, bytes.Clone(s.DER))
		}
	}
	return list
}
