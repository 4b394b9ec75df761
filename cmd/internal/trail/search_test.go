package trail

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/stretchr/testify/require"

	"tlagate/audit"
	"tlagate/audit/index"
)

// searched is a trace with two terminals' sessions, in several files.
func searched(t *testing.T) (file string) {
	file = filepath.Join(t.TempDir(), "audit.jsonl")
	log, err := audit.Open(audit.Config{File: file, By: "tla-gateway", MaxSize: 1000})
	require.NoError(t, err)
	for _, e := range []struct {
		kind  audit.Kind
		attrs []audit.Attr
	}{
		{audit.ProgramStart, nil},
		{audit.AccessAccepted, []audit.Attr{audit.Identity(t1)}},
		{audit.SessionOpened, []audit.Attr{audit.Identity(t1), audit.PdT(p1), audit.Session("a1")}},
		{audit.AccessRefused, []audit.Attr{audit.Identity(t2), audit.Reason("revoked")}},
		{audit.SessionEnded, []audit.Attr{audit.Identity(t1), audit.PdT(p1), audit.Session("a1"),
			audit.Code("card_lost"), audit.Incident("K7M2")}},
		{audit.AccessRefused, []audit.Attr{audit.Identity(t2), audit.Reason("revoked")}},
		{audit.ProgramStop, nil},
	} {
		require.NoError(t, log.Record(e.kind, e.attrs...))
	}
	return file
}

const (
	t1 = "urn:tlagate:cab1:tla:t1"
	t2 = "urn:tlagate:cab2:tla:t2"
	p1 = "urn:tlagate:cab1:pdt:p1"
)

func TestSA2SearchCommand(t *testing.T) {
	file := searched(t)
	for _, c := range []struct {
		want string // numbers of lines
		args []string
	}{
		{"1 2 3 4 5 6 7", nil},
		{"2 3 5", []string{"--identity", t1}},
		{"3 5", []string{"--identity", p1}},
		{"4 6", []string{"--practice", "cab2"}},
		{"4 6", []string{"--reason", "revoked"}},
		{"5", []string{"--reason", "card_lost"}},
		{"3 5", []string{"--session", "A1"}},
		{"5", []string{"--incident", "k7m2"}},
		{"4 5 6", []string{"--event", "access.refused", "--event", "session.ended"}},
		{"6", []string{"--practice", "cab2", "--limit", "1"}},
		{"5 6 7", []string{"--limit=3"}},
		{"", []string{"--until", "1h"}},
		{"2 3 5", []string{"--since", "1h", "--practice", "cab1"}},
		{"2 3 5", []string{"--since", "30d", "--practice", "cab1"}},
		{"", []string{"--until", "1d"}},
		{"", []string{"--identity", t1, "--reason", "revoked"}},
	} {
		for _, also := range [][]string{nil, {"--no-index"}, {"--json"}} {
			code, out, errs := run(append(append([]string{"search", "--file", file}, c.args...), also...)...)
			require.Zero(t, code, errs)
			require.Equal(t, c.want, numbersIn(out), c.args)
			require.Equal(t, c.want == "", strings.Contains(errs, "no line fits"), c.args)
		}
	}
	require.NotEmpty(t, indexes(t, file))
	shown, wanted := "", ""
	_, wanted, _ = run("show", "--file", file)
	_, shown, _ = run("search", "--file", file)
	require.Equal(t, wanted, shown, "search prints as show does")
	for _, args := range [][]string{{"--limit", "-1"}, {"--until", "soon"}, {"--event", "acess.*"},
		{"--since", "d"}, {"--since", "-1d"}, {"--identity", "t1"}, {"--practice", "urn:tlagate:cab1:tla:t1"},
		{"--incident", "K7M"}, {"--incident", "7K2M"}, {"--incident", "K1M2"},
		{"--since", "2026-01-02", "--until", "2026-01-02"}, {"--file", file + "x"}} {
		code, _, errs := run(append([]string{"search", "--file", file}, args...)...)
		require.Equal(t, 2, code, "%v: %s", args, errs)
	}
}

// numbersIn returns the numbers of the lines that were printed, in either form.
func numbersIn(out string) string {
	var all []string
	for line := range strings.Lines(out) {
		number := strings.Fields(line)[1:]
		if rest, ok := strings.CutPrefix(line, `{"seq":`); ok {
			number = strings.Split(rest, ",")
		}
		all = append(all, number[0])
	}
	return strings.Join(all, " ")
}

func indexes(t *testing.T, file string) []string {
	all, err := filepath.Glob(index.Name(strings.TrimSuffix(file, ".jsonl") + "-*.jsonl"))
	require.NoError(t, err)
	return all
}

func TestSA2NoIndexLeavesNone(t *testing.T) {
	file := searched(t)
	code, _, _ := run("search", "--file", file, "--no-index", "--identity", t1)
	require.Zero(t, code)
	require.Empty(t, indexes(t, file))
}

// TestSA2AGatewayIndexesItsTrace: what runs makes the indexes before anybody searches.
func TestSA2AGatewayIndexesItsTrace(t *testing.T) {
	b := newBed(t)
	file := searched(t)
	log, err := audit.Open(audit.Config{File: file, By: "test"})
	require.NoError(t, err)
	b.trail.Log = log
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); b.trail.Index(ctx) }()
	require.Eventually(t, func() bool { return len(indexes(t, file)) > 0 }, 3*time.Minute, time.Millisecond)
	stop()
	<-done
	(&Trail{}).Index(context.Background())
	require.Empty(t, b.log.String())
}

