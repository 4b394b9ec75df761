package recent

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRing(t *testing.T) {
	r := NewRing[int](3)
	require.Empty(t, r.All())
	for i := range 8 {
		r.Add(i)
	}
	require.Equal(t, []int{5, 6, 7}, r.All())
}

func drained(ch <-chan Event) (list []Event) {
	for {
		select {
		case e, open := <-ch:
			if !open {
				return list
			}
			list = append(list, e)
		default:
			return list
		}
	}
}

// TestSA1EventsGoOn: whoever comes back with the last number gets what is new, and is told when some are missing.
func TestSA1EventsGoOn(t *testing.T) {
	s := NewStream()
	none, cancel := s.Events(0)
	defer cancel()
	for i := range 5 {
		s.Publish(Event{Kind: Cut, Identity: strconv.Itoa(i)})
	}
	all := drained(none)
	require.Len(t, all, 5)
	ch, stop := s.Events(all[2].ID)
	require.Equal(t, all[3:], drained(ch))
	s.Publish(Event{Kind: Refused})
	require.Equal(t, Refused, drained(ch)[0].Kind)
	stop()
	stop()
	_, open := <-ch
	require.False(t, open)

	for _, unknown := range []uint64{1, s.last + 1, s.began - 1} {
		ch, stop := s.Events(unknown)
		got := drained(ch)
		require.Len(t, got, 7, unknown)
		require.Equal(t, Missed, got[0].Kind)
		stop()
	}
	ch, stop = s.Events(s.last)
	require.Empty(t, drained(ch))
	stop()
	for range 3 * mostKept {
		s.Publish(Event{Kind: Cut})
	}
	ch, stop = s.Events(all[4].ID)
	got := drained(ch)
	require.Len(t, got, mostKept+1)
	require.Equal(t, Missed, got[0].Kind)
	require.Equal(t, got[0].ID+1, got[1].ID)
	require.Less(t, len(s.kept), 2*mostKept)
	stop()
	require.Less(t, s.last, uint64(1)<<53)
}

// TestSA1SlowWatchersAreLetGo: nobody makes the gateway wait, or keep more than so much.
func TestSA1SlowWatchersAreLetGo(t *testing.T) {
	s := NewStream()
	slow, cancel := s.Events(0)
	defer cancel()
	for range mostWaiting + 1 {
		s.Publish(Event{Kind: Cut})
	}
	require.Len(t, drained(slow), mostWaiting)
	_, open := <-slow
	require.False(t, open)
	var cancels []func()
	for range mostWatchers {
		_, c := s.Events(0)
		cancels = append(cancels, c)
	}
	many, c := s.Events(0)
	_, open = <-many
	require.False(t, open, "one too many")
	c()
	for _, c := range cancels {
		c()
	}
	require.Empty(t, s.watchers)
}
