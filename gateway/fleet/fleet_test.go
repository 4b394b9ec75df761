package fleet

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
	"tlagate/session/link"
)

var (
	pdt = pki.Identity{Practice: "cab1", Role: pki.RolePdT, Name: "p1"}
	t0  = time.Date(2026, 12, 1, 8, 0, 0, 0, time.UTC)
)

func at(seconds int) time.Time { return t0.Add(time.Duration(seconds) * time.Second) }

// asks has instances ask one after another, a second apart, each on a connection of its own, and returns at which of
// them, from 0, the identity was first taken for a clone; -1 = at none.
func asks(f *Table, instances string) int {
	found := -1
	for i, name := range strings.Fields(instances) {
		if name == "-" {
			name = ""
		}
		if first, _ := f.Asked(pdt, name, at(i), at(i)); first && found < 0 {
			found = i
		}
	}
	return found
}

// TestC1CloneReturns: A, then B, then A again; a restart, however often, is none.
func TestC1CloneReturns(t *testing.T) {
	for instances, want := range map[string]int{
		"a a a":         -1,
		"a b b b":       -1, // a restart
		"a b c d e f g": -1, // restarts
		"- - -":         -1, // two programs of an earlier edition look like one
		"- a a b":       -1, // an update
		"a a - -":       -1, // back to an earlier edition
		"a b a":         2,
		"a b c a":       3,
		"a b b b b a":   5,
		"- a -":         2, // one that hides which it is
		"a - a":         2,
	} {
		f := New(10, false)
		require.Equal(t, want, asks(f, instances), instances)
		clones, _ := f.Count()
		require.Equal(t, want >= 0, clones == 1, instances)
		require.Len(t, f.Clones(), clones)
	}
}

// TestC1NoCloneByADelay: a request of the process before, on a connection that it made while it was alone, comes to be
// read only after the first of the process that took its place.
func TestC1NoCloneByADelay(t *testing.T) {
	f := New(10, false)
	f.Asked(pdt, "a", at(0), at(0))
	f.Asked(pdt, "b", at(6), at(6))
	_, clone := f.Asked(pdt, "a", at(5), at(7))
	require.False(t, clone)
	first, clone := f.Asked(pdt, "a", at(8), at(8))
	require.True(t, first && clone)
	first, clone = f.Asked(pdt, "a", at(9), at(9))
	require.True(t, !first && clone, "told once")
}

// TestC1CloneBeside: two that both answer for a minute; a link of a process that is gone is none that answers.
func TestC1CloneBeside(t *testing.T) {
	heard := func(a, b int) map[pki.Identity]map[string]time.Time {
		return map[pki.Identity]map[string]time.Time{pdt: {"a": at(a), "b": at(b)}}
	}
	for name, answers := range map[string]func(i int) int{
		"answers": func(i int) int { return i },
		"silent":  func(int) int { return 1 },
	} {
		f := New(10, false)
		asks(f, "a b")
		var found int
		for i := 10; i <= 300 && found == 0; i += 10 {
			if len(f.Look(heard(answers(i), i), at(i))) > 0 {
				found = i
			}
		}
		require.Equal(t, map[string]int{"answers": 70, "silent": 0}[name], found, name)
	}
	f := New(10, false)
	asks(f, "a b")
	for i := 10; i <= 300; i += 50 { // a restart after each look but one: never the same two for a minute
		require.Empty(t, f.Look(heard(i, i), at(i)))
		require.Empty(t, f.Look(map[pki.Identity]map[string]time.Time{pdt: {"b": at(i)}}, at(i+1)))
	}
}

// TestC1ACloneThatMakesUpInstancesIsFound: neither a new instance for each request hides it, nor one for each link.
func TestC1ACloneThatMakesUpInstancesIsFound(t *testing.T) {
	made := 0
	next := func() string { made++; return fmt.Sprint("x", made) }
	f := New(10, false)
	f.Asked(pdt, "a", at(0), at(0))
	for i := range 100 { // the true one is away; then it connects, and before it asks there is yet another
		f.Asked(pdt, next(), at(100+i), at(100+i))
	}
	f.Asked(pdt, next(), at(301), at(301))
	first, _ := f.Asked(pdt, "a", at(300), at(302))
	require.True(t, first)

	f = New(10, false)
	f.Asked(pdt, "a", at(0), at(0))
	found := 0
	for i := 10; i <= 300 && found == 0; i += 10 {
		now := map[string]time.Time{"a": at(i), next(): at(i)}
		if len(f.Look(map[pki.Identity]map[string]time.Time{pdt: now}, at(i))) > 0 {
			found = i
		}
	}
	require.Equal(t, 80, found)
}

// TestC1ATerminalThatLosesItsPowerAgainAndAgainIsNoClone: it leaves links behind that nobody has found dead yet.
func TestC1ATerminalThatLosesItsPowerAgainAndAgainIsNoClone(t *testing.T) {
	f := New(10, false)
	heard := map[string]time.Time{}
	for i := 10; i <= 600; i += 10 {
		name := fmt.Sprint("boot", i/30)
		f.Asked(pdt, name, at(i), at(i))
		heard[name] = at(i)
		for old, last := range heard {
			if at(i).Sub(last) > 90*time.Second { // three long heartbeats
				delete(heard, old)
			}
		}
		require.Empty(t, f.Look(map[pki.Identity]map[string]time.Time{pdt: heard}, at(i)))
	}
	for i := 610; i <= 900; i += 10 { // the last one stays on
		heard["boot20"] = at(i)
		require.Empty(t, f.Look(map[pki.Identity]map[string]time.Time{pdt: heard}, at(i)))
	}
	require.Empty(t, f.Clones())
}