// TestSA2SearchNamesWhatItCannotRead: a line that cannot be read may be one that is looked for.
func TestSA2SearchNamesWhatItCannotRead(t *testing.T) {
	file := searched(t)
	full, err := filepath.Glob(strings.TrimSuffix(file, ".jsonl") + "-*.jsonl")
	require.NoError(t, err)
	raw, err := os.ReadFile(full[0])
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(full[0], bytes.Replace(raw, []byte(`{"seq":2`), []byte("{\x1b[31m"), 1), 0o600))
	for range 2 {
		code, out, errs := run("search", "--file", file, "--identity", t1)
		require.Equal(t, 1, code)
		require.Contains(t, errs, "line 2 cannot be read")
		require.Equal(t, "3 5", numbersIn(out))
		require.NotContains(t, out+errs, "\x1b")
	}
}

func TestSA2ExportCommand(t *testing.T) {
	file := searched(t)
	dir := filepath.Dir(file)
	key, err := age.GenerateHybridIdentity()
	require.NoError(t, err)
	to := filepath.Join(dir, "auditor.pub")
	require.NoError(t, os.WriteFile(to, []byte(key.Recipient().String()+"\n"), 0o600))
	whole := filepath.Join(dir, "whole.age")
	export := func(args ...string) (int, string, string) {
		return run(append([]string{"export", "--file", file, "--to", to}, args...)...)
	}

	code, out, errs := export("-o", whole, "--reason", "complaint 17")
	require.Equal(t, []any{0, ""}, []any{code, errs})
	require.Contains(t, out, whole+": 8 lines, 1 to 8, one range of the chain\nlast hash: ")
	_, act, _ := run("search", "--file", file, "--event", "operator.act")
	require.Contains(t, act, `  by prog  act=export  file=`+whole+`  reason="complaint 17"  user=`)

	plain := filepath.Join(dir, "plain")
	require.NoError(t, os.WriteFile(plain, decrypt(t, whole, key), 0o600))
	code, out, errs = run("verify", "--export", plain)
	require.Equal(t, []any{0, ""}, []any{code, errs})
	require.Contains(t, out, "lines 1 to 8 are one chain, from ")
	_, verified, _ := run("verify", "--file", file)
	require.Contains(t, verified, lineOf(out, "last hash: "), "the export ends where the trace does")
	text, err := os.ReadFile(plain)
	require.NoError(t, err)
	stdin.Reset(bytes.Replace(text, []byte("cab2"), []byte("cab3"), 1))
	code, _, errs = run("verify", "--export", "-")
	require.Equal(t, 1, code, errs)
	require.Contains(t, errs, "the audit trace is broken at line 5 of the input: it was altered")

	some := filepath.Join(dir, "some.age")
	code, out, _ = export("-o", some, "--reason", "complaint 17", "--practice", "cab2", "--line-reason", "revoked")
	require.Zero(t, code)
	require.Contains(t, out, some+": 2 lines, 4 to 6, a selection\n")
	require.NoError(t, os.WriteFile(plain, decrypt(t, some, key), 0o600))
	code, _, errs = run("verify", "--export", plain)
	require.Equal(t, 2, code)
	require.Contains(t, errs, "it is a selection of lines")
	_, act, _ = run("search", "--file", file, "--event", "operator.act", "--practice", "cab2")
	require.Contains(t, act, "practice=cab2", "the trace tells about whom lines were exported")
}

func decrypt(t *testing.T, file string, key age.Identity) []byte {
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	r, err := age.Decrypt(bytes.NewReader(raw), key)
	require.NoError(t, err)
	text, err := io.ReadAll(r)
	require.NoError(t, err)
	return text
}

// lineOf returns the line that begins so.
func lineOf(text, begin string) string {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, begin) {
			return line
		}
	}
	return "no such line"
}

// TestSA2ExportIsRecordedOrRefused: what cannot be made is refused before it is recorded, and what cannot be recorded
// is not made.
func TestSA2ExportIsRecordedOrRefused(t *testing.T) {
	file := searched(t)
	key, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	to, out := key.Recipient().String(), filepath.Join(filepath.Dir(file), "out.age")
	for _, args := range [][]string{
		{"--to", to, "-o", out}, {"--to", to, "-o", out, "--reason", " "}, {"-o", out, "--reason", "why"},
		{"--to", to, "--reason", "why"}, {"--to", "age1nonsense", "-o", out, "--reason", "why"},
		{"--to", os.DevNull, "-o", out, "--reason", "why"},
		{"--to", to, "-o", out, "--reason", "why", "--event", "kee.*"},
	} {
		code, _, errs := run(append([]string{"export", "--file", file}, args...)...)
		require.Equal(t, 2, code, "%v: %s", args, errs)
	}
	code, _, errs := run("export", "--file", file, "--to", to, "-o", file, "--reason", "why")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "file already exists; name another file")
	_, act, _ := run("search", "--file", file, "--event", "operator.act")
	require.Empty(t, act)
	code, _, errs = run("export", "--file", file+"x", "--to", to, "-o", out, "--reason", "why")
	require.Equal(t, 2, code)
	require.NoFileExists(t, file+"x", errs)

	require.NoError(t, os.Chmod(file, 0o666))
	code, _, errs = run("export", "--file", file, "--to", to, "-o", out, "--reason", "why")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "its mode lets others at it")
	require.NoFileExists(t, out)
}
