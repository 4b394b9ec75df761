package index

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/audit"
)

// newYear writes a small trace of six days: five full files and the current one.
func newYear(t testing.TB) *year {
	y := &year{file: filepath.Join(t.TempDir(), "audit.jsonl"), days: 6, perDay: 120, terminals: 40}
	y.write(t)
	return y
}

// fullFiles returns the names of the full files.
func (y *year) fullFiles(t testing.TB) []string {
	names, err := filepath.Glob(strings.TrimSuffix(y.file, ".jsonl") + "-*.jsonl")
	require.NoError(t, err)
	require.Len(t, names, y.days-1)
	return names
}

// find returns the lines that a search finds, and how many indexes it made; bad lines end in their error.
func (y *year) find(t testing.TB, q Query, mode Mode) (lines []string, trace *Trace) {
	t.Helper()
	trace, err := Open(y.file, mode)
	require.NoError(t, err)
	defer trace.Close()
	for line, err := range trace.Search(context.Background(), q) {
		require.NoError(t, err)
		if line.Err != nil {
			line.Text = fmt.Sprintf("%s line %d: %v", filepath.Base(line.File), line.Line, line.Err)
		}
		lines = append(lines, line.Text)
	}
	return lines, trace
}

// queries has each filter alone, and some together.
func (y *year) queries() map[string]Query {
	day := firstDay.AddDate(0, 0, 2)
	who := y.terminal(7)
	return map[string]Query{
		"all":               {},
		"a day":             {Since: day, Until: day.AddDate(0, 0, 1)},
		"since":             {Since: day},
		"until":             {Until: day},
		"identity":          {Identity: who},
		"pdt":               {Identity: "urn:tlagate:cab3:pdt:accueil"},
		"program":           {Identity: "tla-gateway"},
		"nobody":            {Identity: "urn:tlagate:cab3:tla:nobody"},
		"practice":          {Practice: "cab3"},
		"event":             {Events: []string{"access.refused"}},
		"events":            {Events: []string{"session.*", "access.refused"}},
		"reason":            {Reason: "revoked"},
		"code":              {Reason: "ended_by_user"},
		"session":           {Session: strings.ToUpper(y.session(42))},
		"incident":          {Incident: "k7m0"},
		"an identity's day": {Identity: who, Since: day, Until: day.AddDate(0, 0, 1)},
		"several":           {Practice: "cab1", Events: []string{"session.ended"}, Reason: "ended_by_user", Since: day},
		"contradictory":     {Practice: "cab1", Identity: y.terminal(17)},
	}
}

func (y *year) session(line int) string {
	for l := range audit.Read(y.file) {
		if l.Entry.Seq >= uint64(line) && l.Entry.With["session"] != "" {
			return l.Entry.With["session"]
		}
	}
	return ""
}

func TestSA2TheTraceOfTheTestsIsOne(t *testing.T) {
	y := newYear(t)
	report, err := audit.VerifyFile(y.file)
	require.NoError(t, err)
	require.Equal(t, []int{6 * 120, 6}, []int{report.Lines, report.Files})
}

// TestSA2SearchFindsWhatReadingFinds: an index changes how long a search takes, and nothing else.
func TestSA2SearchFindsWhatReadingFinds(t *testing.T) {
	y := newYear(t)
	empty := map[string]bool{"nobody": true, "contradictory": true}
	for name, q := range y.queries() {
		t.Run(name, func(t *testing.T) {
			want, none := y.find(t, q, Everything)
			require.Equal(t, empty[name], len(want) == 0)
			require.Zero(t, none.Made())
			for _, mode := range []Mode{Unwritten, Kept, Kept} {
				got, trace := y.find(t, q, mode)
				require.Equal(t, want, got)
				require.NoError(t, trace.Unwritten())
			}
			_, trace := y.find(t, q, Kept)
			require.Zero(t, trace.Made(), "they are there by now")
		})
	}
	for _, name := range y.fullFiles(t) {
		info, err := os.Stat(Name(name))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}
	require.NoFileExists(t, Name(y.file), "the current file still grows")
}

func TestSA2MakeMakesWhatIsMissing(t *testing.T) {
	y := newYear(t)
	require.NoError(t, Make(context.Background(), y.file))
	names := y.fullFiles(t)
	for _, name := range names {
		require.FileExists(t, Name(name))
	}
	require.NoError(t, os.Remove(Name(names[2])))
	_, trace := y.find(t, Query{Identity: "x"}, Kept)
	require.Equal(t, 1, trace.Made())
	stopped, stop := context.WithCancel(context.Background())
	stop()
	require.ErrorIs(t, Make(stopped, y.file), context.Canceled)
}

