package pin

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

var cps = Format{Min: 4, Max: 8, Length: 8, Pad: 0xFF}

func command(t *testing.T, f Format) *Command {
	c, err := New([4]byte{0x01, 0x20, 0x00, 0x81}, f)
	require.NoError(t, err)
	t.Cleanup(c.Wipe)
	return c
}

func TestSP4CommandIsBuiltFromTheFormat(t *testing.T) {
	for _, v := range []struct {
		f     Format
		typed string
		want  string
	}{
		{cps, "1234\n", "01200081 08 31323334FFFFFFFF"},
		{cps, "12345678", "01200081 08 3132333435363738"},
		{Format{Min: 4, Max: 6}, "12345\n", "01200081 05 3132333435"},
		{Format{Min: 4, Max: 4, Length: 15}, "0000\n", "01200081 0F 303030300000000000000000000000"},
	} {
		c := command(t, v.f)
		require.Nil(t, c.APDU())
		_, err := c.ReadFrom(iotest.OneByteReader(strings.NewReader(v.typed)))
		require.NoError(t, err)
		require.Equal(t, strings.ReplaceAll(v.want, " ", ""), fmt.Sprintf("%X", c.APDU()))
		c.Wipe()
		require.Nil(t, c.APDU())
	}
}

func TestSP4WhatIsNoPINIsNotKept(t *testing.T) {
	for typed, want := range map[string]error{
		"123\n": ErrLength, "": ErrLength, "\n": ErrLength, "123456789\n": ErrLength, "12a4\n": ErrNoDigits,
		"1234 \n": ErrNoDigits, "1234\r\n": ErrNoDigits,
	} {
		c := command(t, cps)
		_, err := c.ReadFrom(strings.NewReader(typed))
		require.ErrorIs(t, err, want, "%q", typed)
		require.Nil(t, c.APDU())
		require.Zero(t, bytes.Trim(c.page[headerLen:], "\x00"), "%q stays in memory", typed)
	}
	c := command(t, cps)
	_, err := c.ReadFrom(io.MultiReader(strings.NewReader("12"), iotest.ErrReader(os.ErrClosed)))
	require.ErrorIs(t, err, os.ErrClosed)
	require.Nil(t, c.APDU())
}

func TestNothingIsReadAhead(t *testing.T) {
	in := strings.NewReader("1234\nrest")
	_, err := command(t, cps).ReadFrom(in)
	require.NoError(t, err)
	rest, _ := io.ReadAll(in)
	require.Equal(t, "rest", string(rest))
}

func TestEL3TheMemoryIsLockedAndLeftOutOfDumps(t *testing.T) {
	before := vmLocked(t)
	c := command(t, cps)
	require.Greater(t, vmLocked(t), before)
	maps, err := os.ReadFile("/proc/self/smaps")
	require.NoError(t, err)
	area := strings.SplitN(string(maps), fmt.Sprintf("\n%x-", addressOf(c.page)), 2)
	require.Len(t, area, 2, "a mapping of its own")
	flags := area[1][strings.Index(area[1], "VmFlags:"):]
	flags, _, _ = strings.Cut(flags, "\n")
	for _, flag := range []string{"lo", "dd", "dc"} { // locked, not dumped, not copied on fork
		require.Contains(t, strings.Fields(flags), flag)
	}
}

func vmLocked(t *testing.T) (kb int) {
	status, err := os.ReadFile("/proc/self/status")
	require.NoError(t, err)
	_, after, _ := strings.Cut(string(status), "VmLck:")
	_, err = fmt.Sscan(after, &kb)
	require.NoError(t, err)
	return kb
}

func TestFormatIsChecked(t *testing.T) {
	for _, f := range []Format{{}, {Min: 3, Max: 4}, {Min: 5, Max: 4}, {Min: 4, Max: 13}, {Min: 4, Max: 8, Length: 7},
		{Min: 4, Max: 8, Length: 17}, {Min: 4, Max: 8, Length: -1}} {
		_, err := New([4]byte{}, f)
		require.Error(t, err, "%+v", f)
	}
}

func TestAPINIsNeverPrinted(t *testing.T) {
	c := command(t, cps)
	_, err := c.ReadFrom(strings.NewReader("8642\n"))
	require.NoError(t, err)
	require.Equal(t, "PIN PIN PIN [PIN]", fmt.Sprintf("%v %+v %#v %s", c, c, c, []*Command{c}))
}
