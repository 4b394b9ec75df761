package files

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

func TestReplace(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	for _, text := range []string{"old", "new", ""} {
		require.NoError(t, Replace(file, []byte(text), 0o600))
		requireText(t, file, text)
	}
	info, err := os.Stat(file)
	require.NoError(t, err)
	if runtime.GOOS != "windows" {
		require.Equal(t, fs.FileMode(0o600), info.Mode())
	}
	requireAlone(t, file)
}

func TestReplaceFailsWhole(t *testing.T) {
	dir := t.TempDir()
	require.ErrorIs(t, Replace(filepath.Join(dir, "none", "state"), nil, 0o600), fs.ErrNotExist)
	place := filepath.Join(dir, "taken")
	require.NoError(t, os.MkdirAll(filepath.Join(place, "by"), 0o700))
	require.Error(t, Replace(place, []byte("new"), 0o600), "a directory is there")
	requireAlone(t, place)
}

func TestWriteNew(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	require.NoError(t, WriteNew(file, []byte("first"), 0o644))
	require.ErrorIs(t, WriteNew(file, []byte("second"), 0o644), fs.ErrExist)
	requireText(t, file, "first")
	requireAlone(t, file)
}

func TestStage(t *testing.T) {
	file := filepath.Join(t.TempDir(), "list")
	require.NoError(t, os.WriteFile(file, []byte("old"), 0o600))
	s, err := Stage(file, 0o600, func(w io.Writer) error { _, err := io.WriteString(w, "new"); return err })
	require.NoError(t, err)
	requireText(t, file, "old")
	require.NoError(t, s.Replace())
	s.Discard()
	requireText(t, file, "new")

	failure := errors.New("half of it")
	_, err = Stage(file, 0o600, func(w io.Writer) error { _, _ = io.WriteString(w, "ha"); return failure })
	require.ErrorIs(t, err, failure)
	requireText(t, file, "new")
	requireAlone(t, file)
}

func TestSyncDir(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows syncs no directory")
	}
	require.NoError(t, SyncDir(t.TempDir()))
	require.ErrorIs(t, SyncDir(filepath.Join(t.TempDir(), "none")), fs.ErrNotExist)
	if runtime.GOOS == "linux" {
		require.NoError(t, SyncDir("/proc"), "a file system that cannot")
	}
}

func TestRead(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	require.NoError(t, os.WriteFile(file, []byte("12345"), 0o600))
	data, err := Read(file, 5)
	require.NoError(t, err)
	require.Equal(t, "12345", string(data))
	_, err = Read(file, 4)
	require.ErrorIs(t, err, ErrTooLarge)
	require.EqualError(t, err, "it is larger than the limit of 4 bytes")
	_, err = Read(file+"x", 5)
	require.ErrorIs(t, err, fs.ErrNotExist)
}

// What is allocated follows what came, and not what a stranger says will come.
func TestReadAllAllocatesInProportionToWhatCame(t *testing.T) {
	const limit = 16 << 20
	allocated := func(read func()) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		read()
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	require.Less(t, allocated(func() {
		data, err := ReadAll(strings.NewReader("x"), limit, limit)
		require.NoError(t, err)
		require.Equal(t, "x", string(data))
	}), uint64(limit/4))
	require.Less(t, allocated(func() {
		_, err := ReadAll(strings.NewReader("x"), math.MaxInt64, limit)
		require.ErrorIs(t, err, ErrTooLarge)
	}), uint64(limit/4))
	require.Less(t, allocated(func() {
		_, err := ReadAll(endless{}, -1, limit)
		require.ErrorIs(t, err, ErrTooLarge)
	}), uint64(3*limit))
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// Whatever size is expected, all of it is read.
func TestReadAllOfAnotherSize(t *testing.T) {
	for _, length := range []int{0, 1, bytes.MinRead, 3 << 20} {
		for _, size := range []int64{-1, 0, 1, 3<<20 - 1, 3 << 20, 4 << 20} {
			data, err := ReadAll(iotest.HalfReader(strings.NewReader(strings.Repeat("x", length))), size, 4<<20)
			require.NoError(t, err)
			require.Len(t, data, length)
		}
	}
	data, err := ReadAll(strings.NewReader("xyz"), 2, 3)
	require.NoError(t, err)
	require.Equal(t, "xyz", string(data))
	_, err = ReadAll(strings.NewReader("xyz"), 2, 2)
	require.ErrorIs(t, err, ErrTooLarge)
	_, err = ReadAll(iotest.ErrReader(io.ErrUnexpectedEOF), 2, 2)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

func TestReadAllKeepsNoRoom(t *testing.T) {
	data, err := ReadAll(strings.NewReader(strings.Repeat("x", 70<<10)), -1, 1<<20)
	require.NoError(t, err)
	require.Len(t, data, 70<<10)
	require.Less(t, cap(data), 80<<10)
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "state")
	wrong := errors.New("it makes no sense")
	load := func(file string) (string, bool, error) {
		text := ""
		found, err := Load(file, 5, func(data []byte) error {
			if text = string(data); text == "wrong" {
				return wrong
			}
			return nil
		})
		return text, found, err
	}
	for _, none := range []string{"", file} {
		_, found, err := load(none)
		require.NoError(t, err)
		require.False(t, found)
	}
	for text, want := range map[string]error{
		"good": nil, "": errors.New("it is empty"), "wrong": wrong, "too long": ErrTooLarge,
	} {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		got, found, err := load(file)
		require.True(t, found)
		if want == nil {
			require.NoError(t, err)
			require.Equal(t, text, got)
			continue
		}
		require.ErrorContains(t, err, want.Error())
		require.ErrorAs(t, err, new(*Damaged))
	}
	_, found, err := load(dir)
	require.Error(t, err)
	require.True(t, found)
	require.False(t, errors.As(err, new(*Damaged)), "it could not be read at all")
}

func TestDecodeJSON(t *testing.T) {
	var v struct{ A int }
	require.NoError(t, DecodeJSON([]byte(`{"A": 1}`+"\n"), &v))
	require.Equal(t, 1, v.A)
	for _, text := range []string{``, `{"A": 1`, `{"B": 1}`, `{"A": 1} {}`, `{"A": 1}x`} {
		require.Error(t, DecodeJSON([]byte(text), &v), text)
	}
}

func requireText(t *testing.T, file, want string) {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, want, string(text))
}

// requireAlone fails if anything temporary is left beside a file.
func requireAlone(t *testing.T, file string) {
	t.Helper()
	all, err := os.ReadDir(filepath.Dir(file))
	require.NoError(t, err)
	require.Len(t, all, 1)
}
