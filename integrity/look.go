package integrity

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// look returns what is at a path below a root, as a manifest would list it. want is what is expected there: a
// large file of another size is not read. A kind that no manifest lists is returned in words.
func look(root, path string, want *Entry) (Entry, error) {
	e := Entry{Path: path}
	name := filepath.Join(root, path)
	info, err := os.Lstat(name)
	if absent(err) {
		e.Kind = Absent
		return e, nil
	}
	if err != nil {
		return e, err
	}
	e.Owner = ownerOf(info)
	switch info.Mode().Type() {
	case 0:
		return e.file(name, info, want)
	case fs.ModeDir:
		e.Kind, e.Mode = Dir, modeText(info.Mode())
	case fs.ModeSymlink:
		e.Kind = Link
		e.To, err = os.Readlink(name)
	default:
		e.Kind = Kind(kindWords[info.Mode().Type()])
	}
	return e, err
}

var kindWords = map[fs.FileMode]string{fs.ModeSocket: "socket", fs.ModeNamedPipe: "pipe", fs.ModeDevice: "device",
	fs.ModeDevice | fs.ModeCharDevice: "device"}

// absent reports whether an error says that nothing is there.
func absent(err error) bool { return errors.Is(err, fs.ErrNotExist) || isNotDir(err) }

// maxOther is the largest file that is read although its size tells that it is another: so that it is seen when it
// becomes a third.
const maxOther = 16 << 20

func (e Entry) file(name string, info fs.FileInfo, want *Entry) (Entry, error) {
	e.Kind, e.Mode, e.Size = File, modeText(info.Mode()), info.Size()
	if want != nil && (want.Kind != File || want.Size != e.Size && e.Size > maxOther) {
		return e, nil
	}
	var err error
	e.SHA256, e.Size, err = sumFile(name)
	return e, err
}

// sumFile reads a regular file; it neither follows a link nor waits for a pipe that took its place.
func sumFile(name string) (sum string, size int64, err error) {
	f, err := openFile(name)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", 0, err
	}
	if !info.Mode().IsRegular() {
		return "", 0, fmt.Errorf("%s is no file any more", name)
	}
	return sumOf(io.LimitReader(f, info.Size())) // one that grows has no end
}

func sumOf(r io.Reader) (string, int64, error) {
	h := sha256.New()
	n, err := io.Copy(h, r)
	if err != nil {
		return "", 0, err
	}
	return hex.EncodeToString(h.Sum(nil)), n, nil
}

func digestOf(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// namesIn returns the names in a directory, at most limit.
func namesIn(name string, limit int) ([]string, error) {
	f, err := openDir(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := f.Readdirnames(limit)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return names, err
}
