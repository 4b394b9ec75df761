package pin

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// typing returns octets one at a time; a point in the text is a pause, before which no further octet follows at once.
type typing struct{ text string }

func (k *typing) Read(b []byte) (int, error) {
	k.text = strings.TrimLeft(k.text, ".")
	if k.text == "" {
		return 0, io.EOF
	}
	b[0], k.text = k.text[0], k.text[1:]
	return 1, nil
}

func (k *typing) more() bool { return k.text != "" && k.text[0] != '.' }

// TestSP4TypedAtATerminal: each row is what is typed, what the card gets, and how many digits were shown after each
// key; 100 more where an Enter came too early.
func TestSP4TypedAtATerminal(t *testing.T) {
	for typed, want := range map[string]struct {
		pin   string
		shown []int
		err   error
	}{
		"1234\r":            {"1234", []int{0, 1, 2, 3, 4}, nil},
		"1234\n":            {"1234", []int{0, 1, 2, 3, 4}, nil},
		"12-\x7f\x089876\r": {"9876", []int{0, 1, 2, 1, 0, 0, 1, 2, 3, 4}, nil},
		"\r123\r4\r":        {"1234", []int{0, 100, 1, 2, 3, 103, 4}, nil}, // too short: Enter does nothing
		"1234567890\r":      {"12345678", []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 8, 8}, nil},
		"1a 2\x00+*34\r":    {"1234", []int{0, 1, 1, 1, 2, 2, 2, 2, 3, 4}, nil},
		"12\x1b[A34\r":      {"1234", []int{0, 1, 2, 2, 3, 4}, nil}, // an arrow
		"12\x1b[3~34\r":     {"1234", []int{0, 1, 2, 2, 3, 4}, nil}, // Delete
		"12\x1bOA34\r":      {"1234", []int{0, 1, 2, 2, 3, 4}, nil},
		"12\x1bx34\r":       {"1234", []int{0, 1, 2, 2, 3, 4}, nil}, // Alt and a letter
		"12\x1b.34\r":       {"", []int{0, 1, 2}, ErrRefused},
		"12/":               {"", []int{0, 1, 2}, ErrRefused},
		"\x1b":              {"", []int{0}, ErrRefused},
		"123":               {"", []int{0, 1, 2, 3}, io.EOF},
	} {
		t.Run(typed, func(t *testing.T) {
			c := command(t, cps)
			var shown []int
			k := &typing{typed}
			err := c.Type(k, k.more, func(n int, early bool) {
				if early {
					n += 100
				}
				shown = append(shown, n)
			})
			require.Equal(t, want.err, err)
			require.Equal(t, want.shown, shown)
			if want.pin == "" {
				require.Nil(t, c.APDU())
				require.Zero(t, bytes.Trim(c.page[headerLen:], "\x00"), "something stays in memory")
				return
			}
			require.Equal(t, want.pin, string(bytes.TrimRight(c.APDU()[headerLen:], "\xff")))
			var sent bytes.Buffer
			_, err = c.WriteTo(&sent)
			require.NoError(t, err)
			require.Equal(t, want.pin+"\n", sent.String())
		})
	}
}

// FuzzType: whatever is typed, the result is digits within the format, and what is refused leaves nothing in memory.
func FuzzType(f *testing.F) {
	for _, seed := range []string{"1234\r", "12-345\r", "\x1b[A1234\r", "\x1b", "12/", "\x1b[", "99999999999999\r"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, typed []byte) {
		c, err := New([4]byte{}, Format{Min: 4, Max: 8})
		require.NoError(t, err)
		defer c.Wipe()
		in := bytes.NewReader(typed)
		err = c.Type(in, func() bool { return in.Len() > 0 }, func(n int, _ bool) { require.LessOrEqual(t, n, 8) })
		if err != nil {
			require.Zero(t, bytes.Trim(c.page[headerLen:], "\x00"))
			return
		}
		require.Regexp(t, "^[0-9]{4,8}$", string(c.APDU()[headerLen:]))
	})
}
