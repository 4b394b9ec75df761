package cli

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// journald is a socket of the test's own.
func journald(t *testing.T) (c *net.UnixConn, path string) {
	path = filepath.Join(t.TempDir(), "socket")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c, path
}

// entry reads one datagram, as journald does, into its fields in their order.
func entry(t *testing.T, c *net.UnixConn) (fields [][2]string) {
	raw := make([]byte, 1<<20)
	require.NoError(t, c.SetReadDeadline(time.Now().Add(time.Minute)))
	n, err := c.Read(raw)
	require.NoError(t, err)
	for raw = raw[:n]; len(raw) > 0; {
		line, rest, ok := bytes.Cut(raw, []byte("\n"))
		require.True(t, ok, "%q", raw)
		name, value, plain := strings.Cut(string(line), "=")
		if !plain {
			length := binary.LittleEndian.Uint64(rest)
			value, rest = string(rest[8:8+length]), rest[8+length:]
			require.Equal(t, byte('\n'), rest[0])
			rest = rest[1:]
		}
		require.Regexp(t, `^[A-Z][A-Z0-9_]{0,63}$`, name)
		fields, raw = append(fields, [2]string{name, value}), rest
	}
	return fields
}

// stderr is a file, as the program's stderr, and what systemd would say of it.
func stderr(t *testing.T) (f *os.File, stream string, text func() string) {
	f, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	return f, fileNumbers(f), func() string {
		raw, err := os.ReadFile(f.Name())
		require.NoError(t, err)
		return string(raw)
	}
}

// TestEL1JournalGetsFields: level and attributes reach journald as fields, and nothing is on stderr.
func TestEL1JournalGetsFields(t *testing.T) {
	c, socket := journald(t)
	f, stream, text := stderr(t)
	log := loggerTo(f, stream, socket, "tla-gateway", slog.LevelInfo, "text")
	log.Debug("not wanted")
	log.With("peer", "urn:x").WithGroup("tls").Warn("handshake refused", "reason", "revoked",
		"error", errors.New("why"), slog.Group("at", "net.work", 4))
	require.Equal(t, [][2]string{
		{"MESSAGE", `msg="handshake refused" peer=urn:x tls.reason=revoked tls.error=why tls.at.net.work=4`},
		{"PRIORITY", "4"}, {"SYSLOG_IDENTIFIER", "tla-gateway"}, {"TLAGATE_PEER", "urn:x"},
		{"TLAGATE_TLS_REASON", "revoked"}, {"TLAGATE_TLS_ERROR", "why"}, {"TLAGATE_TLS_AT_NET_WORK", "4"},
	}, entry(t, c))
	log.Info("time", "level", "high", "time", "late")
	require.Equal(t, [2]string{"MESSAGE", "msg=time level=high time=late"}, entry(t, c)[0])
	loggerTo(f, stream, socket, "p", slog.LevelInfo, "json").Error("bad", "n", 1)
	require.Equal(t, [][2]string{{"MESSAGE", `{"msg":"bad","n":1}`}, {"PRIORITY", "3"}, {"SYSLOG_IDENTIFIER", "p"},
		{"TLAGATE_N", "1"}}, entry(t, c))
	require.Empty(t, text())
}

// TestEL1JournalNewlines: a value with newlines arrives as it is, and makes no field of its own.
func TestEL1JournalNewlines(t *testing.T) {
	c, socket := journald(t)
	f, stream, _ := stderr(t)
	value := "one\nPRIORITY=0\n\n\x00two"
	loggerTo(f, stream, socket, "p", slog.LevelInfo, "text").Info("said", "text", value,
		strings.Repeat("é", 70), "long", "", "none")
	got := entry(t, c)
	require.Equal(t, "PRIORITY", got[1][0])
	require.Equal(t, "6", got[1][1])
	require.Equal(t, [2]string{"TLAGATE_TEXT", value}, got[3])
	require.Len(t, got, 6)
	require.Equal(t, [2]string{"TLAGATE_", "none"}, got[5])
}

// TestEL1JournalWithoutSocket: where journald does not take an entry, it is a line of its priority on stderr.
func TestEL1JournalWithoutSocket(t *testing.T) {
	f, stream, text := stderr(t)
	log := loggerTo(f, stream, filepath.Join(t.TempDir(), "none"), "p", slog.LevelDebug, "text")
	log.Debug("a")
	log.Info("b", "text", "x\ny")
	log.Warn("c")
	log.Error("d")
	require.Equal(t, "<7>msg=a\n<6>msg=b text=\"x\\ny\"\n<4>msg=c\n<3>msg=d\n", text())

	c, socket := journald(t)
	log = loggerTo(f, stream, socket, "p", slog.LevelDebug, "text")
	log.Info("long", "text", strings.Repeat("x", 4<<20)) // no datagram is so long
	require.Contains(t, text(), "<6>msg=long text=xxx")
	c.Close()
	log.Info("gone")
	require.Contains(t, text(), "<6>msg=gone\n")
}

// TestEL1NoJournal: a stderr that is not the journal gets lines with level and time, whatever the variable says.
func TestEL1NoJournal(t *testing.T) {
	f, stream, text := stderr(t)
	for _, says := range []string{"", "1:2", stream + "0", stream[:len(stream)-1]} {
		require.False(t, isJournal(f, says))
	}
	require.True(t, isJournal(f, stream))
	require.False(t, isJournal(io.Discard, stream))
	loggerTo(f, "", "", "p", slog.LevelInfo, "text").Warn("plain")
	require.Regexp(t, `^time=\S+ level=WARN msg=plain\n$`, text())
}

// TestEL1LastLineInTheJournal: each line about the error that ends a program has its priority.
func TestEL1LastLineInTheJournal(t *testing.T) {
	require.Equal(t, "p: cannot\n  one\n  two", lastLine("p", "cannot\n  one\n  two", false))
	require.Equal(t, "<3>p: cannot\n<3>  one\n<3>  two", lastLine("p", "cannot\n  one\n  two", true))
}
