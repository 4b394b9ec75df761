package policy_test

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"

	"tlagate/session"
)

// modelCard is a card in which everything that a prediction could disturb is a state of its own: the current file, the
// record pointer, a challenge and a permission that are good for the next command alone, a response that waits to be
// fetched, secure messaging, and errors that count.
type modelCard struct {
	mu  sync.Mutex
	log []executed
	id  byte

	file     int // 0 = none
	record   int
	serial   byte // of challenges
	waiting  []byte
	secure   bool
	errors   int
	before   string // the last command: "challenge", "permission", or another
	resetted int
}

// executed is one command that the card has executed.
type executed struct {
	apdu, response string
	ahead          bool
}

// modelFiles are the transparent files, by number. How a card says that one ends differs.
var modelFiles = map[int]struct {
	length int
	end    string // "6B00", "6282": what there is, or "6C": ask for what there is
	fcp    bool   // SELECT tells the length
}{1: {200, "6B00", false}, 2: {93, "6282", true}, 3: {77, "6C", false}, 4: {128, "6B00", true}}

const maxErrors = 6

func (c *modelCard) Reset(session.ResetKind) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.file, c.record, c.waiting, c.secure, c.errors, c.before = 0, 0, nil, false, 0, ""
	c.resetted++
	c.log = append(c.log, executed{apdu: "reset"})
	return []byte{0x3B, 0x75}, nil
}

func (c *modelCard) Transmit(apdu []byte) ([]byte, error) { return c.run(apdu, false), nil }

func (c *modelCard) Ahead(apdu []byte) ([]byte, error) { return c.run(apdu, true), nil }

func (c *modelCard) run(apdu []byte, ahead bool) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	before, waiting := c.before, c.waiting
	c.before, c.waiting = "", nil
	response := c.execute(apdu, before, waiting)
	sw := fmt.Sprintf("%X", response[len(response)-2:])
	if strings.HasPrefix(sw, "69") || strings.HasPrefix(sw, "6A") || strings.HasPrefix(sw, "6D") {
		c.errors++
	}
	c.log = append(c.log, executed{fmt.Sprintf("%X", apdu), fmt.Sprintf("%X", response), ahead})
	return response
}

func (c *modelCard) execute(apdu []byte, before string, waiting []byte) []byte {
	sw := func(text string) []byte { b, _ := hex.DecodeString(text); return b }
	if c.errors >= maxErrors {
		return sw("6F00")
	}
	switch apdu[1] {
	case 0xA4:
		return c.choose(int(apdu[len(apdu)-1]), apdu[3] == 0)
	case 0xB0:
		return c.read(apdu)
	case 0xB2: // the next record
		c.record++
		return append([]byte{c.id, byte(c.file), byte(c.record)}, 0x90, 0)
	case 0xC0:
		if waiting == nil {
			return sw("6985")
		}
		return append(slices.Clone(waiting), 0x90, 0)
	case 0xCA:
		if apdu[4] != 6 {
			return sw("6C06")
		}
		return []byte{c.id, 'o', 'b', 'j', 'e', 'c', 0x90, 0}
	case 0x84:
		c.serial++
		c.before = "challenge"
		return []byte{c.id, c.serial, 0x90, 0}
	case 0x22:
		c.before = "permission"
		return sw("9000")
	case 0x82, 0x2A: // good only right after a challenge, or a permission
		if (apdu[1] == 0x82) != (before == "challenge") || apdu[1] == 0x2A && before != "permission" {
			return sw("6985")
		}
		c.secure = apdu[1] == 0x82
		return sw("9000")
	}
	return sw("6D00")
}

func (c *modelCard) choose(file int, tells bool) []byte {
	f, ok := modelFiles[file]
	if !ok {
		return []byte{0x6A, 0x82}
	}
	c.file, c.record = file, 0
	if f.fcp && tells {
		c.waiting = []byte{0x6F, 4, 0x80, 2, 0, byte(f.length)}
		return []byte{0x61, 6}
	}
	return []byte{0x90, 0}
}

func (c *modelCard) read(apdu []byte) []byte {
	at := int(apdu[2])<<8 | int(apdu[3])
	if apdu[2]&0x80 != 0 {
		if _, ok := modelFiles[int(apdu[2]&0x1F)]; !ok {
			return []byte{0x6A, 0x82}
		}
		c.file, at = int(apdu[2]&0x1F), int(apdu[3])
	}
	f, ok := modelFiles[c.file]
	if !ok {
		return []byte{0x69, 0x86}
	}
	le := int(apdu[4])
	if le == 0 {
		le = 256
	}
	if at >= f.length {
		return []byte{0x6B, 0}
	}
	left := f.length - at
	switch {
	case le <= left:
		return c.octets(at, le, 0x90, 0)
	case f.end == "6282":
		return c.octets(at, left, 0x62, 0x82)
	case f.end == "6C":
		return []byte{0x6C, byte(left)}
	}
	return []byte{0x6B, 0}
}

// octets returns what a file has there; under secure messaging it reads otherwise.
func (c *modelCard) octets(at, n int, sw ...byte) (out []byte) {
	for i := range n {
		octet := byte(at+i) ^ byte(c.file<<4) ^ c.id
		if c.secure {
			octet = ^octet
		}
		out = append(out, octet)
	}
	return append(out, sw...)
}

func (c *modelCard) executed() []executed {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.log)
}
