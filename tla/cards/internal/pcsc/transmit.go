package pcsc

// #cgo pkg-config: libpcsclite
// #cgo noescape SCardTransmit
// #cgo nocallback SCardTransmit
// #include <winscard.h>
import "C"

import (
	"bytes"
	"reflect"

	"github.com/ebfe/scard"

	"tlagate/session"
)

// transmit is scard's Transmit with a buffer that is kept. A new one of 64 KiB for each command makes Go collect its
// garbage every sixty commands, which took the processor longer than the commands.
func (c *systemCard) transmit(apdu []byte) ([]byte, error) {
	if c.buf == nil {
		c.buf = make([]byte, session.MaxResponse)
	}
	how := C.SCARD_IO_REQUEST{dwProtocol: C.ulong(c.card.ActiveProtocol()), cbPciLength: C.sizeof_SCARD_IO_REQUEST}
	n := C.DWORD(len(c.buf))
	code := C.SCardTransmit(c.handle(), &how, (*C.BYTE)(&apdu[0]), C.DWORD(len(apdu)), nil, (*C.BYTE)(&c.buf[0]), &n)
	if code != C.SCARD_S_SUCCESS {
		return nil, scard.Error(code)
	}
	defer clear(c.buf[:n])
	return bytes.Clone(c.buf[:n]), nil
}

// handle returns what PC/SC calls the card. Package scard keeps it to itself.
func (c *systemCard) handle() C.SCARDHANDLE {
	return C.SCARDHANDLE(reflect.ValueOf(c.card).Elem().FieldByName("handle").Uint())
}
