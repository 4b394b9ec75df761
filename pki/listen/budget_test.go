package listen

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestBudget(t *testing.T) {
	b := NewBudget(2, time.Hour, 100)
	require.Zero(t, b.Take("a"))
	require.Zero(t, b.Missing("a"))
	require.Zero(t, b.Take("a"))
	require.InDelta(t, time.Hour, b.Take("a"), float64(time.Minute))
	require.NotZero(t, b.Missing("a"))
	require.Zero(t, b.Take("b"))
	for i := range 200 {
		b.Take(time.Duration(i).String())
	}
	require.LessOrEqual(t, len(b.left), 101)
	require.NotZero(t, b.Missing("a"), "a is not forgotten")
}

// A table that is full has room again once the budgets in it are full.
func TestAFullBudgetForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(1, time.Hour, 100)
		for i := range 100 {
			require.Zero(t, b.Take(time.Duration(i).String()))
		}
		require.Zero(t, b.Take("first of the others"))
		require.NotZero(t, b.Take("second of the others"))
		time.Sleep(time.Hour + 1)
		require.Zero(t, b.Take("a"))
		require.Zero(t, b.Take("b"))
		require.Len(t, b.left, 2)
	})
}

// Names that were busy once are not kept for as long as the server runs.
func TestABudgetKeepsNobodyWhoseBudgetIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(2, time.Minute, 10_000)
		for i := range 5000 {
			require.Zero(t, b.Take(strconv.Itoa(i)))
			require.Zero(t, b.Take("busy"))
			time.Sleep(time.Minute)
		}
		require.LessOrEqual(t, len(b.left), fewNames)
		require.Zero(t, b.Take("busy"))
		require.Zero(t, b.Take("busy"))
		require.NotZero(t, b.Take("busy"))
	})
}