// TestSA2OtherTimesAreNotRead: of a file whose time is not wanted, only the header of its index is read.
func TestSA2OtherTimesAreNotRead(t *testing.T) {
	y := newYear(t)
	require.NoError(t, Make(context.Background(), y.file))
	for _, name := range y.fullFiles(t)[:3] {
		require.NoError(t, os.Truncate(Name(name), int64(headerLength)))
	}
	_, trace := y.find(t, Query{Since: firstDay.AddDate(0, 0, 3), Identity: y.terminal(7)}, Kept)
	require.Zero(t, trace.Made())
	_, trace = y.find(t, Query{Identity: y.terminal(7)}, Kept)
	require.Equal(t, 3, trace.Made())
}

// TestSA2IndexDamaged: whatever becomes of an index, it is made anew, and the search finds the same.
func TestSA2IndexDamaged(t *testing.T) {
	y := newYear(t)
	name := Name(y.fullFiles(t)[1])
	other := Name(y.fullFiles(t)[2])
	q := Query{Identity: y.terminal(7)}
	want, _ := y.find(t, q, Kept)
	good, err := os.ReadFile(name)
	require.NoError(t, err)
	swapped, err := os.ReadFile(other)
	require.NoError(t, err)
	bad := map[string][]byte{"empty": {}, "of another file": swapped, "longer header": good[:headerLength-1]}
	for i := 0; i < len(good); i += max(1, len(good)/12) {
		flipped := append([]byte(nil), good...)
		flipped[i] ^= 0x10
		bad[fmt.Sprint("octet ", i)], bad[fmt.Sprint("cut at ", i)] = flipped, good[:i]
	}
	for what, text := range bad {
		require.NoError(t, os.WriteFile(name, text, 0o600))
		got, trace := y.find(t, q, Kept)
		require.Equal(t, want, got, what)
		require.Equal(t, 1, trace.Made(), what)
		again, err := os.ReadFile(name)
		require.NoError(t, err)
		require.Equal(t, good, again, what)
	}
}

// TestSA2IndexHostile: an index with the right key and sums that names what is no line, or other lines, adds none to
// what is found, and none is found twice.
func TestSA2IndexHostile(t *testing.T) {
	y := newYear(t)
	q := Query{Identity: y.terminal(7)}
	want, _ := y.find(t, q, Kept)
	name := y.fullFiles(t)[1]
	parts, done, err := audit.Parts(y.file)
	require.NoError(t, err)
	defer done()
	k, err := keyOf(parts[1])
	require.NoError(t, err)
	token := byIdentity + q.Identity
	lies := map[string]func(b *builder){
		"in a line":      func(b *builder) { b.offsets[token] = []int64{7} },
		"later in one":   func(b *builder) { b.offsets[token] = append(b.offsets[token], parts[1].Size()-9) },
		"beyond the end": func(b *builder) { b.offsets[token] = []int64{1 << 40} },
		"other lines":    func(b *builder) { b.offsets[token] = b.offsets[byIdentity+"tla-gateway"] },
		"unreadable":     func(b *builder) { b.offsets[unreadable] = []int64{13} },
	}
	for what, lie := range lies {
		b := newBuilder(k)
		for line := range parts[1].Lines() {
			b.add(line)
		}
		lie(b)
		x, err := b.table()
		require.NoError(t, err)
		require.NoError(t, write(name, x))
		got, trace := y.find(t, q, Kept)
		require.Equal(t, want, got, what)
		require.Equal(t, what != "other lines", trace.Made() == 1, what)
	}
}

