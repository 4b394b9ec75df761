package local

import (
	"encoding/json"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const patience = 3 * time.Minute

func TestReadLine(t *testing.T) {
	line, err := ReadLine(strings.NewReader("1234\nmore"), 5)
	require.NoError(t, err)
	require.Equal(t, "1234", string(line))
	for text, want := range map[string]string{"12345": io.ErrUnexpectedEOF.Error(), "": io.ErrUnexpectedEOF.Error(), "123456\n": "longer than 5"} {
		_, err := ReadLine(strings.NewReader(text), 5)
		require.ErrorContains(t, err, want)
	}
}

func TestSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	s, err := Listen(path, -1)
	require.NoError(t, err)
	info, err := os.Lstat(path)
	require.NoError(t, err)
	if runtime.GOOS != "windows" {
		require.Equal(t, os.FileMode(mode), info.Mode().Perm())
	}
	go func() {
		if c, err := s.Accept(); err == nil {
			_ = WriteLine(c, map[string]string{"a": "<b>"}, patience)
			c.Close()
		}
	}()
	c, err := net.Dial("unix", path)
	require.NoError(t, err)
	defer c.Close()
	line, err := ReadLine(c, 100)
	require.NoError(t, err)
	var got map[string]string
	require.NoError(t, json.Unmarshal(line, &got))
	require.Equal(t, "<b>", got["a"])

	_, err = Listen(path, -1)
	require.ErrorIs(t, err, ErrInUse)
	require.NoError(t, s.Close())
	require.NoFileExists(t, path)
	require.NoError(t, s.Close())
}

func TestSocketOfTheDead(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	require.NoError(t, err)
	dead.SetUnlinkOnClose(false)
	require.NoError(t, dead.Close())
	s, err := Listen(path, -1)
	require.NoError(t, err)

	require.NoError(t, os.Remove(path))
	require.NoError(t, os.WriteFile(path, []byte("another's"), 0o600))
	require.NoError(t, s.Close())
	require.FileExists(t, path, "it is not ours")
	_, err = Listen(path, -1)
	require.ErrorIs(t, err, ErrNoSocket)
	all, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, all, 1)
}
