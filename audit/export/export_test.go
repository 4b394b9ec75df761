package export

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/stretchr/testify/require"

	"tlagate/audit"
	"tlagate/audit/index"
)

// bed is a trace of twelve lines in several files, and a recipient.
type bed struct {
	t    *testing.T
	dir  string
	file string
	key  *age.HybridIdentity
}

func newBed(t *testing.T) *bed {
	b := &bed{t: t, dir: t.TempDir()}
	b.file = filepath.Join(b.dir, "audit.jsonl")
	log, err := audit.Open(audit.Config{File: b.file, By: "test", MaxSize: 1000})
	require.NoError(t, err)
	for i := range 12 {
		kind := []audit.Kind{audit.SessionUp, audit.SessionEnded}[i%2]
		require.NoError(t, log.Record(kind, audit.Identity(fmt.Sprintf("urn:tlagate:cab1:tla:t%d", i/4))))
	}
	b.key, err = age.GenerateHybridIdentity()
	require.NoError(t, err)
	return b
}

func (b *bed) export(name string, q index.Query) (Header, error) {
	trace, err := index.Open(b.file, index.Kept)
	require.NoError(b.t, err)
	defer trace.Close()
	return Make(context.Background(), Config{Trace: trace, Query: q, Program: "test",
		Recipients: []age.Recipient{b.key.Recipient()}, To: filepath.Join(b.dir, name)})
}

func (b *bed) open(name string) string {
	raw, err := os.ReadFile(filepath.Join(b.dir, name))
	require.NoError(b.t, err)
	plain, err := age.Decrypt(bytes.NewReader(raw), b.key)
	require.NoError(b.t, err)
	text, err := io.ReadAll(plain)
	require.NoError(b.t, err)
	require.NotContains(b.t, string(raw), "session.up")
	return string(text)
}

func TestSA2ExportOfARangeIsVerified(t *testing.T) {
	b := newBed(t)
	made, err := b.export("all.age", index.Query{})
	require.NoError(t, err)
	require.Equal(t, []any{12, uint64(1), uint64(12), true}, []any{made.Count, made.First, made.Last, made.Chain})
	info, err := os.Stat(filepath.Join(b.dir, "all.age"))
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode().Perm())
	text := b.open("all.age")
	h, report, err := Verify(strings.NewReader(text))
	require.NoError(t, err)
	require.Equal(t, made, h)
	require.Equal(t, 12, report.Lines)
	whole, err := audit.VerifyFile(b.file)
	require.NoError(t, err)
	require.Equal(t, whole.Hash, report.Hash)

	made, err = b.export("middle.age", index.Query{Identity: "urn:tlagate:cab1:tla:t1"})
	require.NoError(t, err)
	require.Equal(t, []any{4, uint64(5), true}, []any{made.Count, made.First, made.Chain}, "they happen to be a range")
	_, _, err = Verify(strings.NewReader(b.open("middle.age")))
	require.NoError(t, err)

	made, err = b.export("some.age", index.Query{Events: []string{"session.up"}})
	require.NoError(t, err)
	require.Equal(t, []any{6, false, ""}, []any{made.Count, made.Chain, made.Before})
	_, _, err = Verify(strings.NewReader(b.open("some.age")))
	require.ErrorIs(t, err, ErrSelection)
}

func TestSA2AlteredExportIsFound(t *testing.T) {
	b := newBed(t)
	_, err := b.export("all.age", index.Query{})
	require.NoError(t, err)
	lines := strings.SplitAfter(b.open("all.age"), "\n")
	join := func(lists ...[]string) (text string) {
		for _, l := range lists {
			text += strings.Join(l, "")
		}
		return text
	}
	for what, c := range map[string]struct{ text, why string }{
		"a line is missing": {join(lines[:4], lines[5:]), "broken at line 5 of the input: lines 4 to 4"},
		"a line is altered": {strings.Replace(join(lines), "t1", "t9", 1), "broken at line 6 of the input"},
		"the end is missing": {join(lines[:9]),
			"broken at line 9 of the input: the end is not what the first line says"},
		"the end is half":     {strings.TrimSuffix(join(lines), "}\n"), "the end is not what the first line says"},
		"the first is gone":   {join(lines[:1], lines[2:]), "broken at line 2 of the input"},
		"there is no header":  {join(lines[1:]), "its first line does not begin with"},
		"it is still closed":  {"age-encryption.org/v1\nx\n", "decrypt it with age first"},
		"there is nothing":    {"", "it has no first line"},
		"the header is long":  {strings.Repeat(" ", 70<<10) + join(lines), "it has no first line"},
		"the header is other": {strings.Replace(join(lines), `"count":12`, `"count":11`, 1), "the end is not what"},
	} {
		_, _, err := Verify(strings.NewReader(c.text))
		require.ErrorContains(t, err, c.why, what)
	}
}

// TestSA2ExportIsWholeOrNotThere: nothing is overwritten, and what fails leaves no file.
func TestSA2ExportIsWholeOrNotThere(t *testing.T) {
	b := newBed(t)
	require.NoError(t, os.WriteFile(filepath.Join(b.dir, "there"), []byte("kept"), 0o600))
	_, err := b.export("there", index.Query{})
	require.ErrorIs(t, err, fs.ErrExist)
	_, err = b.export("none.age", index.Query{Identity: "nobody"})
	require.ErrorContains(t, err, "no line is within these filters")
	_, err = b.export("none.age", index.Query{Events: []string{"*", strings.Repeat("x", 70<<10)}})
	require.ErrorContains(t, err, "the filters are too long")
	left, err := filepath.Glob(filepath.Join(b.dir, "*none*"))
	require.NoError(t, err)
	require.Empty(t, left)
	left, err = filepath.Glob(filepath.Join(b.dir, ".*"))
	require.NoError(t, err)
	require.Empty(t, left)
	require.Equal(t, "kept", read(t, filepath.Join(b.dir, "there")))
}

// TestSA2ExportOfABrokenTrace: what can be read is exported, and the first line says that it is no whole chain.
func TestSA2ExportOfABrokenTrace(t *testing.T) {
	b := newBed(t)
	full, err := filepath.Glob(b.dir + "/audit-*.jsonl")
	require.NoError(t, err)
	text := read(t, full[0])
	require.NoError(t, os.WriteFile(full[0], []byte(strings.Replace(text, `"seq":2`, `"sec":2`, 1)), 0o600))
	made, err := b.export("rest.age", index.Query{})
	require.NoError(t, err)
	require.Equal(t, []any{11, 1, false}, []any{made.Count, made.Unreadable, made.Chain})
	require.Equal(t, 12, strings.Count(b.open("rest.age"), "\n"))
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	return string(text)
}

func FuzzVerify(f *testing.F) {
	header := `{"export":"tlagate audit trace 1","program":"x","made":"","filters":{},"count":1,"first":1,"last":1,` +
		`"chain":true,"before":"00","hash":"00"}` + "\n"
	f.Add([]byte(header))
	f.Add([]byte(header + "{}\n"))
	f.Add([]byte("\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		h, report, err := Verify(bytes.NewReader(text))
		if err == nil {
			require.Equal(t, []any{h.Count, h.Hash}, []any{report.Lines, report.Hash})
		}
	})
}
