// Package pemfile reads PEM (RFC 7468) strictly: every block of a text, or none of it. encoding/pem passes over a block
// that it cannot read and goes on with the next, so that an editor's byte order mark takes a trust anchor, or a list of
// revoked certificates, away without a word.
package pemfile

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Block is one block and where it stands.
type Block struct {
	*pem.Block
	Line int // of its BEGIN, from 1; 0 = what was read is the DER itself
}

// At says of an error in a block's content which line the block begins in.
func (b Block) At(err error) error {
	if b.Line == 0 || err == nil {
		return err
	}
	return fmt.Errorf("line %d: %w", b.Line, err)
}

// Kinds of blocks (RFC 7468).
const (
	Certificate = "CERTIFICATE"
	CRL         = "X509 CRL"
	Request     = "CERTIFICATE REQUEST"
)

// The boundaries of a block, and what an editor may put before one.
const (
	begin  = "-----BEGIN"
	end    = "-----END"
	dashes = "-----"
	mark   = "\ufeff" // a byte order mark, as UTF-8 has it
)

// boundary is a line that was meant to begin or end a block: text beside the blocks holds none.
var boundary = regexp.MustCompile(`(--|[\x{2010}-\x{2015}\x{2212}])[-\x{2010}-\x{2015}\x{2212}\s]*(BEGIN|END)\b`)

// Read returns what a file holds of one kind: the blocks of a PEM text that has no other kind, or the data itself when
// that is DER. It gives at least one. The kind may have other names.
func Read(data []byte, kind string, others ...string) ([]Block, error) {
	if isDER(data) {
		return []Block{{&pem.Block{Type: kind, Bytes: data}, 0}}, nil
	}
	blocks, err := Blocks(data)
	if err != nil {
		return nil, err
	}
	for _, b := range blocks {
		if err := b.want(kind, others); err != nil {
			Wipe(blocks)
			return nil, err
		}
	}
	if len(blocks) == 0 {
		return nil, fmt.Errorf("it is neither DER nor PEM: no line is -----BEGIN %s-----", kind)
	}
	return blocks, nil
}

// One is Read for a file that holds one of its kind and no more; it gives the DER.
func One(data []byte, kind string, others ...string) ([]byte, error) {
	blocks, err := Read(data, kind, others...)
	if err != nil {
		return nil, err
	}
	if len(blocks) > 1 {
		Wipe(blocks)
		return nil, fmt.Errorf("line %d: a second PEM block begins, want one %s and no more", blocks[1].Line, kind)
	}
	return blocks[0].Bytes, nil
}

// isDER reports whether data begins as a DER SEQUENCE does: with octets that no text begins with.
func isDER(data []byte) bool {
	return len(data) > 1 && data[0] == 0x30 && (data[1] > 0x80 || int(data[1]) == len(data)-2)
}

func (b Block) want(kind string, others []string) error {
	switch {
	case b.Type == kind || slices.Contains(others, b.Type):
		return nil
	case strings.HasSuffix(b.Type, "PRIVATE KEY"):
		return b.At(fmt.Errorf("it holds a private key, want %s alone: move the key into a file of its own, "+
			"mode 0600, and take it for known to whoever could read this one", kind))
	}
	return b.At(fmt.Errorf("it holds a PEM block %.40q, want %s alone: take the block out, or name another file",
		b.Type, kind))
}

// Wipe overwrites what was read: it may be a key.
func Wipe(blocks []Block) {
	for _, b := range blocks {
		clear(b.Bytes)
	}
}

// Blocks reads every block of a text, of whatever kinds. Text beside the blocks may stand, as openssl writes it; what
// looks like a block's boundary and is none makes the whole text bad.
func Blocks(text []byte) (blocks []Block, err error) {
	if err := checkText(text); err != nil {
		return nil, err
	}
	for s := (scanner{rest: text, line: 1}); err == nil && len(s.rest) > 0; {
		if !bytes.HasPrefix(s.rest, []byte(begin)) {
			err = s.beside()
			continue
		}
		var b Block
		if b, err = s.block(); err == nil {
			blocks = append(blocks, b)
		}
	}
	if err != nil {
		Wipe(blocks)
		return nil, err
	}
	return blocks, nil
}

var errUTF16 = errors.New("it is UTF-16 text: save it as UTF-8 without a byte order mark")

