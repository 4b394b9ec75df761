package nettest

import (
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestServe(t *testing.T) {
	addr := Serve(t, func(c net.Conn) { _, _ = io.WriteString(c, "hello") })
	for range 2 {
		c, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		text, err := io.ReadAll(c)
		require.NoError(t, err)
		require.Equal(t, "hello", string(text))
		require.NoError(t, c.Close())
	}
}

func TestPair(t *testing.T) {
	near, far := Pair(t)
	_, err := io.WriteString(near, "x")
	require.NoError(t, err)
	require.NoError(t, near.Close())
	text, err := io.ReadAll(far)
	require.NoError(t, err)
	require.Equal(t, "x", string(text))
}
