package backup

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

const (
	inside       = "ca/"
	manifestName = "manifest.json"
	sealName     = "manifest.sig"
)

// archive writes the tar stream.
type archive struct {
	out      *tar.Writer
	manifest *Manifest
}

// file copies one file into the archive and into the manifest.
func (a *archive) file(path, from string) error {
	if err := checkPath(path); err != nil {
		return fmt.Errorf("cannot back up %s: give it a plain name of printable ASCII, without a leading dot", from)
	}
	in, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("cannot read what to back up: %w", err)
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return fmt.Errorf("cannot read what to back up: %w", err)
	}
	hash := sha256.New()
	if err := a.entry(inside+path, info.Size(), io.TeeReader(in, hash)); err != nil {
		return fmt.Errorf("cannot back up %s: %w", from, err)
	}
	a.manifest.Files = append(a.manifest.Files, File{path, info.Size(), hexOf(hash.Sum(nil))})
	return nil
}

// entry writes size octets of in. What a file (a log) grows by meanwhile is left out.
func (a *archive) entry(name string, size int64, in io.Reader) error {
	header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o600,
		ModTime: a.manifest.Made.Truncate(time.Second)}
	if err := a.out.WriteHeader(header); err != nil {
		return err
	}
	_, err := io.CopyN(a.out, in, size)
	if errors.Is(err, io.EOF) {
		return errors.New("it became shorter meanwhile; run the backup again")
	}
	return err
}

// seal ends the archive with the manifest and its signature.
func (a *archive) seal(sign func([]byte) ([]byte, error)) error {
	text, err := json.MarshalIndent(a.manifest, "", "  ")
	if err != nil {
		return err
	}
	signature, err := sign(text)
	if err != nil {
		return err
	}
	if err := a.entry(manifestName, int64(len(text)), bytes.NewReader(text)); err != nil {
		return err
	}
	if err := a.entry(sealName, int64(len(signature)), bytes.NewReader(signature)); err != nil {
		return err
	}
	return a.out.Close()
}
