package user

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestC2NoRuleTells(t *testing.T) {
	require.Equal(t, Tell, Rule{}.Of("cab1"))
	r := Rule{Mode: Require, Practices: map[string]Mode{"cab1": Tell, "cab2": Off}}
	require.NoError(t, r.Check())
	for practice, want := range map[string]Mode{"cab1": Tell, "cab2": Off, "cab3": Require} {
		require.Equal(t, want, r.Of(practice), practice)
	}
	require.True(t, r.Has(Require))
	require.True(t, r.Has(Off))
	require.False(t, Rule{Mode: Off}.Has(Tell))
}

func TestC2AModeThatIsNoneIsRefused(t *testing.T) {
	require.ErrorContains(t, Rule{Mode: "on"}.Check(), "user.mode")
	require.ErrorContains(t, Rule{Practices: map[string]Mode{"cab1": ""}}.Check(), "user.practices.cab1")
}

func TestSP3Who(t *testing.T) {
	require.True(t, Who{}.Empty())
	w := Who{Persons: []string{"1"}, Professions: []string{"10"}}
	require.True(t, w.Has("1", ""))
	require.True(t, w.Has("2", "10"))
	require.False(t, w.Has("2", "21"))
	require.False(t, Who{Persons: []string{"1"}}.Has("2", ""))
	require.False(t, Who{Professions: []string{""}}.Has("2", ""), "nobody's profession is no profession")
}
