package link

import (
	"encoding/binary"
	"fmt"
	"io"
	"sync"
)

// Type is the first octet of a record.
type Type uint8

// The records; the direction is the sender's.
const (
	TypeJoined Type = 1 // gateway → PdT: JSON [Joined], first and once
	TypeData   Type = 2 // both: octets of the card session
	TypeStatus Type = 3 // both: signed revocation answers
	TypePing   Type = 4 // both: 8 octets
	TypePong   Type = 5 // both: the 8 octets of the ping
	TypeNotice Type = 6 // gateway → end: JSON [Notice]
	TypeTicket Type = 7 // gateway → TLA: the text of a ticket
	TypeTrace  Type = 8 // end → gateway, in a session: lines of the end's audit trace
)

const (
	headerLen = 3
	// MaxPayload is the longest payload of a record, in octets: one TLS record and some room.
	MaxPayload = 16896
	pingLen    = 8
	// MaxTrace is the longest payload of a trace record that a gateway takes, in octets.
	MaxTrace = 4096
)

// ProtocolError says how a peer broke docs/protocol.md.
type ProtocolError struct{ Detail string }

func (e *ProtocolError) Error() string { return "peer broke the link protocol: " + e.Detail }

func protocolErrorf(format string, args ...any) error {
	return &ProtocolError{Detail: fmt.Sprintf(format, args...)}
}

// buffers has *[headerLen + MaxPayload]byte. A link has one only while it reads or writes a record, so that an idle
// link costs little.
var buffers = sync.Pool{New: func() any { return new([headerLen + MaxPayload]byte) }}

func getBuffer() *[headerLen + MaxPayload]byte { return buffers.Get().(*[headerLen + MaxPayload]byte) }

// appendRecord appends type(1) length(2) payload; the payload has at most MaxPayload octets.
func appendRecord(b []byte, t Type, payload []byte) []byte {
	b = binary.BigEndian.AppendUint16(append(b, byte(t)), uint16(len(payload)))
	return append(b, payload...)
}

// recordReader reads records. After a temporary error, such as a deadline, next continues where it stopped.
type recordReader struct {
	r       io.Reader
	head    [headerLen]byte
	begun   int                           // octets of the header read so far
	payload *[headerLen + MaxPayload]byte // the payload in hand, or nil
	have    int                           // octets of it read so far
	kind    Type
	size    int
}

// next returns the next record; its payload is valid until the following call. The error is io.EOF only between two
// records.
func (r *recordReader) next() (Type, []byte, error) {
	if r.payload != nil && r.have == r.size {
		r.release()
	}
	if r.payload == nil {
		if err := r.begin(); err != nil {
			return 0, nil, err
		}
	}
	n, err := io.ReadFull(r.r, r.payload[r.have:r.size])
	r.have += n
	if err != nil {
		return 0, nil, noEOF(err)
	}
	return r.kind, r.payload[:r.size], nil
}

// begin reads a header and gets a buffer. A link waits here for hours: whatever is called in between would keep a
// larger stack.
func (r *recordReader) begin() error {
	for r.begun < headerLen {
		n, err := r.r.Read(r.head[r.begun:])
		r.begun += n
		switch {
		case r.begun == headerLen:
		case err != nil && r.begun > 0:
			return noEOF(err)
		case err != nil:
			return err
		}
	}
	t, n := Type(r.head[0]), int(binary.BigEndian.Uint16(r.head[1:]))
	if err := checkHeader(t, n); err != nil {
		return err
	}
	r.begun, r.kind, r.size, r.have, r.payload = 0, t, n, 0, getBuffer()
	return nil
}

func (r *recordReader) release() {
	buffers.Put(r.payload)
	r.payload = nil
}

func checkHeader(t Type, n int) error {
	switch {
	case t < TypeJoined || t > TypeTrace:
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
