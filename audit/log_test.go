package audit_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"tlagate/audit"
)

// childEnv names the variable with which the test program records, to the log that it names, until it is killed.
const childEnv = "AUDIT_TEST_CHILD"

func TestMain(m *testing.M) {
	if file := os.Getenv(childEnv); file != "" {
		recordForEver(file)
	}
	os.Exit(m.Run())
}

// atStep is what the child does about the steps of its log.
var atStep = func(*audit.Log) {}

// recordForEver prints each number that it has on the disk.
func recordForEver(file string) {
	l, err := audit.Open(audit.Config{File: file, By: "child", MaxSize: 4000})
	if err == nil {
		atStep(l)
	}
	for n := 0; err == nil; n++ {
		if err = l.Record(audit.ProgramStart, audit.Count(n), audit.Reason(strings.Repeat("x", n%300))); err == nil {
			fmt.Println(n)
		}
	}
	fmt.Println(err)
	os.Exit(1)
}

func newLog(t require.TestingT, file string, change ...func(*audit.Config)) *audit.Log {
	cfg := audit.Config{File: file, By: "test"}
	for _, c := range change {
		c(&cfg)
	}
	l, err := audit.Open(cfg)
	require.NoError(t, err)
	return l
}

// others makes a log another program's: two logs that say the same at one time are equal, octet for octet.
func others(c *audit.Config) { c.By = "other" }

func logFile(t *testing.T) string { return filepath.Join(t.TempDir(), "sub", "audit.jsonl") }

func record(t require.TestingT, l *audit.Log, n int) {
	for i := range n {
		require.NoError(t, l.Record(audit.KeyLoaded, audit.File("k"), audit.Count(i)))
	}
}

func entries(t require.TestingT, file string) (all []audit.Entry) {
	for line, err := range audit.Read(file) {
		require.NoError(t, err)
		require.NoError(t, line.Err, line.Text)
		all = append(all, line.Entry)
	}
	return all
}

// reasons returns the reasons of the recoveries.
func reasons(t require.TestingT, file string) (all []string) {
	for _, e := range entries(t, file) {
		if e.Event == audit.AuditRecovered {
			all = append(all, e.With["reason"])
		}
	}
	return all
}

func good(t require.TestingT, file string) audit.Report {
	r, err := audit.VerifyFile(file)
	require.NoError(t, err)
	return r
}

func TestEL1ALine(t *testing.T) {
	file := logFile(t)
	at := time.Date(2026, 11, 24, 9, 30, 0, 123456789, time.FixedZone("CET", 3600))
	l := newLog(t, file, func(c *audit.Config) { c.Clock = func() time.Time { return at } })
	require.NoError(t, l.Record(audit.ProgramStart, audit.Version("1.2 \"x\"\n\x1b[31m\u202e")))
	require.NoError(t, l.Record(audit.KeyErased, audit.By("urn:tlagate:a:admin:b"), audit.File("")))
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, `{"seq":1,"at":"2026-11-24T08:30:00.123Z",`+
		`"prev":"0000000000000000000000000000000000000000000000000000000000000000",`+
		`"event":"program.start","by":"test","with":{"version":"1.2 \"x\"��[31m�"}}
{"seq":2,"at":"2026-11-24T08:30:00.123Z","prev":"57905ddda291aab2a4602ecd157cd73e12e5a90fe5493cc22ea452ca6a9f6768",`+
		`"event":"key.erased","by":"urn:tlagate:a:admin:b"}
`, string(raw))
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

func TestEL1OnlyKnownKindsAndAttributes(t *testing.T) {
	l := newLog(t, logFile(t))
	require.ErrorContains(t, l.Record("key.shown"), "not in the table")
	require.ErrorContains(t, l.Record(audit.KeyLoaded, audit.Attr{}), "none of this package's")
	require.ErrorContains(t, l.Record(audit.KeyLoaded, audit.File("a"), audit.File("b")), "twice")
	require.Zero(t, good(t, l.File()).Lines)
	var none *audit.Log
	require.NoError(t, none.Record(audit.KeyLoaded))
}

