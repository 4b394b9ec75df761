package files

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// ErrTooLarge means that something is larger than it may be.
var ErrTooLarge = errors.New("it is larger than the limit")

// Read reads a file of at most limit octets.
func Read(file string, limit int64) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readOpen(f, limit)
}

func readOpen(f *os.File, limit int64) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return readAll(f, info.Size(), info.Size(), limit)
}

// ReadRegular is Read of what must be a regular file: it waits for no pipe that took its place.
func ReadRegular(file string, limit int64) ([]byte, error) {
	f, err := OpenRegular(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readOpen(f, limit)
}

// OpenRegular opens a file for reading, and refuses what is no regular one.
func OpenRegular(file string) (*os.File, error) {
	f, err := os.OpenFile(file, os.O_RDONLY|nonblocking, 0)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(cmp.Or(err, fmt.Errorf("%s: it is no regular file", file)), f.Close())
	}
	return f, nil
}

// unproven is how much room a size that somebody else states gets before that much has come.
const unproven = 1 << 20

// ReadAll reads all of r, at most limit octets, and expects size octets; < 0 = not known. The capacity of the slice is
// little more than its length, so that a caller can keep a long one without waste.
func ReadAll(r io.Reader, size, limit int64) ([]byte, error) {
	if size > limit {
		return nil, errLarger(limit)
	}
	return readAll(r, min(size, unproven), size, limit)
}

// readAll is ReadAll with room for the first octets.
func readAll(r io.Reader, first, size, limit int64) ([]byte, error) {
	data := make([]byte, 0, min(max(first, 0), limit)+bytes.MinRead)
	for r = io.LimitReader(r, limit+1); ; {
		n, err := r.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		switch {
		case int64(len(data)) > limit:
			return nil, errLarger(limit)
		case err == io.EOF:
			return tight(data), nil
		case err != nil:
			return tight(data), err
		case len(data) == cap(data):
			data = withRoom(data, size, limit)
		}
	}
}

func errLarger(limit int64) error { return fmt.Errorf("%w of %d bytes", ErrTooLarge, limit) }

// withRoom returns data with twice the capacity, or with what their size or their limit needs, if that is near.
func withRoom(data []byte, size, limit int64) []byte {
	room := int64(2 * cap(data))
	for _, end := range []int64{size + bytes.MinRead, limit + bytes.MinRead} {
		if int64(cap(data)) < end && end < 2*room {
			return append(make([]byte, 0, end), data...)
		}
	}
	return append(make([]byte, 0, room), data...)
}

// tight returns data without much unused capacity.
func tight(data []byte) []byte {
	if cap(data) > len(data)+len(data)/16+bytes.MinRead {
		return bytes.Clone(data)
	}
	return data
}

// Damaged means that a file exists and can be read, but is not what we wrote.
type Damaged struct{ Cause error }

// Error returns the cause's text.
func (d *Damaged) Error() string { return d.Cause.Error() }

// Unwrap returns the cause.
func (d *Damaged) Unwrap() error { return d.Cause }

// Load reads a file that the program keeps for itself, of at most limit octets, and calls parse with its content. It
// reports whether the file exists: at the first start it does not, and one of the name "" never does. If it is empty,
// too large or not what parse wants, the error is a *Damaged: the caller either refuses to go on without it, or starts
// anew and says so.
func Load(file string, limit int64, parse func(data []byte) error) (found bool, err error) {
	if file == "" {
		return false, nil
	}
	data, err := ReadRegular(file, limit)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case errors.Is(err, ErrTooLarge):
		return true, &Damaged{err}
	case err != nil:
		return true, err
	case len(data) == 0:
		return true, &Damaged{errors.New("it is empty")}
	}
	if err := parse(data); err != nil {
		return true, &Damaged{err}
	}
	return true, nil
}

// DecodeJSON reads one JSON value into v. Its members must all be known to v, and only space may follow it.
func DecodeJSON(data []byte, v any) error {
	in := json.NewDecoder(bytes.NewReader(data))
	in.DisallowUnknownFields()
	if err := in.Decode(v); err != nil {
		return err
	}
	if _, err := in.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows it")
	}
	return nil
}
