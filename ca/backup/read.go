package backup

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
)

// content is what was read from an archive, all of it, with the files that its manifest names. The manifest's signature
// has not been checked yet.
type content struct {
	Manifest
	text      []byte // the manifest as it was signed
	signature []byte
}

// keeper gets each file of an archive, by its path below the CA's directory.
type keeper func(path string) (io.WriteCloser, error)

// readArchive reads a tar stream to its very end: only there does decryption show that nothing was cut off.
func readArchive(in io.Reader, keep keeper) (*content, error) {
	r := &reader{in: tar.NewReader(in), keep: keep, seen: map[string]bool{}}
	if err := r.files(); err != nil {
		return nil, err
	}
	if rest, err := io.Copy(io.Discard, in); err != nil || rest > 0 {
		return nil, errors.Join(err, errTrailing(rest))
	}
	m, err := parseManifest(r.text)
	if err != nil {
		return nil, err
	}
	return &content{m, r.text, r.signature}, m.compare(r.found)
}

func errTrailing(n int64) error {
	if n == 0 {
		return nil
	}
	return errors.New("something follows its end")
}

type reader struct {
	in        *tar.Reader
	keep      keeper
	seen      map[string]bool
	found     []File
	text      []byte
	signature []byte
}

// files reads the entries: the CA's files, the manifest, its signature, and nothing else.
func (r *reader) files() error {
	for {
		header, err := r.in.Next()
		if errors.Is(err, io.EOF) {
			return r.complete()
		}
		if err != nil {
			return fmt.Errorf("it is no archive, or incomplete: %w", err)
		}
		if err := checkHeader(header); err != nil {
			return err
		}
		if err := r.entry(header); err != nil {
			return err
		}
	}
}

func (r *reader) complete() error {
	if r.text == nil || r.signature == nil {
		return errors.New("it has no signed manifest")
	}
	return nil
}

// checkHeader accepts a plain file: no link, no device, no hole.
func checkHeader(h *tar.Header) error {
	for key := range h.PAXRecords {
		if key != "size" {
			return errors.New("it holds an entry with attributes")
		}
	}
	if h.Typeflag != tar.TypeReg || h.Linkname != "" || h.Format == tar.FormatGNU {
		return errors.New("it holds an entry that is no plain file")
	}
	return nil
}

func (r *reader) entry(h *tar.Header) (err error) {
	path, ours := strings.CutPrefix(h.Name, inside)
	switch {
	case ours && r.text == nil:
		return r.file(path, h.Size)
	case h.Name == manifestName && r.text == nil && h.Size <= maxManifest:
		r.text, err = io.ReadAll(r.in)
		return err
	case h.Name == sealName && r.text != nil && r.signature == nil && h.Size <= maxManifest:
		r.signature, err = io.ReadAll(r.in)
		return err
	}
	return errors.New("it holds an entry that does not belong there")
}

func (r *reader) file(path string, size int64) error {
	if err := checkPath(path); err != nil {
		return err
	}
	if r.seen[path] || len(r.found) == maxFiles {
		return errors.New("it holds a file twice, or too many")
	}
	r.seen[path] = true
	out, err := r.keep(path)
	if err != nil {
		return err
	}
	hash := sha256.New()
	_, err = io.Copy(io.MultiWriter(out, hash), r.in)
	if err := errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("cannot read its file %s: %w", path, err)
	}
	r.found = append(r.found, File{path, size, hexOf(hash.Sum(nil))})
	return nil
}

// memory stores small files, and skips large ones.
type memory map[string]*bytes.Buffer

func (m memory) keep(path string) (io.WriteCloser, error) {
	m[path] = new(bytes.Buffer)
	return &small{m[path]}, nil
}

func (m memory) bytes(path string) []byte {
	if m[path] == nil {
		return nil
	}
	return m[path].Bytes()
}

// maxSmall bounds, in octets, the files that are stored in memory: keys, certificates and settings are smaller.
const maxSmall = 64 << 10

type small struct{ kept *bytes.Buffer }

func (s *small) Write(p []byte) (int, error) {
	s.kept.Write(p[:min(len(p), maxSmall-s.kept.Len())])
	return len(p), nil
}

func (s *small) Close() error { return nil }
