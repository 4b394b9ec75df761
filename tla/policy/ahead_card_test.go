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
// record pointer, a challenge and a permission that are good for the next command alone, a right to read that lasts, a
// response that waits to be fetched by the next command, perhaps in two parts, secure messaging, and errors that count.
type modelCard struct {
	mu  sync.Mutex
	log []executed
	id  byte

	file     int // 0 = none
	record   int
	serial   byte // of challenges
	waiting  []byte
	granted  bool // file 7 may be read
	secure   bool
	moves    bool // reading a record by its number moves the pointer, as it should not
	errors   int
	before   string // the last command: "challenge", "permission", or another
	resetted int
}

// executed is one command that the card has executed.
type executed struct {
	apdu, response string
	ahead          bool
}

// modelFiles are the files, by number. How a card says that one ends differs.
var modelFiles = map[int]struct {
	length int
	end    string // "6B00", "6282": what there is, or "6C": ask for what there is
	fcp    bool   // SELECT tells the length
	rows   int    // it has records instead
}{1: {200, "6B00", false, 0}, 2: {93, "6282", true, 0}, 3: {77, "6C", false, 0}, 4: {128, "6B00", true, 0},
	6: {0, "", true, 5}, 7: {60, "6B00", true, 0}}

// guarded is the file that may not always be read.
const guarded = 7

const maxErrors = 6

func (c *modelCard) Reset(session.ResetKind) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.file, c.record, c.waiting, c.secure, c.errors, c.before = 0, 0, nil, false, 0, ""
	c.granted = false
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
	case 0xB2:
		return c.readRecord(int(apdu[2]), apdu[3])
	case 0xC0:
		return c.fetch(apdu, waiting)
	case 0x88: // an answer of ten octets, which is fetched in two parts
		c.waiting = []byte{c.id, 'a', 'n', 's', 'w', 'e', 'r', 'i', 's', c.serial}
		return sw("6106")
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
		c.before, c.granted = "permission", c.granted || apdu[3] == 1
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

// fetch returns what waits, at most six octets at once. Asked for another length, the card says which, and has it
// still.
func (c *modelCard) fetch(apdu, waiting []byte) []byte {
	n := min(6, len(waiting))
	switch {
	case waiting == nil:
		return []byte{0x69, 0x85}
	case int(apdu[4]) != n:
		c.waiting = waiting
		return []byte{0x6C, byte(n)}
	case n < len(waiting):
		c.waiting = waiting[n:]
		return append(slices.Clone(waiting[:n]), 0x61, byte(len(waiting)-n))
	}
	return append(slices.Clone(waiting), 0x90, 0)
}

// readRecord reads the record of that number, or the next one.
func (c *modelCard) readRecord(number int, p2 byte) []byte {
	switch {
	case p2 == 2:
		c.record++
		number = c.record
	case c.moves:
		c.record = number
	}
	if number < 1 || number > modelFiles[c.file].rows {
		return []byte{0x6A, 0x83}
	}
	return []byte{c.id, byte(c.file), byte(number), 0x90, 0}
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
	switch {
	case !ok || f.rows > 0:
		return []byte{0x69, 0x86}
	case c.file == guarded && !c.granted:
		return []byte{0x69, 0x82}
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