func TestEL1NoPINInAURI(t *testing.T) {
	l := newLog(t, logFile(t))
	require.NoError(t, l.Record(audit.KeyLoaded, audit.File(
		"pkcs11:token=t;object=o?module-path=/m.so&pin-value=1234")))
	require.NoError(t, l.Record(audit.KeyLoaded, audit.File("PKCS11:object=o;pin-value=1234")))
	for _, e := range entries(t, l.File()) {
		require.Contains(t, e.With["file"], "object=o")
		require.NotContains(t, e.With["file"], "1234")
	}
}

func TestEL1ValuesAreBounded(t *testing.T) {
	l := newLog(t, logFile(t))
	require.NoError(t, l.Record(audit.KeyLoaded, audit.File(strings.Repeat("é", 1<<20)),
		audit.Names([]string{strings.Repeat("a\x00", 1<<20)})))
	e := entries(t, l.File())[0]
	require.LessOrEqual(t, len(e.With["file"]), 512)
	require.True(t, strings.HasSuffix(e.With["file"], "é…"))
	require.LessOrEqual(t, len(e.With["names"]), 4096)
	for _, n := range []int{1, 50, 51, 1000} {
		names := make([]string, n)
		for i := range names {
			names[i] = fmt.Sprintf("package-%d %s", i, strings.Repeat("v", i))
		}
		var again []string
		for _, list := range audit.Lists(names) {
			require.LessOrEqual(t, len(list), 50)
			require.NoError(t, l.Record(audit.HostPackagesAdded, audit.Names(list)))
			all := entries(t, l.File())
			again = append(again, strings.Split(all[len(all)-1].With["names"], ", ")...)
		}
		require.Len(t, again, n, "none is lost")
	}
}

// TestEL1UnwritableIsAnError: what is not on the disk is an error, and the log is as it was.
func TestEL1UnwritableIsAnError(t *testing.T) {
	file := logFile(t)
	l := newLog(t, file)
	record(t, l, 2)
	require.NoError(t, os.Rename(file, file+".away"))
	require.NoError(t, os.Mkdir(file, 0o700))
	require.ErrorContains(t, l.Record(audit.KeyLoaded), "cannot record key.loaded in the audit trace "+file)
	require.NoError(t, os.Remove(file))
	require.NoError(t, os.Rename(file+".away", file))
	record(t, l, 1)
	require.Equal(t, 3, good(t, file).Lines)

	require.NoError(t, os.Chmod(file, 0o666))
	require.ErrorContains(t, l.Record(audit.KeyLoaded), "chmod 600")
	require.NoError(t, os.Chmod(file, 0o640))
	record(t, l, 1)
	_, err := audit.Open(audit.Config{File: filepath.Join(file, "x")})
	require.ErrorContains(t, err, "cannot open the audit trace")
}

func TestEL1RotationGoesOn(t *testing.T) {
	file := logFile(t)
	l := newLog(t, file, func(c *audit.Config) { c.MaxSize = 1000 })
	record(t, l, 1)
	require.NoError(t, os.Chmod(file, 0o640))
	record(t, l, 39)
	r := good(t, file)
	require.Equal(t, 40, r.Lines)
	require.Greater(t, r.Files, 5)
	require.Empty(t, r.Recovered)
	names, err := filepath.Glob(filepath.Join(filepath.Dir(file), "audit-*.jsonl"))
	require.NoError(t, err)
	require.Len(t, names, r.Files-1)
	require.Contains(t, names[0], "audit-000000000001.jsonl")
	for _, name := range append(names, file) {
		info, err := os.Stat(name)
		require.NoError(t, err)
		require.LessOrEqual(t, info.Size(), int64(1000))
		require.Equal(t, os.FileMode(0o640), info.Mode().Perm())
	}

	// The removal of any full file is noticed.
	for i, name := range append(names, file) {
		require.NoError(t, os.Rename(name, name+".away"))
		_, err := audit.VerifyFile(file)
		require.Error(t, err, "%d", i)
		require.ErrorAs(t, err, new(*audit.Broken))
		require.NoError(t, os.Rename(name+".away", name))
	}
	good(t, file)
}

