package files

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// noLinks returns a system without hard links, as on FAT and exFAT: err is the error that it reports.
func noLinks(err error) system {
	return system{func(string, string) error { return err }, (*os.File).Chmod}
}

// noModes returns a system without modes, as on FAT and exFAT: err is the error that it reports, nil if it reports
// none.
func noModes(err error) system {
	return system{os.Link, func(f *os.File, _ fs.FileMode) error {
		if chmod := f.Chmod(0o755); chmod != nil {
			return chmod
		}
		return err
	}}
}

var refusals = []error{syscall.EPERM, syscall.EOPNOTSUPP, syscall.ENOSYS}

func TestWriteNewWithoutLinks(t *testing.T) {
	for _, refusal := range refusals {
		s, file := noLinks(refusal), filepath.Join(t.TempDir(), "backup")
		require.NoError(t, s.write(file, []byte("first"), 0o600, secret, (*Staged).PlaceNew))
		require.ErrorIs(t, s.write(file, []byte("second"), 0o600, secret, (*Staged).PlaceNew), fs.ErrExist)
		requireText(t, file, "first")
		requireAlone(t, file)
	}
	file := filepath.Join(t.TempDir(), "backup")
	err := noLinks(syscall.EIO).write(file, []byte("x"), 0o600, secret, (*Staged).PlaceNew)
	require.ErrorIs(t, err, syscall.EIO, "a fault does not mean that links are missing")
	require.NoFileExists(t, file)
}

// TestWriteNewWithoutLinksOnce: of many writers at once, one gets the name, and the file has its whole content.
func TestWriteNewWithoutLinksOnce(t *testing.T) {
	s, file := noLinks(syscall.EPERM), filepath.Join(t.TempDir(), "backup")
	var placed atomic.Int32
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if s.write(file, []byte("whole"), 0o644, open, (*Staged).PlaceNew) == nil {
				placed.Add(1)
			}
		})
	}
	all.Wait()
	require.EqualValues(t, 1, placed.Load())
	requireText(t, file, "whole")
}

func TestSecretsWithoutModes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no modes")
	}
	for _, refusal := range append(refusals, nil) {
		s, file := noModes(refusal), filepath.Join(t.TempDir(), "key")
		for _, place := range []func(*Staged) error{(*Staged).PlaceNew, (*Staged).Replace} {
			require.ErrorIs(t, s.write(file, []byte("secret"), 0o600, secret, place), ErrReadable)
			all, err := os.ReadDir(filepath.Dir(file))
			require.NoError(t, err)
			require.Empty(t, all, "nothing is left of it")
		}
		require.NoError(t, s.write(file, []byte("sealed"), 0o600, open, (*Staged).PlaceNew))
		requireText(t, file, "sealed")
	}
	require.ErrorIs(t, noModes(syscall.EIO).write(filepath.Join(t.TempDir(), "f"), nil, 0o600, open, (*Staged).Replace),
		syscall.EIO, "a fault does not mean that modes are missing")
}

func TestTry(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no modes")
	}
	dir := t.TempDir()
	for name, c := range map[string]struct {
		s              system
		private, links error
	}{
		"it can do all": {here, nil, nil},
		"no links":      {noLinks(syscall.EPERM), nil, syscall.EPERM},
		"no modes":      {noModes(nil), ErrReadable, nil},
	} {
		got, err := c.s.try(dir)
		require.NoError(t, err, name)
		require.NoError(t, got.Replace, name)
		require.NoError(t, got.SyncDir, name)
		require.ErrorIs(t, got.Private, c.private, name)
		require.ErrorIs(t, got.Links, c.links, name)
		left, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Empty(t, left, name)
	}
	_, err := Try(filepath.Join(dir, "none"))
	require.ErrorIs(t, err, fs.ErrNotExist)
}
