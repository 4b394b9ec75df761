package session

import (
	"encoding/binary"
	"fmt"
	"io"
)

// FrameType is the first octet of a frame.
type frameType uint8

// The frames; the direction is the sender's.
const (
	frameHello    frameType = 1  // both, first: JSON
	frameInserted frameType = 2  // TLA → PdT: epoch(4) protocol(1) ATR
	frameRemoved  frameType = 3  // TLA → PdT: epoch(4)
	frameCommand  frameType = 4  // PdT → TLA: epoch(4) seq(4) command APDU
	frameReset    frameType = 5  // PdT → TLA: epoch(4) seq(4) kind(1)
	frameResponse frameType = 6  // TLA → PdT: epoch(4) seq(4) outcome(1) body
	framePing     frameType = 7  // both: 8 octets
	framePong     frameType = 8  // both: the 8 octets of the ping
	frameBye      frameType = 9  // both, last: JSON
	frameVerify   frameType = 10 // PdT → TLA: epoch(4) seq(4) CLA INS P1 P2
	frameAhead    frameType = 11 // TLA → PdT: epoch(4) promise(4) length(2) command response
	frameAsk      frameType = 12 // PdT → TLA: epoch(4) seq(4) got(4) command APDU
	frameTake     frameType = 13 // PdT → TLA: epoch(4) seq(4) promise(4)
	frameShown    frameType = 14 // PdT → TLA: epoch(4)
)

// Slot is a card slot of the PdT. A card's slot follows from its role, not from the reader of the TLA that it is in.
type Slot uint8

// The slots.
const (
	SlotVitale Slot = 0
	SlotCPS    Slot = 1
	Slots           = 2
)

var slotRoles = [Slots]string{"vitale", "cps"}

// String returns the role of the slot: "vitale" or "cps".
func (s Slot) String() string {
	if int(s) < Slots {
		return slotRoles[s]
	}
	return fmt.Sprintf("slot %d", uint8(s))
}

// Protocol is the transmission protocol of a card (ISO 7816-3).
type Protocol uint8

// The protocols.
const (
	T0 Protocol = 0
	T1 Protocol = 1
)

// ResetKind says what a reset does to the card.
type ResetKind uint8

// The kinds of reset.
const (
	ResetWarm ResetKind = 1
	ResetCold ResetKind = 2
	PowerOff  ResetKind = 3
)

// Outcome says what became of a command or reset.
type Outcome uint8

// The outcomes.
const (
	Done       Outcome = 0 // body: response APDU, or ATR
	StaleEpoch Outcome = 1 // not executed: the card changed
	NoCard     Outcome = 2 // not executed: no card
	Unknown    Outcome = 3 // the card was removed or reset while it ran
	Failed     Outcome = 4 // the reader reports an error
)

// Sizes in octets.
const (
	frameHeaderLen = 6
	exchangeLen    = 8  // epoch and sequence number
	promiseLen     = 4  // number of a promise
	aheadLen       = 10 // epoch, number, length of the command
	MinATR         = 2
	MaxATR         = 33
	MinCommand     = 4
	MaxCommand     = 65544 // extended APDU: 4 + 3 + 65535 + 2
	MinResponse    = 2
	MaxResponse    = 65538
	maxText        = 4096  // hello, bye
	maxFrame       = 65576 // payload of any frame
)

// ProtocolError says how a peer broke docs/protocol.md.
type ProtocolError struct{ Detail string }

func (e *ProtocolError) Error() string { return "peer broke the card session protocol: " + e.Detail }

func protocolErrorf(format string, args ...any) error {
	return &ProtocolError{Detail: fmt.Sprintf(format, args...)}
}

// frame is one frame as read; payload belongs to the reader's buffer.
type frame struct {
	typ     frameType
	slot    Slot
	payload []byte
}