// TestEL1RotationCutOff: a program may die between putting the full file away and updating the head.
func TestEL1RotationCutOff(t *testing.T) {
	for _, newFile := range []bool{false, true} {
		file := logFile(t)
		record(t, newLog(t, file), 5)
		require.NoError(t, os.Rename(file, filepath.Join(filepath.Dir(file), "audit-000000000001.jsonl")))
		if newFile {
			require.NoError(t, os.WriteFile(file, nil, 0o600))
		}
		record(t, newLog(t, file), 1)
		r := good(t, file)
		require.Equal(t, 6, r.Lines)
		require.Empty(t, r.Recovered)
	}
}

// TestEL1HalfALine: a power cut at any octet of a line that is written stops nothing.
func TestEL1HalfALine(t *testing.T) {
	file := logFile(t)
	record(t, newLog(t, file), 3)
	before, err := os.ReadFile(file)
	require.NoError(t, err)
	headBefore, err := os.ReadFile(file + ".head")
	require.NoError(t, err)
	record(t, newLog(t, file), 1)
	after, err := os.ReadFile(file)
	require.NoError(t, err)
	for cut := len(before); cut <= len(after); cut++ {
		require.NoError(t, os.WriteFile(file, after[:cut], 0o600))
		require.NoError(t, os.WriteFile(file+".head", headBefore, 0o600))
		r, err := audit.VerifyFile(file)
		require.NoError(t, err, "what is half written is no break")
		if cut < len(after) {
			require.EqualValues(t, cut-len(before), r.Torn)
		}
		record(t, newLog(t, file), 1)
		r = good(t, file)
		switch cut {
		case len(before):
			require.Equal(t, 4, r.Lines)
		case len(after):
			require.Equal(t, 5, r.Lines)
			require.Empty(t, r.Recovered)
		default:
			require.Equal(t, []uint64{4}, r.Recovered)
			require.Equal(t, []string{fmt.Sprintf("%d octets after the last whole line of the chain are set aside",
				cut-len(before))}, reasons(t, file))
			torn, err := os.ReadFile(file + ".torn")
			require.NoError(t, err)
			require.True(t, strings.HasSuffix(string(torn), string(after[len(before):cut])))
		}
	}
}

func TestEL1ForeignLinesAreSetAside(t *testing.T) {
	file := logFile(t)
	record(t, newLog(t, file), 2)
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteString(strings.Repeat("x", 200<<10) + "\nnot ours\n")
	require.NoError(t, err)
	require.NoError(t, f.Close())
	record(t, newLog(t, file), 1)
	require.Equal(t, []uint64{3}, good(t, file).Recovered)
}

// TestEL1SetAsideIsBounded: crashes without end do not fill the disk with what they leave.
func TestEL1SetAsideIsBounded(t *testing.T) {
	file := logFile(t)
	record(t, newLog(t, file), 1)
	require.NoError(t, os.WriteFile(file+".torn", make([]byte, 8<<20), 0o600))
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteString("half a line")
	require.NoError(t, err)
	require.NoError(t, f.Close())
	record(t, newLog(t, file), 1)
	torn, err := os.ReadFile(file + ".torn")
	require.NoError(t, err)
	require.Equal(t, "half a line", string(torn))
	old, err := os.Stat(file + ".torn.old")
	require.NoError(t, err)
	require.EqualValues(t, 8<<20, old.Size())
}

