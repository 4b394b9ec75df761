package keys

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"tlagate/internal/files"
)

// maxPrivate is the largest file with a secret, in octets.
const maxPrivate = 64 << 10

// readPrivate reads a file that only its owner may read. The caller wipes what it returns. It refuses a file that group
// or others can read or write (except for the bits in tolerated), anything but an ordinary file, and a symbolic link
// that leads out of its directory. Windows has no such bits: its guide says what to do.
func readPrivate(file string, tolerated fs.FileMode) ([]byte, error) {
	if err := checkLink(file); err != nil {
		return nil, err
	}
	f, err := files.OpenRegular(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat() // of the open file: the name may change meanwhile
	if err != nil {
		return nil, err
	}
	if err := private(info, tolerated); err != nil {
		return nil, err
	}
	return readAll(f, info.Size())
}

func private(info fs.FileInfo, tolerated fs.FileMode) error {
	switch mode := info.Mode(); {
	case runtime.GOOS != "windows" && mode.Perm()&0o077&^tolerated != 0:
		return fmt.Errorf("its mode %#o lets others at it, so it may be compromised; if not, run chmod 600 on it",
			mode.Perm())
	case info.Size() > maxPrivate:
		return fmt.Errorf("it is larger than %d octets", maxPrivate)
	}
	return nil
}

// readAll reads into one buffer: a growing one would leave copies behind.
func readAll(f io.Reader, size int64) ([]byte, error) {
	buffer := make([]byte, size+1)
	n, err := io.ReadFull(f, buffer)
	if err == nil {
		wipe(buffer)
		return nil, errors.New("it grows while it is read")
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		wipe(buffer)
		return nil, err
	}
	return buffer[:n], nil
}

// checkLink refuses a link to another directory: anybody who may write there could replace the file. Links within the
// directory are allowed: by them secrets are replaced in one step.
func checkLink(file string) error {
	target, err := filepath.EvalSymlinks(file)
	if err != nil {
		return err
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(file))
	if err != nil {
		return err
	}
	inside, err := filepath.Rel(dir, target)
	if err != nil || inside == ".." || strings.HasPrefix(inside, ".."+string(filepath.Separator)) {
		return errors.New("it is a symbolic link that leads out of its directory: name the file itself")
	}
	return nil
}

// writeNew writes a file that is not there yet, and takes it away again when that fails. It is written in its place: a
// temporary file would be another that holds the secret after a crash, and that nobody destroys. Where others could
// read it, as on a medium without modes, nothing is written: it would be refused when it is read.
func writeNew(file string, data []byte) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: %w", ErrExists, fs.ErrExist)
	}
	if err != nil {
		return err
	}
	if err = files.Private(f); err == nil {
		_, err = f.Write(data)
	}
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(file))
	}
	return files.SyncDir(filepath.Dir(file))
}

// destroyFile overwrites a file once and removes it. On flash that proves nothing: old pages stay on the medium.
func destroyFile(file string) error {
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && info.Mode().IsRegular() {
		_, err = f.Write(make([]byte, info.Size()))
		err = errors.Join(err, f.Sync())
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return errors.Join(os.Remove(file), files.SyncDir(filepath.Dir(file)))
}
