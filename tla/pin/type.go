package pin

import (
	"errors"
	"io"
)

// ErrRefused says that the user who was asked for a PIN declined to enter one.
var ErrRefused = errors.New("the user refuses to enter a PIN")

// The keys of a terminal, as octets in raw mode. A numeric keypad alone will do.
const (
	keyBackspace = 0x08
	keyEnter     = '\r'
	keyNewline   = '\n'
	keyEscape    = 0x1B
	keyDelete    = 0x7F
	keyErase     = '-'
	keyRefuse    = '/'
)

// Type reads the PIN as it is typed at a terminal in raw mode, octet by octet straight into the locked memory, as
// ReadFrom does: digits, backspace or "-" to take the last one back, Enter once there are enough; Escape or "/" returns
// ErrRefused. more reports whether another octet follows at once, which makes an Escape the beginning of another key's
// sequence; typed is called after each key with the number of digits so far, and whether that key was an Enter which
// came too early. After an error nothing is kept.
func (c *Command) Type(keys io.Reader, more func() bool, typed func(digits int, early bool)) error {
	c.clear()
	for early := false; ; {
		typed(c.digits, early)
		at := c.page[headerLen+c.digits : headerLen+c.digits+1]
		if _, err := io.ReadFull(keys, at); err != nil {
			c.clear()
			return err
		}
		early = isEnter(at[0]) && c.digits < c.format.Min
		if done, err := c.key(at, keys, more); done {
			return err
		}
	}
}

func isEnter(key byte) bool { return key == keyEnter || key == keyNewline }

// key takes in one octet, which lies where the next digit belongs.
func (c *Command) key(at []byte, keys io.Reader, more func() bool) (done bool, err error) {
	k := at[0]
	if k >= '0' && k <= '9' && c.digits < c.format.Max {
		c.digits++
		return false, nil
	}
	at[0] = 0
	switch {
	case (k == keyBackspace || k == keyDelete || k == keyErase) && c.digits > 0:
		c.digits--
		c.page[headerLen+c.digits] = 0
	case isEnter(k) && c.digits >= c.format.Min:
		return true, c.seal()
	case k == keyRefuse, k == keyEscape && !more():
		c.clear()
		return true, ErrRefused
	case k == keyEscape:
		return false, c.skip(at, keys, more)
	}
	return false, nil
}

// skip reads the rest of another key's sequence, up to its last octet (ECMA-48, 5.4) or as long as octets follow.
func (c *Command) skip(at []byte, keys io.Reader, more func() bool) error {
	defer clear(at)
	for first := true; more(); first = false {
		if _, err := io.ReadFull(keys, at); err != nil {
			return err
		}
		if last := at[0] >= 0x40 && at[0] <= 0x7E; last && !(first && (at[0] == '[' || at[0] == 'O')) {
			return nil
		}
	}
	return nil
}