// TestEL1LinesWithoutAHead: a whole line after the head is accepted if it continues the chain, and only then.
func TestEL1LinesWithoutAHead(t *testing.T) {
	file, other := logFile(t), logFile(t)
	record(t, newLog(t, file), 2)
	record(t, newLog(t, other, others), 3)
	raw, err := os.ReadFile(other)
	require.NoError(t, err)
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteString(strings.SplitAfter(string(raw), "\n")[2])
	require.NoError(t, err)
	require.NoError(t, f.Close())
	record(t, newLog(t, file), 1)
	r := good(t, file)
	require.Equal(t, 4, r.Lines)
	require.Equal(t, []uint64{3}, r.Recovered)
}

// TestEL1HeadTells: what is done to log or head between two starts is recorded at the second, and the gap stays
// visible.
func TestEL1HeadTells(t *testing.T) {
	cases := []struct {
		name  string
		spoil func(t *testing.T, file string)
		why   string
		gap   string // "" = the chain is intact again
	}{
		{"last line removed", func(t *testing.T, file string) {
			edit(t, file, func(l []string) []string { return l[:3] })
		},
			"the log was cut off", "lines 4 to 4"},
		{"last line half removed", func(t *testing.T, file string) {
			info, err := os.Stat(file)
			require.NoError(t, err)
			require.NoError(t, os.Truncate(file, info.Size()-5))
		}, "the log was cut off", "lines 4 to 4"},
		{"log removed", func(t *testing.T, file string) { require.NoError(t, os.Remove(file)) },
			"the log was cut off", "lines 1 to 4"},
		{"last line altered", func(t *testing.T, file string) {
			edit(t, file, func(l []string) []string { l[3] = strings.Replace(l[3], "k", "j", 1); return l })
		}, "the last line is not the one that was written", "line 4"},
		{"head removed", func(t *testing.T, file string) { require.NoError(t, os.Remove(file+".head")) },
			"the head was missing", ""},
		{"head altered", func(t *testing.T, file string) {
			require.NoError(t, os.WriteFile(file+".head", []byte("nonsense"), 0o600))
		}, "the head could not be read", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			file := logFile(t)
			record(t, newLog(t, file), 4)
			c.spoil(t, file)
			_, err := audit.VerifyFile(file)
			require.ErrorAs(t, err, new(*audit.Broken))
			record(t, newLog(t, file), 2)
			found := ""
			for line, err := range audit.Read(file) {
				require.NoError(t, err)
				if line.Err == nil && line.Entry.Event == audit.AuditRecovered {
					require.Empty(t, found, "it is told once")
					found = line.Entry.With["reason"]
				}
			}
			require.Contains(t, found, c.why)
			if c.gap == "" {
				require.Equal(t, 7, good(t, file).Lines)
				return
			}
			_, err = audit.VerifyFile(file)
			require.ErrorContains(t, err, c.gap)
		})
	}
}

// edit changes the lines of a file, each with its newline.
func edit(t *testing.T, file string, change func([]string) []string) {
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	lines := strings.SplitAfter(strings.TrimSuffix(string(raw), "\n"), "\n")
	lines[len(lines)-1] += "\n"
	require.NoError(t, os.WriteFile(file, []byte(strings.Join(change(lines), "")), 0o600))
}

// TestEL1KilledInTheMiddle: what a program said it had recorded is there after kill -9, at whatever moment.
func TestEL1KilledInTheMiddle(t *testing.T) {
	file := logFile(t)
	said := 0
	for round := range 15 {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), childEnv+"="+file)
		out, err := child.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, child.Start())
		lines := bufio.NewScanner(out)
		for range 5 + round {
			require.True(t, lines.Scan())
		}
		require.NoError(t, child.Process.Kill())
		said += 5 + round
		for lines.Scan() {
			said++
		}
		require.Error(t, child.Wait())
	}
	record(t, newLog(t, file), 1)
	r := good(t, file)
	require.GreaterOrEqual(t, r.Lines-len(r.Recovered)-1, said)
	require.LessOrEqual(t, r.Lines-len(r.Recovered)-1, said+15)
}

