// Package proxyproto reads the header by which a load balancer says whose connection it passes on: the PROXY protocol,
// version 2 (https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt). Version 1, which is text of no fixed length,
// is refused. It is our own because the well-kept library reads version 1 too, takes 4 KiB from a stranger, and does
// not verify the checksum.
package proxyproto

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/netip"
)

// MaxHeader is the longest header that is read, in octets: what the specification says fits into one segment anywhere.
const MaxHeader = 536

// Header is what a balancer says about a connection.
type Header struct {
	Local    bool // the balancer's own connection, such as its look whether we are there; it has no addresses
	From, To netip.AddrPort
}

// signature begins each header of version 2.
var signature = []byte("\r\n\r\n\x00\r\nQUIT\n")

// What follows the signature: version and command, family and transport, then the length of the rest (2 octets).
const (
	fixedLen = 16

	cmdLocal = 0x20
	cmdProxy = 0x21
	overTCP4 = 0x11
	overTCP6 = 0x21
)

// Read reads one header and nothing past it. It checks the checksum if there is one, and skips all other extras.
func Read(r io.Reader) (Header, error) {
	head := make([]byte, fixedLen, MaxHeader)
	if _, err := io.ReadFull(r, head); err != nil {
		return Header{}, fmt.Errorf("cannot read a PROXY header: %w", err)
	}
	if !bytes.HasPrefix(head, signature) {
		return Header{}, errors.New("cannot read a PROXY header: this is none of version 2; set the balancer to v2")
	}
	size := fixedLen + int(binary.BigEndian.Uint16(head[14:]))
	if size > MaxHeader {
		return Header{}, fmt.Errorf("cannot read a PROXY header: it has %d octets, want at most %d", size, MaxHeader)
	}
	head = head[:size]
	if _, err := io.ReadFull(r, head[fixedLen:]); err != nil {
		return Header{}, fmt.Errorf("cannot read a PROXY header: %w", err)
	}
	h, err := parse(head)
	if err != nil {
		return Header{}, fmt.Errorf("cannot read a PROXY header: %w", err)
	}
	return h, nil
}

// parse reads a whole header.
func parse(head []byte) (Header, error) {
	switch command := head[12]; command {
	case cmdLocal:
		return Header{Local: true}, nil // the rest is to be ignored, whatever it is
	case cmdProxy:
	default:
		return Header{}, fmt.Errorf("version and command %#02x are neither LOCAL nor PROXY of version 2", command)
	}
	each := map[byte]int{overTCP4: 4, overTCP6: 16}[head[13]]
	rest := head[fixedLen:]
	if each == 0 || len(rest) < 2*each+4 {
		return Header{}, fmt.Errorf("family %#02x with %d octets is neither TCP over IPv4 nor over IPv6", head[13],
			len(rest))
	}
	h := Header{From: endpoint(rest[:each], rest[2*each:]), To: endpoint(rest[each:2*each], rest[2*each+2:])}
	if a := h.From.Addr(); a.IsUnspecified() || a.IsMulticast() {
		return Header{}, fmt.Errorf("%s is nobody's address", a)
	}
	return h, checkExtras(head, fixedLen+2*each+4)
}

func endpoint(addr, port []byte) netip.AddrPort {
	a, _ := netip.AddrFromSlice(addr) // 4 or 16 octets
	return netip.AddrPortFrom(a.Unmap(), binary.BigEndian.Uint16(port))
}

// Extras have type(1) length(2) value.
const (
	extraLen    = 3
	extraCRC32C = 0x03
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checkExtras goes through the extras that begin at an offset.
func checkExtras(head []byte, at int) error {
	for at < len(head) {
		if len(head)-at < extraLen {
			return errors.New("an extra is cut short")
		}
		kind, value := head[at], at+extraLen
		if at = value + int(binary.BigEndian.Uint16(head[at+1:])); at > len(head) {
			return errors.New("an extra is cut short")
		}
		if kind == extraCRC32C {
			if err := checkSum(head, value, at); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkSum compares the checksum from value to end with that of the header, in which it counts as zero.
func checkSum(head []byte, value, end int) error {
	if end-value != crc32.Size {
		return fmt.Errorf("a checksum of %d octets, want %d", end-value, crc32.Size)
	}
	blank := bytes.Clone(head)
	clear(blank[value:end])
	if crc32.Checksum(blank, castagnoli) != binary.BigEndian.Uint32(head[value:]) {
		return errors.New("its checksum is wrong")
	}
	return nil
}
