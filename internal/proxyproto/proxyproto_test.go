package proxyproto

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// header makes a header; rest is what follows the length.
func header(command, family byte, rest ...byte) []byte {
	h := append(bytes.Clone(signature), command, family)
	return append(binary.BigEndian.AppendUint16(h, uint16(len(rest))), rest...)
}

var (
	four = []byte{192, 0, 2, 7, 198, 51, 100, 1, 0xC0, 0x01, 0x20, 0xFB}
	six  = append(append(make([]byte, 0, 36), netip.MustParseAddr("2001:db8::7").AsSlice()...),
		append(netip.MustParseAddr("2001:db8::1").AsSlice(), 0xC0, 0x01, 0x20, 0xFB)...)
)

func extra(kind byte, value ...byte) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{kind}, uint16(len(value))), value...)
}

// summed returns a header with its checksum, as the specification's section 2.2.3 wants it.
func summed(command, family byte, rest ...byte) []byte {
	h := header(command, family, append(bytes.Clone(rest), extra(extraCRC32C, 0, 0, 0, 0)...)...)
	binary.BigEndian.PutUint32(h[len(h)-4:], crc32.Checksum(h, crc32.MakeTable(crc32.Castagnoli)))
	return h
}

// good has headers that are read, and the source that each names; "" = LOCAL.
var good = map[string]struct {
	octets []byte
	from   string
}{
	"TCP over IPv4":              {header(cmdProxy, overTCP4, four...), "192.0.2.7:49153"},
	"TCP over IPv6":              {header(cmdProxy, overTCP6, six...), "[2001:db8::7]:49153"},
	"IPv4 in IPv6":               {header(cmdProxy, overTCP6, mapped()...), "192.0.2.7:49153"},
	"with a checksum":            {summed(cmdProxy, overTCP4, four...), "192.0.2.7:49153"},
	"with an unknown extra":      {header(cmdProxy, overTCP4, with(extra(0xEE, 1, 2))...), "192.0.2.7:49153"},
	"as long as may be":          {header(cmdProxy, overTCP4, filled()...), "192.0.2.7:49153"},
	"LOCAL":                      {header(cmdLocal, 0), ""},
	"LOCAL with what is ignored": {header(cmdLocal, 0xFF, 1, 2, 3), ""},
}

// with returns what follows the length of a header over IPv4 with extras.
func with(extras []byte) []byte { return append(bytes.Clone(four), extras...) }

func mapped() []byte {
	rest := bytes.Clone(six)
	a := netip.MustParseAddr("::ffff:192.0.2.7").As16()
	copy(rest, a[:])
	return rest
}

func filled() []byte {
	return with(extra(4, make([]byte, MaxHeader-fixedLen-len(four)-extraLen)...))
}

func TestRead(t *testing.T) {
	for name, c := range good {
		t.Run(name, func(t *testing.T) {
			r := io.MultiReader(bytes.NewReader(c.octets), strings.NewReader("hello"))
			h, err := Read(r)
			require.NoError(t, err)
			require.Equal(t, c.from == "", h.Local)
			if c.from != "" {
				require.Equal(t, c.from, h.From.String())
			}
			after, err := io.ReadAll(r)
			require.NoError(t, err)
			require.Equal(t, "hello", string(after), "nothing past the header is read")
		})
	}
}

// bad has what is refused, and a word of the error.
var bad = map[string]struct {
	octets []byte
	why    string
}{
	"version 1":              {[]byte("PROXY TCP4 192.0.2.7 198.51.100.1 49153 8443\r\n"), "version 2"},
	"a TLS hello":            {append([]byte{22, 3, 1, 2, 0}, make([]byte, 512)...), "version 2"},
	"nothing":                {nil, "EOF"},
	"cut short":              {header(cmdProxy, overTCP4, four...)[:20], "EOF"},
	"version 3":              {header(0x31, overTCP4, four...), "0x31"},
	"an unknown command":     {header(0x22, overTCP4, four...), "0x22"},
	"UDP":                    {header(cmdProxy, 0x12, four...), "family"},
	"a socket":               {header(cmdProxy, 0x31, make([]byte, 216)...), "family"},
	"no family":              {header(cmdProxy, 0), "family"},
	"too short for IPv4":     {header(cmdProxy, overTCP4, four[:11]...), "family"},
	"too short for IPv6":     {header(cmdProxy, overTCP6, four...), "family"},
	"too long":               {header(cmdProxy, overTCP4, append(filled(), 0)...), "at most 536"},
	"from nowhere":           {header(cmdProxy, overTCP4, append(make([]byte, 4), four[4:]...)...), "nobody"},
	"an extra without end":   {header(cmdProxy, overTCP4, with([]byte{4, 0, 9, 1})...), "cut short"},
	"an extra without head":  {header(cmdProxy, overTCP4, with([]byte{4, 0})...), "cut short"},
	"a wrong checksum":       {flip(summed(cmdProxy, overTCP4, four...)), "checksum is wrong"},
	"a checksum of 3 octets": {header(cmdProxy, overTCP4, with(extra(extraCRC32C, 1, 2, 3))...), "3 octets"},
}

// flip changes the source's last octet.
func flip(head []byte) []byte {
	head[fixedLen+3]++
	return head
}

func TestReadRefuses(t *testing.T) {
	for name, c := range bad {
		t.Run(name, func(t *testing.T) {
			_, err := Read(bytes.NewReader(c.octets))
			require.ErrorContains(t, err, "cannot read a PROXY header")
			require.ErrorContains(t, err, c.why)
		})
	}
}

// FuzzRead: whatever comes, no header is longer than MaxHeader, and one that is read has an address or is LOCAL.
func FuzzRead(f *testing.F) {
	for _, c := range good {
		f.Add(c.octets)
	}
	for _, c := range bad {
		f.Add(c.octets)
	}
	f.Fuzz(func(t *testing.T, octets []byte) {
		r := bytes.NewReader(octets)
		h, err := Read(r)
		require.LessOrEqual(t, len(octets)-r.Len(), MaxHeader)
		if err == nil && !h.Local {
			require.True(t, h.From.IsValid() && !h.From.Addr().IsUnspecified())
			require.True(t, h.To.IsValid())
		}
	})
}
