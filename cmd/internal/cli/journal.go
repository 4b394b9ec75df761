package cli

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"
)

// journalSocket is where journald takes entries in its own protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL).
const journalSocket = "/run/systemd/journal/socket"

// journalPatience is how long one entry may wait for journald before it goes to stderr instead.
const journalPatience = time.Second

// journal is a slog.Handler for a program whose stderr is the journal. An entry has its level as priority and its
// attributes as fields, TLAGATE_REASON=… for reason, besides in the message. Where journald does not take that, it goes
// to stderr as a line with its priority in front (sd-daemon(3)).
type journal struct {
	name   string // SYSLOG_IDENTIFIER
	stderr io.Writer
	socket net.Conn // nil = journald cannot be reached

	inner  slog.Handler  // writes what the message has, without level and time, to buf
	buf    *bytes.Buffer // protected by mu
	mu     *sync.Mutex
	prefix string // of the names of attributes: "GROUP_"
	fields []byte // of WithAttrs
}

// newJournal returns a handler for a program of that name. format returns the handler of what the message has. The
// socket is opened before any sandbox, and for good: systemd holds its other end, whatever becomes of journald.
func newJournal(name string, stderr io.Writer, socket string, format func(io.Writer) slog.Handler) *journal {
	j := &journal{name: name, stderr: stderr, buf: &bytes.Buffer{}, mu: &sync.Mutex{}}
	j.inner = format(j.buf)
	if c, err := net.Dial("unixgram", socket); err == nil {
		j.socket = c
	}
	return j
}

// Enabled reports whether a level is logged.
func (j *journal) Enabled(ctx context.Context, level slog.Level) bool {
	return j.inner.Enabled(ctx, level)
}

// Handle logs a record.
func (j *journal) Handle(ctx context.Context, r slog.Record) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.buf.Reset()
	if err := j.inner.Handle(ctx, r); err != nil {
		return err
	}
	message := strings.TrimSuffix(j.buf.String(), "\n")
	if j.sendEntry(r, message) {
		return nil
	}
	_, err := fmt.Fprintf(j.stderr, "<%d>%s\n", priority(r.Level), strings.ReplaceAll(message, "\n", `\n`))
	return err
}

// sendEntry sends an entry to journald as one datagram, and reports whether that took it.
func (j *journal) sendEntry(r slog.Record, message string) bool {
	if j.socket == nil {
		return false
	}
	entry := appendField(nil, "MESSAGE", message)
	entry = appendField(entry, "PRIORITY", fmt.Sprint(priority(r.Level)))
	entry = appendField(entry, "SYSLOG_IDENTIFIER", j.name)
	entry = append(entry, j.fields...)
	r.Attrs(func(a slog.Attr) bool { entry = appendAttr(entry, j.prefix, a); return true })
	_ = j.socket.SetWriteDeadline(time.Now().Add(journalPatience))
	_, err := j.socket.Write(entry)
	return err == nil
}

// WithAttrs returns a handler whose records have these attributes too.
func (j *journal) WithAttrs(attrs []slog.Attr) slog.Handler {
	also := *j
	also.inner, also.fields = j.inner.WithAttrs(attrs), bytes.Clone(j.fields)
	for _, a := range attrs {
		also.fields = appendAttr(also.fields, j.prefix, a)
	}
	return &also
}

// WithGroup returns a handler whose attributes are in a group.
func (j *journal) WithGroup(name string) slog.Handler {
	also := *j
	also.inner, also.prefix = j.inner.WithGroup(name), j.prefix+name+"_"
	return &also
}

func appendAttr(entry []byte, prefix string, a slog.Attr) []byte {
	value := a.Value.Resolve()
	if value.Kind() != slog.KindGroup {
		return appendField(entry, fieldName(prefix+a.Key), value.String())
	}
	for _, member := range value.Group() {
		entry = appendAttr(entry, prefix+a.Key+"_", member)
	}
	return entry
}

// appendField adds a field. A value with a newline has its length in front, so that nothing in it begins a field.
func appendField(entry []byte, name, value string) []byte {
	if !strings.Contains(value, "\n") {
		return append(entry, name+"="+value+"\n"...)
	}
	entry = append(entry, name+"\n"...)
	entry = binary.LittleEndian.AppendUint64(entry, uint64(len(value)))
	return append(entry, value+"\n"...)
}

// fieldName returns the name of an attribute as journald takes it: capital letters, digits and _, at most 64.
func fieldName(name string) string {
	name = strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, strings.ToUpper(name))
	return "TLAGATE_" + name[:min(len(name), 64-len("TLAGATE_"))]
}

// priority returns a level as syslog has it (sd-daemon(3)).
func priority(level slog.Level) int {
	switch {
	case level >= slog.LevelError:
		return 3
	case level >= slog.LevelWarn:
		return 4
	case level >= slog.LevelInfo:
		return 6
	}
	return 7
}