// TestSA2IndexOfWhatWasAltered: an altered line is not found by what it said before; one that cannot be read is named
// by each search, as without an index.
func TestSA2IndexOfWhatWasAltered(t *testing.T) {
	y := newYear(t)
	who := y.terminal(7)
	name := y.fullFiles(t)[1]
	raw, err := os.ReadFile(name)
	require.NoError(t, err)
	before, _ := y.find(t, Query{Identity: who}, Kept)
	altered := strings.Replace(string(raw), who, strings.Replace(who, "t3", "t9", 1), 1)
	require.NoError(t, os.WriteFile(name, []byte(altered), 0o600))
	got, _ := y.find(t, Query{Identity: who}, Kept)
	require.Len(t, got, len(before)-1)

	lines := strings.SplitAfter(string(raw), "\n")
	lines[0], lines[5] = strings.Repeat("x", 70<<10)+"\n", "nonsense\n"
	require.NoError(t, os.WriteFile(name, []byte(strings.Join(lines, "")), 0o600))
	want, _ := y.find(t, Query{Identity: who}, Everything)
	for range 2 {
		got, _ = y.find(t, Query{Identity: who}, Kept)
		require.Equal(t, want, got)
	}
	got = slices.DeleteFunc(got, func(line string) bool { return strings.HasPrefix(line, "{") })
	require.Equal(t, []string{"audit-000000000121.jsonl line 1: it is longer than 65536 octets",
		"audit-000000000121.jsonl line 6: it is not an entry of the trace"}, got)
}

// TestSA2IndexCannotBeWritten: a search works where nothing can be written, and says so.
func TestSA2IndexCannotBeWritten(t *testing.T) {
	y := newYear(t)
	for _, name := range y.fullFiles(t) {
		require.NoError(t, os.Mkdir(Name(name), 0o700))
	}
	q := Query{Identity: y.terminal(7)}
	want, _ := y.find(t, q, Everything)
	got, trace := y.find(t, q, Kept)
	require.Equal(t, want, got)
	require.Error(t, trace.Unwritten())
	require.Error(t, Make(context.Background(), y.file))
	got, trace = y.find(t, q, Unwritten)
	require.Equal(t, want, got)
	require.NoError(t, trace.Unwritten())
}

// TestSA2KindsOfLaterVersions: a kind that this program does not know is found by its pattern all the same.
func TestSA2KindsOfLaterVersions(t *testing.T) {
	y := newYear(t)
	name := y.fullFiles(t)[1]
	raw, err := os.ReadFile(name)
	require.NoError(t, err)
	text := strings.Replace(string(raw), `"event":"session.ended"`, `"event":"session.dusted"`, 1)
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	got, _ := y.find(t, Query{Events: []string{"session.*"}}, Kept)
	require.Equal(t, 1, strings.Count(strings.Join(got, ""), "session.dusted"))
}

func TestSA2SearchEnds(t *testing.T) {
	y := newYear(t)
	trace, err := Open(y.file, Kept)
	require.NoError(t, err)
	defer trace.Close()
	seen := 0
	for range trace.Search(context.Background(), Query{}) {
		if seen++; seen == 3 {
			break
		}
	}
	require.Equal(t, 3, seen)
	stopped, stop := context.WithCancel(context.Background())
	stop()
	for _, err := range trace.Search(stopped, Query{}) {
		require.ErrorIs(t, err, context.Canceled)
	}
	_, err = Open(y.file+"x", Kept)
	require.ErrorContains(t, err, "cannot read the audit trace")
}

// FuzzIndex: no octets in place of an index make a search panic, or find what is not wanted, or twice; with the sums of
// a good one either.
func FuzzIndex(f *testing.F) {
	y := &year{file: filepath.Join(f.TempDir(), "audit.jsonl"), days: 2, perDay: 40, terminals: 8}
	y.write(f)
	q := Query{Identity: y.terminal(3), Events: []string{"session.*"}}
	want, _ := y.find(f, q, Kept)
	raw, err := os.ReadFile(y.fullFiles(f)[0])
	require.NoError(f, err)
	part := audit.Part{SectionReader: io.NewSectionReader(bytes.NewReader(raw), 0, int64(len(raw))), Full: true}
	good, err := os.ReadFile(Name(y.fullFiles(f)[0]))
	require.NoError(f, err)
	h, err := parseHeader(good[:headerLength])
	require.NoError(f, err)
	f.Add(good[:headerLength], good[headerLength:])
	f.Add([]byte(magic), []byte{})
	f.Fuzz(func(t *testing.T, head, body []byte) {
		if other, err := parseHeader(head); err == nil {
			_, _ = parseTable(other, body)
		}
		x := &table{h, body}
		x.rows, x.length = min(h.rows, uint32(len(body)/rowLength)), uint32(len(body))
		found := map[string]bool{}
		s := search{part: part, query: q, yield: func(l audit.Line, err error) bool {
			require.NoError(t, errors.Join(err, l.Err))
			require.Contains(t, want, l.Text)
			require.False(t, found[l.Text])
			found[l.Text] = true
			return true
		}}
		s.follow(x)
	})
}
