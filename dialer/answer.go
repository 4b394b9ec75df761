package dialer

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// ok is the one status that opens a connection.
const ok = 200

// maxHead bounds the status line and the fields of a proxy's answer, in octets.
const maxHead = 16 << 10

// errNoHTTP is wrapped by errors about an answer that is not HTTP.
var errNoHTTP = errors.New("the answer is not that of an HTTP proxy")

// answer is what a proxy says to CONNECT.
type answer struct {
	status     int
	challenges []string // values of the fields that ask for authentication
	rest       []byte   // came behind the head
}

// readAnswer reads the head of an answer to CONNECT (RFC 9112, sections 2 to 5), and what came behind it: a 2xx answer
// has no body (RFC 9110, section 9.3.6).
func readAnswer(r io.Reader) (a answer, err error) {
	in := bufio.NewReaderSize(r, maxHead)
	line, left, err := readLine(in, maxHead)
	if err != nil {
		return a, err
	}
	if a.status, err = parseStatus(line); err != nil {
		return a, err
	}
	for {
		if line, left, err = readLine(in, left); err != nil {
			return a, err
		}
		if line == "" {
			break
		}
		if !isField(line) {
			return a, fmt.Errorf("%w: a header field is malformed", errNoHTTP)
		}
		a.note(line)
	}
	rest, err := in.Peek(in.Buffered())
	a.rest = bytes.Clone(rest)
	return a, err
}

// note stores a field that asks for authentication (RFC 9110, sections 11.6.1 and 11.7.1).
func (a *answer) note(field string) {
	name, value, _ := strings.Cut(field, ":")
	if strings.EqualFold(name, "Proxy-Authenticate") || strings.EqualFold(name, "WWW-Authenticate") {
		a.challenges = append(a.challenges, value)
	}
}

// takesBasic reports whether Basic is among the schemes asked for, or none is named.
func (a *answer) takesBasic() bool {
	return len(a.challenges) == 0 || slices.ContainsFunc(a.challenges, hasBasic)
}

// hasBasic reports whether a list of challenges has the scheme Basic; commas inside quotes separate nothing.
func hasBasic(list string) bool {
	quoted, escaped := false, false
	pieces := strings.FieldsFunc(list, func(r rune) bool {
		switch {
		case escaped:
			escaped = false
		case quoted && r == '\\':
			escaped = true
		case r == '"':
			quoted = !quoted
		}
		return r == ',' && !quoted
	})
	return slices.ContainsFunc(pieces, func(piece string) bool {
		words := strings.Fields(piece)
		return len(words) > 0 && strings.EqualFold(words[0], "Basic")
	})
}

// readLine reads a line of at most left octets, and returns it without its CR LF, and how many octets are left.
func readLine(in *bufio.Reader, left int) (string, int, error) {
	raw, err := in.ReadSlice('\n')
	switch {
	case len(raw) > left || errors.Is(err, bufio.ErrBufferFull):
		return "", 0, fmt.Errorf("%w: its head is longer than %d octets", errNoHTTP, maxHead)
	case err != nil:
		return "", 0, err
	}
	line, ends := strings.CutSuffix(string(raw), "\r\n")
	if !ends || strings.ContainsAny(line, "\r\x00") {
		return "", 0, fmt.Errorf("%w: a line does not end like those of HTTP", errNoHTTP)
	}
	return line, left - len(raw), nil
}

// parseStatus reads "HTTP/1.1 200 reason"; many proxies say HTTP/1.0.
func parseStatus(line string) (int, error) {
	version, rest, _ := strings.Cut(line, " ")
	code, _, _ := strings.Cut(rest, " ")
	status, err := strconv.ParseUint(code, 10, 16)
	if version != "HTTP/1.1" && version != "HTTP/1.0" || err != nil || len(code) != 3 || status < 100 {
		return 0, fmt.Errorf("%w: it does not begin with a status line", errNoHTTP)
	}
	return int(status), nil
}

// isField reports whether a line is "name: value" (RFC 9110, section 5.1); a line that continues the one before is
// obsolete, and refused.
func isField(line string) bool {
	name, _, found := strings.Cut(line, ":")
	return found && name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' ||
			strings.ContainsRune("!#$%&'*+-.^_`|~", r))
	})
}
