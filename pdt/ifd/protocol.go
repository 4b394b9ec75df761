package ifd

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"tlagate/session"
)

// These mirror docs/driver.md, sections 3 and 8; handler/protocol.h has them in C.
const (
	protocolVersion = 1
	headerLen       = 9
	maxPayload      = 65552
	maxVersion      = 64
	linkLen         = 8
	insertionLen    = 4

	helloWait   = 10 * time.Second
	writeWait   = 10 * time.Second
	workingTime = 10 * time.Second
)

type frameType byte

const (
	frameHello     frameType = 0x01
	frameWelcome   frameType = 0x02
	frameInserted  frameType = 0x10
	frameRemoved   frameType = 0x11
	frameAsked     frameType = 0x12
	framePowerUp   frameType = 0x20
	framePowerDown frameType = 0x21
	frameReset     frameType = 0x22
	frameTransmit  frameType = 0x23
	frameVerify    frameType = 0x24
	frameAnswer    frameType = 0x30
	frameWorking   frameType = 0x31
)

// connection says what one of a driver's two connections is for.
type connection byte

const (
	connEvents   connection = 1
	connRequests connection = 2
)

type welcome byte

const (
	welcomed     welcome = 0
	otherVersion welcome = 1
	noSlot       welcome = 2
	taken        welcome = 3
	noLink       welcome = 4
)

type outcome byte

const (
	done   outcome = 0
	gone   outcome = 1
	failed outcome = 2
)

var errProtocol = errors.New("the driver broke the protocol")

func protocolErrorf(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{errProtocol}, args...)...)
}

type frame struct {
	typ     frameType
	number  uint32
	payload []byte // valid until the next frame is read
}

// appendFrame appends a frame whose payload is parts.
func appendFrame(dst []byte, t frameType, number uint32, parts ...[]byte) []byte {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	dst = append(dst, byte(t))
	dst = binary.BigEndian.AppendUint32(dst, number)
	dst = binary.BigEndian.AppendUint32(dst, uint32(n))
	for _, p := range parts {
		dst = append(dst, p...)
	}
	return dst
}

// frames reads the frames of a connection. Of each it wipes what it read when it reads the next.
type frames struct {
	r    io.Reader
	buf  []byte // beyond have, nothing
	have int
	used int // by the last frame
}

const firstBuffer = 1024 // octets, enough for most commands

// next returns the next frame. The error is io.EOF only between two frames.
func (f *frames) next() (frame, error) {
	f.drop()
	for {
		if n, ok, err := f.whole(); ok || err != nil {
			f.used = n
			return f.first(n), err
		}
		if err := f.more(); err != nil {
			return frame{}, err
		}
	}
}

// drop wipes the last frame, and moves what follows it to the front.
func (f *frames) drop() {
	n := copy(f.buf, f.buf[f.used:f.have])
	clear(f.buf[n:f.have])
	f.have, f.used = n, 0
}

// whole returns how long the first frame is, if that is known, and reports whether all of it is there.
func (f *frames) whole() (n int, ok bool, err error) {
	if f.have < headerLen {
		return 0, false, nil
	}
	length := binary.BigEndian.Uint32(f.buf[5:])
	if length > maxPayload {
		return 0, false, protocolErrorf("a frame of %d octets", length)
	}
	n = headerLen + int(length)
	f.grow(n)
	return n, f.have >= n, nil
}

// grow makes room for a frame, and leaves no copy behind.
func (f *frames) grow(n int) {
	if n <= len(f.buf) {
		return
	}
	old := f.buf
	f.buf = make([]byte, n)
	copy(f.buf, old[:f.have])
	clear(old)
}

func (f *frames) more() error {
	f.grow(firstBuffer)
	n, err := f.r.Read(f.buf[f.have:])
	f.have += n
	if n > 0 {
		return nil
	}
	if errors.Is(err, io.EOF) && f.have > 0 {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (f *frames) first(n int) frame {
	if n == 0 {
		return frame{}
	}
	return frame{frameType(f.buf[0]), binary.BigEndian.Uint32(f.buf[1:]), f.buf[headerLen:n]}
}

// wipe forgets all that was read.
func (f *frames) wipe() {
	clear(f.buf)
	f.have, f.used = 0, 0
}

type linkID [linkLen]byte

// hello is what a driver says first on each connection.
type hello struct {
	speaks  byte // the version of the protocol
	conn    connection
	slot    session.Slot
	link    linkID // zero on events
	version string // of the driver
}

// parseHello reads a hello; of one in another version of the protocol, only that.
func parseHello(f frame) (h hello, err error) {
	const at = 3 + linkLen
	if f.typ != frameHello || f.number != 0 || len(f.payload) < 1 {
		return h, protocolErrorf("first frame is no hello")
	}
	if h.speaks = f.payload[0]; h.speaks != protocolVersion {
		return h, nil
	}
	if len(f.payload) < at || len(f.payload) > at+maxVersion || !isPrintable(f.payload[at:]) {
		return h, protocolErrorf("a hello of %d octets", len(f.payload))
	}
	h.conn, h.slot = connection(f.payload[1]), session.Slot(f.payload[2])
	h.link, h.version = linkID(f.payload[3:at]), string(f.payload[at:])
	if h.conn != connEvents && h.conn != connRequests {
		return h, protocolErrorf("connection %d", h.conn)
	}
	return h, nil
}

func isPrintable(text []byte) bool {
	for _, c := range text {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

// appendWelcome appends the answer to a hello.
func appendWelcome(dst []byte, w welcome, id linkID) []byte {
	return appendFrame(dst, frameWelcome, 0, []byte{byte(w), protocolVersion}, id[:])
}

// request is what the driver asks on behalf of pcscd.
type request struct {
	typ       frameType
	number    uint32
	insertion uint32
	data      []byte // valid until the next frame is read
}

// parseRequest reads a request: number is the one that it must have.
func parseRequest(f frame, number uint32) (request, error) {
	if f.number != number {
		return request{}, protocolErrorf("request %d after %d", f.number, number-1)
	}
	if len(f.payload) < insertionLen {
		return request{}, protocolErrorf("a request of %d octets", len(f.payload))
	}
	r := request{f.typ, f.number, binary.BigEndian.Uint32(f.payload), f.payload[insertionLen:]}
	var fits bool
	switch f.typ {
	case framePowerUp, framePowerDown, frameReset:
		fits = len(r.data) == 0
	case frameTransmit:
		fits = true
	case frameVerify:
		fits = len(r.data) == session.MinCommand
	default:
		return r, protocolErrorf("frame type %02X as a request", byte(f.typ))
	}
	if !fits {
		return r, protocolErrorf("a request of %d octets", len(f.payload))
	}
	return r, nil
}
