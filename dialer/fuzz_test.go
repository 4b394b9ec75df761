package dialer

import (
	"bytes"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzAnswer: whatever a proxy says, the head that is read of it is bounded, and all that follows is passed on.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		"HTTP/1.1 200 Connection established\r\n\r\n", "HTTP/1.0 200 ok\r\nVia: p\r\nX-Y:\r\n\r\n\x16\x03\x03\x00",
		"HTTP/1.1 407 no\r\nProxy-Authenticate: Basic realm=\"p\"\r\nContent-Length: 2\r\n\r\nno",
		"HTTP/1.1 200\r\n\r\n", "HTTP/1.1 200 ok\r\n: x\r\n\r\n",
		"HTTP/1.1 407 no\r\nProxy-Authenticate: Digest realm=\"a\\\",b\", Basic\r\n\r\n",
		"HTTP/1.1 200 ok\n\n", "HTTP/1.1 2000 ok\r\n\r\n", "HTTP/1.1 200 ok\r\nA: b\r\n c\r\n\r\n", "\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, said []byte) {
		in := bytes.NewReader(said)
		a, err := readAnswer(in)
		if err != nil {
			return
		}
		a.takesBasic()
		unread, _ := io.ReadAll(in)
		after := append(a.rest, unread...)
		head, whole := bytes.CutSuffix(said, after)
		require.True(t, whole)
		require.LessOrEqual(t, len(head), maxHead)
		require.True(t, bytes.HasPrefix(head, []byte("HTTP/1.")))
		require.Equal(t, len(head)-4, bytes.Index(head, []byte("\r\n\r\n")), "the head ends at its first empty line")
		require.True(t, a.status >= 100 && a.status <= 999)
	})
}
