package cardsim

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestCounterCounts(t *testing.T) {
	c := NewCounter(VitaleConfig{})
	var began []uint32
	c.Began = func(n uint32) { began = append(began, n) }
	count := func(serial uint32) string { return fmt.Sprintf("%X", c.Process(CountCommand(serial, 0))) }
	require.Equal(t, "80CE0000040102030408", fmt.Sprintf("%X", CountCommand(0x01020304, 0)))
	require.Equal(t, "00000007000000019000", count(7))
	require.Equal(t, "00000005000000019000", count(5))
	c.PowerOff()
	c.PowerOn()
	c.Reset()
	require.Equal(t, "00000007000000029000", count(7), "a reset forgets no count")
	require.Equal(t, []uint32{7, 5, 7}, c.Ran())
	require.Equal(t, c.Ran(), began)
	require.Equal(t, 2, c.Times(7))
	require.Zero(t, c.Times(6))
	require.Equal(t, Counts{Commands: 3, PowerOns: 1, PowerOffs: 1, Resets: 1}, c.Counts())
	require.Len(t, c.History(), 3)
}

func TestCounterTakesItsTime(t *testing.T) {
	c := NewCounter(VitaleConfig{})
	const takes = 260 * time.Millisecond // needs both P1 and P2
	began := time.Now()
	require.Equal(t, "00000001000000019000", fmt.Sprintf("%X", c.Process(CountCommand(1, takes))))
	require.GreaterOrEqual(t, time.Since(began), takes)
}

func TestCounterIsAVitale(t *testing.T) {
	require.Equal(t, NewVitale(VitaleConfig{}).ATR(), NewCounter(VitaleConfig{}).ATR())
	for command, want := range map[string]string{
		"00B0820004":           "535045439000",
		"80CE000003010203":     "6700",
		"80CE00000401020304":   "6700",
		"80CE0000040102030400": "6700",
		"80CF0000040102030408": "6E00",
	} {
		c := NewCounter(VitaleConfig{})
		require.Equal(t, want, say(t, c, command), command)
		require.Empty(t, c.Ran())
		require.Equal(t, 1, c.Counts().Commands)
	}
}
