package bucket

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestBucket(t *testing.T) {
	var b Bucket
	now, rate := time.Unix(1000, 0), Rate{Size: 3, Period: time.Second}
	for range 3 {
		require.Zero(t, b.Missing(now, rate))
		require.Zero(t, b.Take(now, rate))
	}
	require.Equal(t, now.Add(3*time.Second), b.Full())
	for range 3 {
		require.Equal(t, time.Second, b.Take(now, rate), "what is not there is not taken")
		require.Equal(t, time.Second, b.Missing(now, rate))
	}
	now = now.Add(2500 * time.Millisecond)
	require.Zero(t, b.Take(now, rate))
	require.Zero(t, b.Take(now, rate))
	require.Equal(t, 500*time.Millisecond, b.Take(now, rate))
	now = now.Add(time.Hour)
	for range 3 {
		require.Zero(t, b.Take(now, rate), "no more than its size, however long none was taken")
	}
	require.NotZero(t, b.Take(now, rate))
}
