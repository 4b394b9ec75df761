package audit_test

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/audit"
)

// TestEL1EveryAlterationIsFound alters every octet of a log, and of its head, one by one.
func TestEL1EveryAlterationIsFound(t *testing.T) {
	file := logFile(t)
	record(t, newLog(t, file), 5)
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	for i := range raw {
		for _, bit := range []byte{1, 0x20, 0x80} {
			altered := bytes.Clone(raw)
			altered[i] ^= bit
			require.NoError(t, os.WriteFile(file, altered, 0o600))
			broken := brokenAt(t, file)
			line := 1 + bytes.Count(raw[:i], []byte("\n"))
			if raw[i] == '\n' || altered[i] == '\n' {
				require.InDelta(t, line, broken.Line, 1, "octet %d: %v", i, broken)
				continue
			}
			require.Equal(t, line, broken.Line, "octet %d: %v", i, broken)
		}
	}
	require.NoError(t, os.WriteFile(file, raw, 0o600))
	head, err := os.ReadFile(file + ".head")
	require.NoError(t, err)
	for i := range head[:85] { // the size behind it concerns only the writer
		altered := bytes.Clone(head)
		altered[i] ^= 1
		require.NoError(t, os.WriteFile(file+".head", altered, 0o600))
		if _, err := audit.VerifyFile(file); i != 19 { // a crash leaves a head that knows less than the log
			require.ErrorAs(t, err, new(*audit.Broken), "octet %d of the head", i)
		}
	}
}

func brokenAt(t *testing.T, file string) *audit.Broken {
	_, err := audit.VerifyFile(file)
	var broken *audit.Broken
	require.ErrorAs(t, err, &broken)
	require.Equal(t, file, broken.File)
	return broken
}

// TestEL1EveryLineIsMissed deletes, moves, copies and cuts off every line, one by one.
func TestEL1EveryLineIsMissed(t *testing.T) {
	const n = 6
	ways := map[string]func(l []string, i int) (lines []string, line int, says string){
		"deleted": func(l []string, i int) ([]string, int, string) {
			if i == n-1 {
				return l[:i], n, "lines 6 to 6, which the head knows, are not there"
			}
			return append(l[:i:i], l[i+1:]...), i + 1,
				fmt.Sprintf("lines %d to %d, which should stand before it, were removed", i+1, i+1)
		},
		"swapped with the next": func(l []string, i int) ([]string, int, string) {
			if i == n-1 {
				return nil, 0, ""
			}
			l[i], l[i+1] = l[i+1], l[i]
			return l, i + 1, "removed or moved"
		},
		"copied": func(l []string, i int) ([]string, int, string) {
			return append(l[:i+1:i+1], l[i:]...), i + 2, "out of place"
		},
		"cut off behind": func(l []string, i int) ([]string, int, string) {
			if i == n-1 {
				return nil, 0, ""
			}
			return l[:i+1], i + 2, fmt.Sprintf("the end was cut off: lines %d to 6", i+2)
		},
		"emptied": func(l []string, i int) ([]string, int, string) {
			l[i] = "\n"
			return l, i + 1, "not an entry"
		},
		"given another reason": func(l []string, i int) ([]string, int, string) {
			l[i] = strings.Replace(l[i], `"file":"k"`, `"file":"x"`, 1)
			return l, i + 1, "altered"
		},
		"replaced by one of another log": func(l []string, i int) ([]string, int, string) {
			other := logFile(t)
			record(t, newLog(t, other, others), n)
			raw, err := os.ReadFile(other)
			require.NoError(t, err)
			l[i] = strings.SplitAfter(string(raw), "\n")[i]
			return l, i + 1, "altered"
		},
	}
	for name, way := range ways {
		for i := range n {
			t.Run(fmt.Sprintf("%s %d", name, i+1), func(t *testing.T) {
				file := logFile(t)
				record(t, newLog(t, file), n)
				line, says := 0, ""
				edit(t, file, func(l []string) (changed []string) {
					before := append([]string(nil), l...)
					if changed, line, says = way(l, i); changed == nil {
						return before
					}
					return changed
				})
				if line == 0 {
					return
				}
				broken := brokenAt(t, file)
				require.Equal(t, line, broken.Line, broken)
				require.Contains(t, broken.Why, says)
			})
		}
	}
}

// FuzzVerify: no input makes Verify panic; what it accepts is a chain of lines that can be written again, and so is
// every prefix of it.
func FuzzVerify(f *testing.F) {
	const zeros = "0000000000000000000000000000000000000000000000000000000000000000"
	one := `{"seq":1,"at":"2026-11-24T08:30:00.123Z","prev":"` + zeros +
		`","event":"program.start","by":"test","with":{"version":"1"}}` + "\n"
	f.Add([]byte(one))
	f.Add([]byte(one + one))
	f.Add([]byte(strings.Replace(one, `program.start","by":"test","with":{"version":"1"`,
		`audit.purged","with":{"certificate":"MAA","hash":"00","number":"6","signature":"MAA","until":"2026-11-24T08:30:00Z"`,
		1)))
	f.Add([]byte(one[:40]))
	f.Add([]byte("\n"))
	f.Add([]byte(`{"seq":1,"seq":2}` + "\n"))
	f.Add([]byte(strings.Repeat("x", 70<<10)))
	file := f.TempDir() + "/audit.jsonl"
	record(f, newLog(f, file), 3)
	raw, err := os.ReadFile(file)
	require.NoError(f, err)
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := audit.Verify(bytes.NewReader(raw))
		if err != nil {
			require.ErrorAs(t, err, new(*audit.Broken))
			return
		}
		require.EqualValues(t, r.Lines, r.Last)
		whole := raw[:len(raw)-int(r.Torn)]
		lines := bytes.SplitAfter(whole, []byte("\n"))
		require.Len(t, lines, r.Lines+1)
		for i, line := range lines[:r.Lines] {
			e, err := audit.Parse(bytes.TrimSuffix(line, []byte("\n")))
			require.NoError(t, err)
			require.EqualValues(t, i+1, e.Seq)
		}
		if r.Lines > 0 {
			_, err := audit.Verify(bytes.NewReader(bytes.Join(lines[:r.Lines-1], nil)))
			require.NoError(t, err)
		}
	})
}
