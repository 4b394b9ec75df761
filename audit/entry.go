package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// layout is that of a line's time: UTC, RFC 3339, milliseconds.
const layout = "2006-01-02T15:04:05.000Z"

// maxLine is the longest line, in octets without its newline.
const maxLine = 64 << 10

// errLong means that something is no line of the trace, and never will be.
var errLong = fmt.Errorf("it is longer than %d octets", maxLine)

// noHash is Prev of the first line: zeros.
var noHash = strings.Repeat("0", 2*sha256.Size)

// Entry is one line. Its fields are in the order of the line.
type Entry struct {
	Seq   uint64            `json:"seq"`            // from 1
	At    string            `json:"at"`             // UTC, RFC 3339 with milliseconds
	Prev  string            `json:"prev"`           // SHA-256 of the line before, without newline, in hex
	Event Kind              `json:"event"`          //
	By    string            `json:"by,omitempty"`   // whose act it is: a program of ours, or an identity
	Said  *Said             `json:"said,omitempty"` // of a line that a device sent; nil = it is our own
	With  map[string]string `json:"with,omitempty"` // attributes, by name
}

// Time returns At as a time.
func (e Entry) Time() time.Time {
	t, _ := time.Parse(layout, e.At)
	return t
}

// line returns the octets of the line, without newline.
func (e Entry) line() ([]byte, error) {
	line, err := json.Marshal(e)
	if err == nil && len(line) > maxLine {
		err = errLong
	}
	return line, err
}

// Parse reads one line, without newline. There is one way to write an entry; any other is refused.
func Parse(line []byte) (Entry, error) {
	var e Entry
	if len(line) > maxLine {
		return e, errLong
	}
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&e); err != nil {
		return e, errors.New("it is not an entry of the trace")
	}
	if t, err := time.Parse(layout, e.At); err != nil || t.Format(layout) != e.At {
		return e, errors.New("its time is not of the form " + layout)
	}
	again, err := e.line()
	if err != nil || !bytes.Equal(again, line) {
		return e, errors.New("it is not written as this program writes")
	}
	return e, nil
}

// hash returns what the next line says of this one.
func hash(line []byte) string {
	sum := sha256.Sum256(line)
	return hex.EncodeToString(sum[:])
}
