package files

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// ErrTooLarge is the error of what is larger than it may be.
var ErrTooLarge = errors.New("it is larger than the limit")

// Read reads a file of at most limit octets.
func Read(file string, limit int64) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return ReadAll(f, info.Size(), limit)
}

// ReadAll reads all of r, at most limit octets, and expects it to hold size; < 0 = not known. The slice has little more
// room than it needs: who keeps a long one keeps no more than that.
func ReadAll(r io.Reader, size, limit int64) ([]byte, error) {
	var buf bytes.Buffer
	buf.Grow(int(min(max(size, 0), limit)) + bytes.MinRead)
	n, err := buf.ReadFrom(io.LimitReader(r, limit+1))
	if err == nil && n > limit {
		return nil, fmt.Errorf("%w of %d bytes", ErrTooLarge, limit)
	}
	if buf.Cap() > buf.Len()+buf.Len()/16+bytes.MinRead {
		return bytes.Clone(buf.Bytes()), err
	}
	return buf.Bytes(), err
}

// Damaged is the error of a file that is there and can be read, and is not what we wrote.
type Damaged struct{ Cause error }

// Error returns the cause's text.
func (d *Damaged) Error() string { return d.Cause.Error() }

// Unwrap returns the cause.
func (d *Damaged) Unwrap() error { return d.Cause }

// Load reads a file that the program keeps for itself, of at most limit octets, and has parse take it in. It reports
// whether there is one: none at first, and none of the name "". One that is empty, too large or not what parse wants is a
// *Damaged: the caller either refuses to go on without it, or starts anew and says so.
func Load(file string, limit int64, parse func(data []byte) error) (found bool, err error) {
	if file == "" {
		return false, nil
	}
	data, err := Read(file, limit)
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

// DecodeJSON reads one JSON value whose members are all known to v, and nothing behind it but space.
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
