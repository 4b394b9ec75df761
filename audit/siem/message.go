package siem

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"tlagate/audit"
)

// sdID names our structured data: 32473 is the enterprise number for examples (RFC 5612), since tlagate has none.
const sdID = "tlagate@32473"

// logAudit is the facility of messages (RFC 5424 section 6.2.1).
const logAudit = 13

// maxParam bounds a value of the structured data, in octets; the message has the whole line. Receivers often take no
// more than 8192 octets.
const maxParam = 256

// origin is what is the same in all messages.
type origin struct {
	host, app, process string
}

// message returns a line of the trace as a message (RFC 5424 section 6). MSG is the line as it is in the trace, so that
// its hash can be compared; it has no BOM.
func (o origin) message(line audit.Line) []byte {
	e := line.Entry
	head := fmt.Sprintf("<%d>1 %s %s %s %s %s ", logAudit*8+severityOf(e.Event), e.At, header(o.host, 255),
		header(o.app, 48), header(o.process, 128), header(string(e.Event), 32))
	return []byte(head + structured(e) + " " + line.Text)
}

// structured returns the structured data of a line: its number, who acted, and its attributes.
func structured(e audit.Entry) string {
	var out strings.Builder
	out.WriteString("[" + sdID)
	param(&out, "seq", strconv.FormatUint(e.Seq, 10))
	param(&out, "by", e.By)
	if e.Said != nil {
		param(&out, "said_seq", strconv.FormatUint(e.Said.Seq, 10))
		param(&out, "said_at", e.Said.At)
	}
	for _, name := range slices.Sorted(maps.Keys(e.With)) {
		param(&out, name, e.With[name])
	}
	out.WriteString("]")
	return out.String()
}

func param(out *strings.Builder, name, value string) {
	if value != "" {
		fmt.Fprintf(out, ` %s="%s"`, header(name, 32), quoted.Replace(cut(value)))
	}
}

// quoted escapes what must be escaped in a value (section 6.3.3), and nothing else.
var quoted = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `]`, `\]`)

func cut(value string) string {
	if len(value) <= maxParam {
		return value
	}
	end := maxParam - len("…")
	for !utf8.RuneStart(value[end]) {
		end--
	}
	return value[:end] + "…"
}

// header returns a text as a part of the header, or as the name of a value: printable ASCII without what ends one.
func header(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' || strings.ContainsRune(`="]`, r) {
			return '_'
		}
		return r
	}, text)
	if text == "" {
		return "-"
	}
	return text[:min(len(text), most)]
}

// frame returns a message as it travels: its length in octets, a space, the message (RFC 5425 section 4.3).
func frame(message []byte) []byte {
	return append(strconv.AppendInt(nil, int64(len(message)), 10), append([]byte(" "), message...)...)
}