// bounds has the shortest and longest payload of each type.
var bounds = map[frameType]struct{ min, max int }{
	frameHello:    {2, maxText},
	frameInserted: {5 + MinATR, 5 + MaxATR},
	frameRemoved:  {4, 4},
	frameCommand:  {exchangeLen + MinCommand, exchangeLen + MaxCommand},
	frameReset:    {exchangeLen + 1, exchangeLen + 1},
	frameResponse: {exchangeLen + 1, exchangeLen + 1 + MaxResponse},
	framePing:     {8, 8},
	framePong:     {8, 8},
	frameBye:      {2, maxText},
	frameVerify:   {exchangeLen + MinCommand, exchangeLen + MinCommand},
	frameAhead:    {aheadLen + MinCommand + MinResponse, maxFrame},
	frameAsk:      {exchangeLen + promiseLen + MinCommand, exchangeLen + promiseLen + MaxCommand},
	frameTake:     {exchangeLen + promiseLen, exchangeLen + promiseLen},
	frameShown:    {4, 4},
}

// appendFrame appends a frame whose payload is the given parts.
func appendFrame(b []byte, t frameType, s Slot, parts ...[]byte) []byte {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	b = binary.BigEndian.AppendUint32(append(b, byte(t), byte(s)), uint32(n))
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

// readFrame reads one frame, whose payload is in *buf, which grows to at most maxFrame. The error is io.EOF only
// between two frames.
func readFrame(r io.Reader, buf *[]byte) (frame, error) {
	var header [frameHeaderLen]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return frame{}, err
	}
	f := frame{typ: frameType(header[0]), slot: Slot(header[1])}
	n := binary.BigEndian.Uint32(header[2:])
	if err := checkFrame(f, n); err != nil {
		return frame{}, err
	}
	if cap(*buf) < int(n) {
		wipe(*buf)
		*buf = make([]byte, n)
	}
	f.payload = (*buf)[:n]
	if _, err := io.ReadFull(r, f.payload); err != nil {
		return frame{}, noEOF(err)
	}
	return f, nil
}

func checkFrame(f frame, n uint32) error {
	limit, ok := bounds[f.typ]
	switch {
	case !ok:
		return protocolErrorf("frame type %d", f.typ)
	case f.slot >= Slots:
		return protocolErrorf("slot %d", uint8(f.slot))
	case n < uint32(limit.min) || n > uint32(limit.max):
		return protocolErrorf("frame type %d of %d octets", f.typ, n)
	}
	return nil
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// exchangeID identifies one command or reset: the epoch that it is for, and its number.
type exchangeID struct {
	epoch uint32
	seq   uint32
}

func (x exchangeID) bytes() []byte {
	b := binary.BigEndian.AppendUint32(make([]byte, 0, exchangeLen), x.epoch)
	return binary.BigEndian.AppendUint32(b, x.seq)
}

func splitExchange(payload []byte) (exchangeID, []byte) {
	be := binary.BigEndian
	return exchangeID{be.Uint32(payload), be.Uint32(payload[4:])}, payload[exchangeLen:]
}

// promised is what an ahead frame carries.
type promised struct {
	epoch, number     uint32
	command, response []byte
}

// parts returns the payload of an ahead frame.
func (p promised) parts() [][]byte {
	be := binary.BigEndian
	head := be.AppendUint32(be.AppendUint32(make([]byte, 0, aheadLen), p.epoch), p.number)
	return [][]byte{be.AppendUint16(head, uint16(len(p.command))), p.command, p.response}
}

// splitAhead takes the payload of an ahead frame apart.
func splitAhead(payload []byte) (p promised, err error) {
	be := binary.BigEndian
	n, rest := int(be.Uint16(payload[exchangeLen:])), payload[aheadLen:]
	if n < MinCommand || n > len(rest)-MinResponse {
		return p, protocolErrorf("promise of a command of %d octets in %d", n, len(rest))
	}
	return promised{be.Uint32(payload), be.Uint32(payload[4:]), rest[:n], rest[n:]}, nil
}

// splitNumber takes the number of a promise off the body of an ask or a take.
func splitNumber(body []byte) (number uint32, rest []byte) {
	return binary.BigEndian.Uint32(body), body[promiseLen:]
}

func numberBytes(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }

// wipe clears a buffer that held card data (EL3).
func wipe(b []byte) { clear(b[:cap(b)]) }
