package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Said says of a line that a device sent (docs/protocol.md, section 2.2) which one of the device's own trace it is. The
// line's By names the device; nothing of it is this program's word.
type Said struct {
	Seq uint64 `json:"seq"`
	At  string `json:"at"` // the device's time, in the form of Entry.At
}

// Time returns At as a time.
func (s Said) Time() time.Time { return Entry{At: s.At}.Time() }

// After reports whether a line is new to somebody who has last: it has a higher number, or it is of a later trace.
func (s Said) After(last Said) bool { return s.Seq > last.Seq || s.At > last.At }

// said is the attribute that has a field of its own in the line.
const said = "said"

// SaidBy are whose words an event is, and where it is in their own trace.
func SaidBy(who string, s Said) []Attr {
	return []Attr{By(who), {said, strconv.FormatUint(s.Seq, 10) + " " + s.At}}
}

// saidIn returns what SaidBy put among attributes; nil = nothing.
func saidIn(attrs []Attr) *Said {
	i := slices.IndexFunc(attrs, func(a Attr) bool { return a.name == said })
	if i < 0 {
		return nil
	}
	number, at, _ := strings.Cut(attrs[i].value, " ")
	seq, _ := strconv.ParseUint(number, 10, 64)
	return &Said{seq, at}
}

// Shown returns a value of a line as it is printed: quoted if it could be taken for more than one, have an effect on a
// terminal, or look like another line where a narrow one breaks it.
func Shown(s string) string {
	odd := func(r rune) bool { return r <= ' ' || r == '=' || r == '"' || r >= unicode.MaxASCII }
	if !strings.ContainsFunc(s, odd) {
		return s
	}
	return strings.ReplaceAll(strconv.QuoteToASCII(s), "  ", ` \x20`)
}

// unsaid are the kinds of which a device cannot speak: what only a gateway, a CA or a responder does, what proves
// something by being in this very trace, and what the gateway has recorded itself.
var unsaid = []Kind{AccessAccepted, AccessRefused, RequestRefused, LinkCut, ConsentAccepted, SessionOpened,
	SessionResumed, CertificateIssued, CertificateRevoked, CertificateReleased, SourceChanged, ResponderCounted,
	CACreated, CAClock, ARLPublished, AuditRationed, AuditDropped, AuditPurged, HeadLate, HeadRefused}

// Sayable reports whether a device's line of that kind is sent, and taken.
func (k Kind) Sayable() bool { return k.known() && !slices.Contains(unsaid, k) }

// unsent are the attributes that stay on the device: an account may be a person's name, and a consent is where it was
// verified.
var unsent = []string{"user", "statement"}

// sent is a line as a device sends it. Its fields are in the order of the line.
type sent struct {
	Seq   uint64            `json:"seq"`
	At    string            `json:"at"`
	Event Kind              `json:"event"`
	With  map[string]string `json:"with,omitempty"`
}

// Sent returns the line by which a device tells of an entry of its trace, with its newline, in at most limit octets; a
// list of names is cut for that. It returns nil for an entry that is not told.
func (e Entry) Sent(limit int) []byte {
	if e.Said != nil || !e.Event.Sayable() {
		return nil
	}
	s := sent{e.Seq, e.At, e.Event, maps.Clone(e.With)}
	for _, name := range unsent {
		delete(s.With, name)
	}
	for most := maxList; ; most /= 2 {
		line, err := json.Marshal(s)
		if err == nil && len(line) < limit {
			return append(line, '\n')
		}
		if err != nil || most < 16 || s.With["names"] == "" {
			return nil
		}
		s.With["names"] = clean(s.With["names"], most)
	}
}

// ParseSent reads a line that a device sent, without its newline. There is one way to write it, and what the tables of
// this package do not have is refused. It returns the line's place in the device's trace, its kind, and its attributes
// without those that stay on a device.
func ParseSent(line []byte) (Said, Kind, []Attr, error) {
	var s sent
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&s); err != nil {
		return Said{}, "", nil, errors.New("it is not an entry")
	}
	at, err := time.Parse(layout, s.At)
	if err != nil || at.Format(layout) != s.At || s.Seq == 0 {
		return Said{}, "", nil, errors.New("it has no number, or no time of the form " + layout)
	}
	if again, err := json.Marshal(s); err != nil || !bytes.Equal(again, line) {
		return Said{}, "", nil, errors.New("it is not written as a program of ours writes")
	}
	if !s.Event.Sayable() {
		return Said{}, "", nil, errors.New("no device speaks of this kind of event")
	}
	attrs, err := attrsOf(s.With)
	return Said{s.Seq, s.At}, s.Event, attrs, err
}

// attrsOf returns attributes by their names, cleaned.
func attrsOf(with map[string]string) (attrs []Attr, err error) {
	for _, name := range slices.Sorted(maps.Keys(with)) {
		if _, known := attrNames[name]; !known {
			return nil, fmt.Errorf("attribute %q is none of this package's", clean(name, 32))
		}
		if slices.Contains(unsent, name) {
			continue
		}
		limit := maxValue
		if name == "names" {
			limit = maxList
		}
		attrs = append(attrs, Attr{name, clean(with[name], limit)})
	}
	return attrs, nil
}
