// Package pin holds a PIN between its entry at the terminal and the card, and nowhere else (annex codes SP2, SP4, EL3):
// in one page of memory that is locked, left out of core dumps, and wiped.
package pin

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Format says how a card wants its PIN: digits in ASCII, padded (ISO 7816-4, 11.6.6).
type Format struct {
	Min    int  `yaml:"min" json:"min"`                           // digits, 4 to 12
	Max    int  `yaml:"max" json:"max"`                           // digits, Min to 12
	Length int  `yaml:"length,omitempty" json:"length,omitempty"` // octets of the command's data; 0 = the digits alone
	Pad    byte `yaml:"pad,omitempty" json:"pad,omitempty"`       // fills up to Length
}

// The bounds of a Format.
const (
	MinDigits = 4
	MaxDigits = 12
	maxLength = 15 // what a reader's PIN pad can be told (PC/SC part 10)
)

// Check returns an error that says what is wrong with the format.
func (f Format) Check() error {
	switch {
	case f.Min < MinDigits || f.Max < f.Min || f.Max > MaxDigits:
		return fmt.Errorf("a PIN of %d to %d digits: want %d to %d at most", f.Min, f.Max, MinDigits, MaxDigits)
	case f.Length != 0 && (f.Length < f.Max || f.Length > maxLength):
		return fmt.Errorf("a PIN of up to %d digits in %d octets: want %d to %d", f.Max, f.Length, f.Max, maxLength)
	}
	return nil
}

// Command is a VERIFY in the making: header, length and PIN in locked memory. It is for one goroutine at a time.
type Command struct {
	page   []byte // mmapped: [0:5] header and Lc, then the digits
	digits int
	format Format
}

const headerLen = 5

// New returns a command for a card; header is CLA INS P1 P2. The caller must call Wipe.
func New(header [4]byte, f Format) (*Command, error) {
	if err := f.Check(); err != nil {
		return nil, fmt.Errorf("cannot ask for a PIN: %w", err)
	}
	page, err := unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, fmt.Errorf("cannot keep a PIN: %w", err)
	}
	if err := errors.Join(unix.Mlock(page), unix.Madvise(page, unix.MADV_DONTDUMP),
		unix.Madvise(page, unix.MADV_DONTFORK)); err != nil {
		_ = unix.Munmap(page)
		return nil,
			fmt.Errorf("cannot keep a PIN in locked memory: %w; raise the limit of locked memory (LimitMEMLOCK)", err)
	}
	copy(page, header[:])
	return &Command{page: page, format: f}, nil
}

// Why what was entered is no PIN.
var (
	ErrNoDigits = errors.New("a PIN has digits only")
	ErrLength   = errors.New("the PIN is too short or too long")
)

// ReadFrom reads the PIN, digits up to a newline or the end, octet by octet straight into the locked memory: nothing is
// read ahead, and no other buffer has it. After an error none of it is kept.
func (c *Command) ReadFrom(r io.Reader) (n int64, err error) {
	c.digits = 0
	for {
		at := c.page[headerLen+c.digits : headerLen+c.digits+1]
		k, err := r.Read(at)
		n += int64(k)
		switch {
		case k == 1 && at[0] == '\n':
			at[0] = 0
			return n, c.seal()
		case k == 1 && (at[0] < '0' || at[0] > '9'):
			c.clear()
			return n, ErrNoDigits
		case k == 1 && c.digits == c.format.Max:
			c.clear()
			return n, ErrLength
		case k == 1:
			c.digits++
		case errors.Is(err, io.EOF):
			return n, c.seal()
		case err != nil:
			c.clear()
			return n, err
		}
	}
}

// seal pads the PIN and writes the length.
func (c *Command) seal() error {
	if c.digits < c.format.Min {
		c.clear()
		return ErrLength
	}
	length := max(c.format.Length, c.digits)
	for i := c.digits; i < length; i++ {
		c.page[headerLen+i] = c.format.Pad
	}
	c.page[headerLen-1] = byte(length)
	return nil
}

func (c *Command) clear() {
	clear(c.page[headerLen-1:])
	c.digits = 0
}

// APDU returns the whole VERIFY, which the caller must not keep; nil before a PIN was read, and after Wipe.
func (c *Command) APDU() []byte {
	if c.page == nil || c.digits == 0 {
		return nil
	}
	return c.page[: headerLen+int(c.page[headerLen-1]) : headerLen+int(c.page[headerLen-1])]
}

// WriteTo writes the digits, if there are any, and a newline, out of the locked memory.
func (c *Command) WriteTo(w io.Writer) (int64, error) {
	end := headerLen + c.digits
	kept := c.page[end]
	c.page[end] = '\n'
	n, err := w.Write(c.page[headerLen : end+1])
	c.page[end] = kept
	return int64(n), err
}

// Wipe clears the memory and returns it to the system. It may be called more than once.
func (c *Command) Wipe() {
	if c.page == nil {
		return
	}
	clear(c.page)
	_ = unix.Munmap(c.page)
	c.page, c.digits = nil, 0
}

// String returns a text without the PIN.
func (c *Command) String() string { return "PIN" }

// GoString returns a text without the PIN.
func (c *Command) GoString() string { return "PIN" }