// TestEL1TwoProcesses: several processes, and several logs of one process, write to one file at once.
func TestEL1TwoProcesses(t *testing.T) {
	file := logFile(t)
	var running sync.WaitGroup
	for range 2 {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), childEnv+"="+file)
		out, err := child.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, child.Start())
		running.Go(func() {
			lines := bufio.NewScanner(out)
			for range 60 {
				if !lines.Scan() || strings.Contains(lines.Text(), "cannot") {
					t.Errorf("the child ended: %s", lines.Text())
				}
			}
			_ = child.Process.Kill()
			_ = child.Wait()
		})
	}
	own := newLog(t, file, func(c *audit.Config) { c.MaxSize = 4000 })
	for range 3 {
		running.Go(func() { record(t, own, 20) })
	}
	running.Wait()
	record(t, own, 1)
	r := good(t, file)
	require.GreaterOrEqual(t, r.Lines, 2*60+3*20+1)
	mine := 0
	for _, e := range entries(t, file) {
		if e.By == "test" && e.Event == audit.KeyLoaded {
			mine++
		}
	}
	require.Equal(t, 61, mine)
}

func TestEL1RoundTrip(t *testing.T) {
	dir := t.TempDir()
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		file := filepath.Join(dir, fmt.Sprint(n), "audit.jsonl")
		size := rapid.Int64Range(1, 4000).Draw(t, "size")
		l := newLog(t, file, func(c *audit.Config) { c.MaxSize = size })
		kinds := slices.DeleteFunc(audit.Kinds(), func(m audit.Meaning) bool { return m.Kind == audit.AuditPurged })
		var want []audit.Kind
		for range rapid.IntRange(0, 8).Draw(t, "events") {
			kind := kinds[rapid.IntRange(0, len(kinds)-1).Draw(t, "kind")].Kind
			require.NoError(t, l.Record(kind, audit.File(rapid.String().Draw(t, "file")),
				audit.By(string(rapid.SliceOf(rapid.Byte()).Draw(t, "by")))))
			want = append(want, kind)
		}
		var got []audit.Kind
		for _, e := range entries(t, file) {
			got = append(got, e.Event)
		}
		require.Equal(t, want, got)
		require.Equal(t, len(want), good(t, file).Lines)
	})
}

func TestEL1ClockSetBack(t *testing.T) {
	now := time.Now()
	l := newLog(t, logFile(t), func(c *audit.Config) { c.Clock = func() time.Time { return now } })
	record(t, l, 2)
	now = now.Add(-time.Hour)
	record(t, l, 2)
	require.Equal(t, []uint64{3}, good(t, l.File()).Back)
}

func TestVerifyOfNothing(t *testing.T) {
	_, err := audit.VerifyFile(logFile(t))
	require.True(t, errors.Is(err, os.ErrNotExist), "%v", err)
}

func BenchmarkRecord(b *testing.B) {
	l := newLog(b, filepath.Join(b.TempDir(), "audit.jsonl"))
	for b.Loop() {
		require.NoError(b, l.Record(audit.KeyLoaded, audit.File("k"), audit.Use("client")))
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

func BenchmarkVerify(b *testing.B) {
	file := filepath.Join(b.TempDir(), "audit.jsonl")
	record(b, newLog(b, file), 1000)
	for b.Loop() {
		good(b, file)
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/1000, "µs/line")
}

// BenchmarkRecordParallel records from many goroutines at once: one sync serves them together.
func BenchmarkRecordParallel(b *testing.B) {
	l := newLog(b, filepath.Join(b.TempDir(), "audit.jsonl"))
	before := l.Syncs()
	b.SetParallelism(50)
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if err := l.Record(audit.KeyLoaded, audit.File("k"), audit.Use("client")); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
	b.ReportMetric(float64(l.Syncs()-before)/float64(b.N), "syncs/op")
}