// checkText refuses what is no plain text.
func checkText(text []byte) error {
	wide := slices.ContainsFunc([]string{"\xff\xfe", "\xfe\xff", "-\x00-", "\x00-\x00"}, func(start string) bool {
		return bytes.HasPrefix(text, []byte(start))
	})
	if wide {
		return errUTF16
	}
	if len(text) == 0 {
		return errors.New("it is empty")
	}
	if at := bytes.IndexByte(text, 0); at >= 0 {
		return fmt.Errorf("line %d: it has a NUL octet, and is neither DER nor PEM text; fetch or copy it again",
			lineAt(text, at))
	}
	if bytes.HasPrefix(text, []byte(mark)) {
		return errMark(1)
	}
	if at := bytes.Index(text, []byte("\n"+mark)); at >= 0 {
		return errMark(lineAt(text, at) + 1)
	}
	return nil
}

func errMark(line int) error {
	return fmt.Errorf("line %d: it begins with a byte order mark (EF BB BF), which hides the block there: "+
		"save the file as UTF-8 without one", line)
}

// lineAt gives the line of an offset.
func lineAt(text []byte, at int) int { return 1 + bytes.Count(text[:at], []byte("\n")) }

// scanner stands at the beginning of a line.
type scanner struct {
	rest []byte
	line int
}

// take gives the next n octets, which end with a line, and goes on after them.
func (s *scanner) take(n int) []byte {
	taken := s.rest[:n]
	s.rest = s.rest[n:]
	s.line += bytes.Count(taken, []byte("\n"))
	return taken
}

// lineEnd gives where the line at an offset ends, its newline included.
func (s *scanner) lineEnd(at int) int {
	if n := bytes.IndexByte(s.rest[at:], '\n'); n >= 0 {
		return at + n + 1
	}
	return len(s.rest)
}

// beside passes over a line beside the blocks.
func (s *scanner) beside() error {
	line := s.line
	text := s.take(s.lineEnd(0))
	worthALook := bytes.Contains(text, []byte("BEGIN")) || bytes.Contains(text, []byte("END"))
	if !worthALook || !isBoundary(text) {
		return nil
	}
	if bytes.Contains(text, []byte(end)) {
		return fmt.Errorf("line %d: a block ends that was not begun; fetch or copy the file again", line)
	}
	return errBegin(line)
}

// isBoundary takes a word that goes on, as BEGINCERTIFICATE, for one only right behind five dashes.
func isBoundary(line []byte) bool {
	return bytes.Contains(line, []byte(begin)) || bytes.Contains(line, []byte(end)) || boundary.Match(line)
}

func errBegin(line int) error {
	return fmt.Errorf("line %d: it begins no PEM block, but nearly so: want a line of its own, "+
		"such as -----BEGIN CERTIFICATE-----, and nothing before or after it", line)
}

// block reads the block that begins here.
func (s *scanner) block() (Block, error) {
	line, first := s.line, s.lineEnd(0)
	kind, ok := strings.CutSuffix(strings.TrimRight(string(s.rest[:first]), " \t\r\n"), dashes)
	kind, spaced := strings.CutPrefix(kind, begin+" ")
	if !ok || !spaced || kind == "" || strings.Contains(kind, "--") {
		return Block{}, errBegin(line)
	}
	n := bytes.Index(s.rest[first:], []byte(dashes))
	if n < 0 {
		return Block{}, errCut(line, kind)
	}
	last := s.lineEnd(first + n)
	tail := strings.TrimRight(string(s.rest[first+n:last]), " \t\r\n")
	if tail != end+" "+kind+dashes || n > 0 && s.rest[first+n-1] != '\n' {
		return Block{}, errCut(line, kind)
	}
	return decode(s.take(last), line, kind)
}

func errCut(line int, kind string) error {
	return fmt.Errorf("line %d: the block %.40q that begins there has no END of that name on a line of its own: "+
		"the file is cut short or damaged; fetch or copy it again", line, kind)
}

func decode(text []byte, line int, kind string) (Block, error) {
	if b, rest := pem.Decode(text); b != nil && len(rest) == 0 && b.Type == kind {
		return Block{b, line}, nil
	}
	return Block{}, fmt.Errorf("line %d: the block %.40q cannot be read: line %d is no base64; "+
		"fetch or copy the file again", line, kind, line+odd(text))
}

// odd gives the first line of a block that is no base64; the last one when its sum is wrong.
func odd(text []byte) int {
	lines := strings.Split(strings.TrimRight(string(text), "\r\n"), "\n")
	for i := 1; i < len(lines)-1; i++ {
		if strings.Trim(lines[i], base64) != "" {
			return i
		}
	}
	return max(len(lines)-2, 0)
}

const base64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/= \t\r"
