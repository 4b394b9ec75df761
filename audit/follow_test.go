package audit

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func newFollowed(t *testing.T, size int64) (*Log, string) {
	file := filepath.Join(t.TempDir(), "audit.jsonl")
	l, err := Open(Config{File: file, By: "test", MaxSize: size})
	require.NoError(t, err)
	return l, file
}

func numbers(lines []Line) (all []uint64) {
	for _, l := range lines {
		all = append(all, l.Entry.Seq)
	}
	return all
}

// TestSA2FollowerReadsEachLineOnce: over full files that come and go while it reads, in order, none twice.
func TestSA2FollowerReadsEachLineOnce(t *testing.T) {
	l, file := newFollowed(t, 1500)
	f := Follow(file, Place{})
	defer f.Close()
	var got []Line
	for n := range 100 {
		require.NoError(t, l.Record(SessionUp, Count(n)))
		if n%7 == 0 || n > 90 {
			for {
				some, err := f.Next(3, 1<<20)
				require.NoError(t, err)
				require.LessOrEqual(t, len(some), 3)
				if len(some) == 0 {
					break
				}
				got = append(got, some...)
			}
			require.Zero(t, f.Behind(uint64(n+1)))
		}
	}
	require.Len(t, got, 100)
	for i, line := range got {
		require.EqualValues(t, i+1, line.Entry.Seq)
	}
	old, err := segments(file)
	require.NoError(t, err)
	require.Greater(t, len(old), 5)

	again := Follow(file, got[41].Place()) // in the middle of a full file
	defer again.Close()
	some, err := again.Next(2, 1<<20)
	require.NoError(t, err)
	require.Equal(t, []uint64{43, 44}, numbers(some))
	some, err = again.Next(10, 1) // a line is returned, however long it is
	require.NoError(t, err)
	require.Equal(t, []uint64{45}, numbers(some))
	require.EqualValues(t, 55, again.Behind(45))
}

// TestSA2FollowerReturnsOnlyWhatTheHeadKnows: a line that is not on the disk yet may still be taken back.
func TestSA2FollowerReturnsOnlyWhatTheHeadKnows(t *testing.T) {
	l, file := newFollowed(t, 0)
	require.NoError(t, l.Record(SessionUp))
	head, err := os.ReadFile(headName(file))
	require.NoError(t, err)
	require.NoError(t, l.Record(SessionUp))
	require.NoError(t, os.WriteFile(headName(file), head, 0o600))
	f := Follow(file, Place{})
	defer f.Close()
	some, err := f.Next(9, 1<<20)
	require.NoError(t, err)
	require.Equal(t, []uint64{1}, numbers(some))
	require.NoError(t, l.Record(SessionUp)) // the writer finds the second line, and accepts it
	some, err = f.Next(9, 1<<20)
	require.NoError(t, err)
	require.Equal(t, []uint64{2, 3}, numbers(some))
}

func TestSA2FollowerOfNothing(t *testing.T) {
	f := Follow(filepath.Join(t.TempDir(), "audit.jsonl"), Place{})
	some, err := f.Next(9, 1<<20)
	require.NoError(t, err)
	require.Empty(t, some)
}

// TestSA2FollowerSaysWhatIsMissing: files that were purged, and a line that cannot be read.
func TestSA2FollowerSaysWhatIsMissing(t *testing.T) {
	l, file := newFollowed(t, 1500)
	for range 40 {
		require.NoError(t, l.Record(SessionUp))
	}
	old, err := segments(file)
	require.NoError(t, err)
	require.Greater(t, len(old), 2)
	for _, s := range old[:2] {
		require.NoError(t, os.Remove(s.name))
	}
	broken, err := os.ReadFile(old[2].name)
	require.NoError(t, err)
	text := strings.SplitAfter(string(broken), "\n")
	text[1] = "not ours\n"
	require.NoError(t, os.WriteFile(old[2].name, []byte(strings.Join(text, "")), 0o600))

	f := Follow(file, Place{})
	defer f.Close()
	var missing []Missing
	var got []uint64
	for {
		some, err := f.Next(1000, 1<<20)
		if m := new(Missing); errors.As(err, &m) {
			missing = append(missing, *m)
			continue
		}
		require.NoError(t, err)
		if len(some) == 0 {
			break
		}
		got = append(got, numbers(some)...)
	}
	first := old[2].first
	require.Equal(t, []Missing{{1, first - 1}, {first + 1, first + 1}}, missing)
	require.Len(t, got, 40-int(first))
	require.EqualValues(t, 40, got[len(got)-1])
}

// TestSA2FollowerSeesARewrittenLog: another line in the place of the one that was read, and a log that ends before it.
func TestSA2FollowerSeesARewrittenLog(t *testing.T) {
	l, file := newFollowed(t, 0)
	for range 3 {
		require.NoError(t, l.Record(SessionUp))
	}
	f := Follow(file, Place{2, strings.Repeat("a", 64)})
	defer f.Close()
	_, err := f.Next(9, 1<<20)
	require.ErrorIs(t, err, ErrRewritten)
	some, err := f.Next(9, 1<<20)
	require.NoError(t, err)
	require.Equal(t, []uint64{3}, numbers(some))

	f = Follow(file, Place{7, strings.Repeat("a", 64)})
	defer f.Close()
	_, err = f.Next(9, 1<<20)
	require.ErrorIs(t, err, ErrRewritten)
	some, err = f.Next(9, 1<<20)
	require.NoError(t, err)
	require.Equal(t, []uint64{1, 2, 3}, numbers(some))
}
