// Package pemfile reads PEM (RFC 7468) strictly: every block of a text, or none.
// encoding/pem skips a block that it cannot read and goes on with the next, so
// that an editor's byte order mark silently removes a trust anchor, or a list of
// revoked certificates.
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

// Block is one block, and where it begins.
type Block struct {
	*pem.Block
	Line int // of its BEGIN, from 1; 0 = the file was DER
}

// At adds to an error in a block's content the line in which the block begins.
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
	mark   = "\ufeff" // a byte order mark in UTF-8
)

// What stands for a dash or a blank in a boundary that a word processor has had in hand.
const (
	dash  = `[-\x{2010}-\x{2015}\x{2212}]`
	blank = `[\s\p{Z}\p{Cf}]`
	label = `(x509|trusted|new|ec|rsa|dsa|encrypted|private|public|certificate|crl|key|request|pkcs7|cms)`
)

// boundary is a line that was meant to begin or end a block: text beside the blocks holds none. In small letters, where
// a comment may say "-- end --", it must name a kind.
var boundary = regexp.MustCompile(`(--|[\x{2010}-\x{2015}\x{2212}])(` + dash + `|` + blank + `)*((BEGIN|END)\b|` +
	`(?i:(begin|end)(` + blank + `*` + label + `)+` + blank + `*` + dash + `))`)

// Read returns what a file holds of one kind: the blocks of a PEM text that has no other kind, or the data itself when
// it is DER. It returns at least one block, or an error. The kind may have other names.
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

// One returns the DER of a file that holds exactly one of its kind, and is otherwise like Read.
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

// isDER reports whether data begins like a DER SEQUENCE: with octets with which no text begins.
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

// Wipe overwrites the blocks: one may be a key.
func Wipe(blocks []Block) {
	for _, b := range blocks {
		clear(b.Bytes)
	}
}

// Blocks reads every block of a text, of whatever kinds. It allows other text between them, as openssl writes it, but
// refuses the whole text if a line looks like a block's boundary and is none.
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

// checkText refuses data that are no plain text.
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
	if at := bytes.IndexFunc(text, isBinary); at >= 0 {
		return fmt.Errorf("line %d: it has a control character, and is neither DER nor PEM text; fetch or copy it "+
			"again", lineAt(text, at))
	}
	if bytes.HasPrefix(text, []byte(mark)) {
		return errMark(1)
	}
	if at := bytes.Index(text, []byte("\n"+mark)); at >= 0 {
		return errMark(lineAt(text, at) + 1)
	}
	return nil
}

// isBinary reports whether r is a control character with which no text is laid out.
func isBinary(r rune) bool { return (r < ' ' || r == 0x7f) && !strings.ContainsRune("\t\n\v\f\r", r) }

func errMark(line int) error {
	return fmt.Errorf("line %d: it begins with a byte order mark (EF BB BF), which hides the block there: "+
		"save the file as UTF-8 without one", line)
}

// lineAt returns the line of an offset.
func lineAt(text []byte, at int) int { return 1 + bytes.Count(text[:at], []byte("\n")) }

// scanner stands at the beginning of a line.
type scanner struct {
	rest []byte
	line int
}

// take returns the next n octets, which end with a line, and moves behind them.
func (s *scanner) take(n int) []byte {
	taken := s.rest[:n]
	s.rest = s.rest[n:]
	s.line += bytes.Count(taken, []byte("\n"))
	return taken
}

// lineEnd returns where the line at an offset ends, its newline included.
func (s *scanner) lineEnd(at int) int {
	if n := bytes.IndexByte(s.rest[at:], '\n'); n >= 0 {
		return at + n + 1
	}
	return len(s.rest)
}

// beside skips a line between the blocks, unless it looks like a boundary, or like a block's content: that is what
// shows when a boundary looks like none.
func (s *scanner) beside() error {
	line := s.line
	text := s.take(s.lineEnd(0))
	switch {
	case isContent(text):
		return fmt.Errorf("line %d: it is the content of a PEM block that begins nowhere: want a line "+
			"such as -----BEGIN CERTIFICATE----- before it; fetch or copy the file again", line)
	case !bytes.ContainsFunc(text, isDash) || !isBoundary(text):
		return nil
	case bytes.Contains(text, []byte(end)):
		return fmt.Errorf("line %d: a block ends that was not begun; fetch or copy the file again", line)
	}
	return errBegin(line)
}

// isDash also reports true for what is no ASCII, among which are the dashes of word processors.
func isDash(r rune) bool { return r == '-' || r > 0x7e }

// shortest is the length of a line of base64 that is taken for a block's content. Blocks are written with 64 in a line.
const shortest = 40

// isContent reports whether a line is nothing but base64, and no word, number or ruled line: with capitals, small
// letters and digits.
func isContent(line []byte) bool {
	line = bytes.TrimRight(bytes.TrimSpace(line), "=")
	other := func(r rune) bool { return !strings.ContainsRune(base64, r) || strings.ContainsRune("= \t\r", r) }
	if len(line) < shortest || bytes.ContainsFunc(line, other) {
		return false
	}
	has := func(first, last rune) bool {
		return bytes.ContainsFunc(line, func(r rune) bool { return first <= r && r <= last })
	}
	return has('A', 'Z') && has('a', 'z') && has('0', '9')
}

// isBoundary reports whether a line was meant as a boundary. A longer word, as BEGINCERTIFICATE, counts only right
// behind five dashes.
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

// odd returns the first line of a block that is no base64; the last one when all are, but do not decode together.
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
