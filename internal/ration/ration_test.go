package ration

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestNetworkOf(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.77":               "192.0.2.0/24",
		"192.0.2.77:1":             "192.0.2.0/24",
		"[::ffff:192.0.2.77]:1":    "192.0.2.0/24",
		"[2001:db8:1:2:3::4%e0]:1": "2001:db8:1::/48",
		"2001:db8:1:2:3::4":        "2001:db8:1::/48",
		"@":                        "@",
		"":                         "",
	} {
		require.Equal(t, want, NetworkOf(address))
	}
}

// TestSA2FirstThenACount: the first events of a key pass, the rest are counted; other keys are not held up.
func TestSA2FirstThenACount(t *testing.T) {
	told := map[Key]int{}
	r := New(3, time.Hour, func(k Key, detail string, more int) {
		require.Equal(t, "first", detail)
		told[k] += more
	})
	k := Key{"192.0.2.0/24", "refused", "expired"}
	for i := range 10 {
		require.Equal(t, i < 3, r.Take(k, map[bool]string{true: "first"}[i == 0]))
	}
	other := Key{"192.0.3.0/24", "refused", "expired"}
	require.True(t, r.Take(other, "first"))
	r.Close()
	require.Equal(t, map[Key]int{k: 7}, told)
	require.Zero(t, r.Keys())
	require.True(t, r.Take(k, "first"), "counted anew")
}

// TestSA2TableOfNetworksIsBounded: from thousands of networks, a table keeps so many, and counts the rest together.
func TestSA2TableOfNetworksIsBounded(t *testing.T) {
	more := 0
	r := New(1, time.Hour, func(k Key, _ struct{}, n int) {
		require.Equal(t, Elsewhere, k.Network)
		more += n
	})
	for i := range 3 * mostKeys {
		r.Take(Key{Network: fmt.Sprint(i)}, struct{}{})
	}
	require.LessOrEqual(t, r.Keys(), mostKeys+1)
	r.Close()
	require.Equal(t, 2*mostKeys-1, more)
}

func TestTimeOver(t *testing.T) {
	told := make(chan int, 1)
	r := New(1, time.Millisecond, func(_ Key, _ struct{}, n int) { told <- n })
	r.mu.Lock()
	k := Key{Network: "n"}
	one := &tally[struct{}]{seen: 5}
	r.counts[k] = one
	r.mu.Unlock()
	r.close(k, one)
	require.Equal(t, 4, <-told)
	r.close(k, one)
	require.Empty(t, told, "once")
	r.Take(k, struct{}{})
	require.Eventually(t, func() bool { return r.Keys() == 0 }, 3*time.Minute, time.Millisecond)
}