// TestC1CloneLapses: what is only told of is forgotten a day after its last sign; what is refused is not.
func TestC1CloneLapses(t *testing.T) {
	for _, refuse := range []bool{false, true} {
		f := New(10, refuse)
		require.Equal(t, 2, asks(f, "a b a"))
		f.Look(nil, at(2).Add(lapse))
		require.Len(t, f.Clones(), 1)
		f.Look(nil, at(3).Add(lapse))
		require.Equal(t, refuse, len(f.Clones()) == 1)
		require.Equal(t, refuse, f.Forget(pdt))
		require.Equal(t, -1, asks(f, "b b"), "let in again")
		require.Empty(t, f.Clones())
	}
}

func TestC1CloneTellsWho(t *testing.T) {
	f := New(10, true)
	a, b := strings.Repeat("a1", 16), strings.Repeat("b2", 16)
	asks(f, a+" "+b+" "+a)
	require.Equal(t, []Clone{{pdt, at(2), at(2), []string{"a1a1a1a1", "b2b2b2b2"}, true}}, f.Clones())
	latest, came := f.Came(pdt)
	require.Equal(t, b, latest)
	require.Equal(t, map[string]time.Time{a: at(0), b: at(1)}, came)
}

// TestC1FleetIsBounded: there are never more records than allowed, and those of clones stay.
func TestC1FleetIsBounded(t *testing.T) {
	f := New(3, false)
	asks(f, "a b a")
	for i := range 100 {
		id := pki.Identity{Practice: "cab1", Role: pki.RoleTLA, Name: fmt.Sprint(i)}
		f.Version(id, true)
		f.Asked(id, "x", at(i), at(i))
		require.LessOrEqual(t, len(f.byID), 3)
	}
	require.Len(t, f.Clones(), 1)
	for i := range 100 {
		f.Asked(pdt, fmt.Sprint(i), at(i), at(i))
	}
	require.Len(t, f.byID[pdt].earlier, maxEarlier)
	_, late := f.Count()
	require.Equal(t, map[pki.Role]int{pki.RoleTLA: 2}, late)
}

func TestSP1LowestVersionOfAProgram(t *testing.T) {
	for _, known := range []bool{false, true} {
		l, err := ParseLowest(map[string]string{link.ProgramRelay: "1.2.3"}, known)
		require.NoError(t, err)
		require.Equal(t, "tla-relay 1.2.3", l.Of(pki.RoleTLA))
		for version, want := range map[string][2]bool{
			"1.2.3": {}, "v1.2.3": {}, "1.2.3+git7": {}, "1.2.10": {}, "1.10.0": {}, "2.0.0-rc1": {}, "10.0.0": {},
			"1.2.2": {true, false}, "0.9.9": {true, false}, "1.2.3-rc1": {true, false}, "1.2.3~rc1": {true, false},
			"v0.0.0-20261129120000-abcdef": {true, false},
			"devel":                        {false, known}, "1.2": {false, known}, "": {false, known},
			"1.2.3.4": {false, known}, "9999999999.0.0": {false, known},
		} {
			late, unknown := l.Late(pki.RoleTLA, link.Software{Program: link.ProgramRelay, Version: version})
			require.Equal(t, want, [2]bool{late, unknown}, version)
		}
		late, unknown := l.Late(pki.RoleTLA, link.Software{Program: link.ProgramPdT, Version: "9.0.0"})
		require.Equal(t, [2]bool{false, known}, [2]bool{late, unknown}, "another role's program")
		late, unknown = l.Late(pki.RolePdT, link.Software{})
		require.False(t, late || unknown, "no lowest version of it")
	}
}

func TestLowestThatCannotBeUsed(t *testing.T) {
	for text, versions := range map[string]map[string]string{
		`cannot read "1.2"`:       {link.ProgramRelay: "1.2"},
		`cannot read "1.0.0-rc1"`: {link.ProgramPdT: "1.0.0-rc1"},
		"no program of devices":   {"tla-gateway": "1.0.0"},
	} {
		_, err := ParseLowest(versions, false)
		require.ErrorContains(t, err, text)
	}
	_, err := ParseLowest(nil, true)
	require.ErrorContains(t, err, "min_version")
	_, err = ParseLowest(nil, false)
	require.NoError(t, err)
}

func FuzzRelease(f *testing.F) {
	for _, s := range []string{"1.2.3", "v0.0.1-rc1+dirty", "1.2.3~rc1", "1..2", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, ok := parseRelease(s)
		if !ok {
			return
		}
		require.False(t, v.less(v))
		plain, ok := parseRelease(v.String())
		require.True(t, ok)
		require.Equal(t, v.before, v.less(plain))
	})
}
