package state

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
)

func id(t testing.TB, urn string) pki.Identity {
	i, err := pki.ParseIdentity(urn)
	require.NoError(t, err)
	return i
}

// TestC1DenialsOutliveARestart: what is denied is in the file before the answer, and stays when the file cannot be
// written.
func TestC1DenialsOutliveARestart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sub", "denied.json")
	d, err := OpenDenials(file)
	require.NoError(t, err)
	one := Denial{Identity: "urn:tlagate:cab1:tla:*", Who: "claire", Role: "security", Reason: "stolen",
		At: time.Unix(1_800_000_000, 0).UTC()}
	err = d.Deny(one)
	require.Error(t, err, "there is no such directory")
	require.NotErrorIs(t, err, ErrNotDenied)
	require.True(t, d.Denies(id(t, "urn:tlagate:cab1:tla:t1")), "in force all the same")
	require.Error(t, d.Allow(one.Identity))
	require.True(t, d.Denies(id(t, "urn:tlagate:cab1:tla:t1")), "nothing is allowed that would be denied again")

	require.NoError(t, os.Mkdir(filepath.Dir(file), 0o700))
	require.NoError(t, d.Deny(one))
	again, err := OpenDenials(file)
	require.NoError(t, err)
	require.Equal(t, []Denial{one}, again.Denied())
	require.False(t, again.Denies(id(t, "urn:tlagate:cab1:pdt:t1")))
	require.False(t, again.Denies(id(t, "urn:tlagate:cab11:tla:t1")))
	require.NoError(t, again.Allow(one.Identity))
	require.ErrorIs(t, again.Allow(one.Identity), ErrNotListed)
	last, err := OpenDenials(file)
	require.NoError(t, err)
	require.Empty(t, last.Denied())
}

// TestC1DamagedDenials: a deny list that cannot be read is no empty one.
func TestC1DamagedDenials(t *testing.T) {
	for _, text := range []string{"", "[", `{}`, `[{"identity":"x"}]`, `[{"identity":"urn:tlagate:cab1:*","x":1}]`, "null x"} {
		file := filepath.Join(t.TempDir(), "denied.json")
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		_, err := OpenDenials(file)
		require.ErrorContains(t, err, "cannot read the deny list", text)
	}
}

func TestC1DenialsAreBounded(t *testing.T) {
	d, err := OpenDenials("")
	require.NoError(t, err)
	d.most = 100
	for i := range d.most {
		require.NoError(t, d.Deny(Denial{Identity: fmt.Sprintf("urn:tlagate:cab1:tla:t%d", i)}))
	}
	require.ErrorIs(t, d.Deny(Denial{Identity: "urn:tlagate:cab1:*"}), ErrNotDenied)
	require.NoError(t, d.Deny(Denial{Identity: "urn:tlagate:cab1:tla:t1", Reason: "another"}))
}

// TestSA1RollIsBounded: when it is full, those that have been away longest are forgotten.
func TestSA1RollIsBounded(t *testing.T) {
	file := filepath.Join(t.TempDir(), "seen.json")
	r, err := OpenRoll(file)
	require.NoError(t, err)
	r.most = 200
	start := time.Unix(1_800_000_000, 0)
	for i := range 1000 {
		first := r.Saw(id(t, fmt.Sprintf("urn:tlagate:cab1:tla:t%d", i)), start.Add(time.Duration(i)*time.Second), nil)
		require.True(t, first)
		require.LessOrEqual(t, len(r.byIdentity), 200)
	}
	_, ok := r.Of(id(t, "urn:tlagate:cab1:tla:t999"))
	require.True(t, ok)
	_, ok = r.Of(id(t, "urn:tlagate:cab1:tla:t0"))
	require.False(t, ok)
	require.False(t, r.Saw(id(t, "urn:tlagate:cab1:tla:t999"), start, nil))
	require.NoError(t, r.Save())
	again, err := OpenRoll(file)
	require.NoError(t, err)
	require.Equal(t, r.Seen("", 0, nil), again.Seen("", 0, nil))
	before, err := os.Stat(file)
	require.NoError(t, err)
	require.NoError(t, r.Save())
	after, err := os.Stat(file)
	require.NoError(t, err)
	require.True(t, os.SameFile(before, after), "nothing has changed, so nothing is written")

	require.NoError(t, os.WriteFile(file, []byte(`[null]`), 0o600))
	anew, err := OpenRoll(file)
	require.Error(t, err)
	require.Empty(t, anew.Seen("", 0, nil))
}

func TestG2RenewalLate(t *testing.T) {
	from := time.Unix(1_800_000_000, 0)
	s := Seen{From: from, Until: from.Add(60 * time.Hour)}
	require.False(t, s.RenewalLate(from.Add(50*time.Hour)))
	require.True(t, s.RenewalLate(from.Add(50*time.Hour+1)))
	require.True(t, s.RenewalLate(from.Add(100*time.Hour)))
	require.False(t, Seen{}.RenewalLate(from))
}
