package index

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/audit"
)

// year writes a gateway's trace: one full file a day, and the current file; terminals come, have sessions, are refused.
type year struct {
	file      string
	days      int
	perDay    int // lines
	terminals int

	seq  uint64
	prev string
	out  *bufio.Writer
	size int64 // of the current file
}

var firstDay = time.Date(2025, 11, 1, 0, 0, 0, 0, time.UTC)

const layout = "2006-01-02T15:04:05.000Z"

func (y *year) write(t testing.TB) {
	t.Helper()
	y.prev = strings.Repeat("0", 64)
	for day := range y.days {
		name := y.file
		if day < y.days-1 {
			name = y.full(y.seq + 1)
		}
		f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		require.NoError(t, err)
		y.out, y.size = bufio.NewWriterSize(f, 1<<20), 0
		for i := range y.perDay {
			y.line(t, day, i)
		}
		require.NoError(t, y.out.Flush())
		require.NoError(t, f.Close())
	}
	head := fmt.Sprintf("%020d %s %020d\n", y.seq, y.prev, y.size)
	require.NoError(t, os.WriteFile(y.file+".head", []byte(head), 0o600))
}

func (y *year) full(first uint64) string {
	return fmt.Sprintf("%s-%012d.jsonl", strings.TrimSuffix(y.file, ".jsonl"), first)
}

func (y *year) line(t testing.TB, day, i int) {
	y.seq++
	at := firstDay.AddDate(0, 0, day).Add(time.Duration(i) * 24 * time.Hour / time.Duration(y.perDay))
	e := audit.Entry{Seq: y.seq, At: at.Format(layout), Prev: y.prev, By: "tla-gateway"}
	e.Event, e.With = y.what(i)
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(text)
	y.prev = hex.EncodeToString(sum[:])
	n, err := y.out.Write(append(text, '\n'))
	if err != nil {
		t.Fatal(err)
	}
	y.size += int64(n)
}

func (y *year) terminal(n int) string {
	n %= y.terminals
	return fmt.Sprintf("urn:tlagate:cab%d:tla:t%d", n/4, n%4)
}

// what returns the event of the i-th line of a day: access, beginning and end of sessions, and each fiftieth is a
// refusal.
func (y *year) what(i int) (audit.Kind, map[string]string) {
	n := i / 4
	who := y.terminal(n)
	practice := practiceOf(who)
	session := fmt.Sprintf("%032x", uint64(n)*0x9e3779b97f4a7c15^y.seq/4)
	access := map[string]string{"identity": who, "practice": practice, "role": "tla", "address": "192.0.2.17",
		"serial": "5f3a91c02b7d", "group": "X25519MLKEM768", "suite": "TLS_AES_128_GCM_SHA256", "source": "crl",
		"age": "512"}
	if i%50 == 0 {
		access["reason"] = "revoked"
		return audit.AccessRefused, access
	}
	joined := map[string]string{"identity": who, "practice": practice, "session": session,
		"pdt": "urn:tlagate:" + practice + ":pdt:accueil"}
	switch i % 4 {
	case 0:
		return audit.AccessAccepted, access
	case 1:
		return audit.SessionOpened, joined
	case 2:
		joined["length"], joined["from_tla"], joined["from_pdt"] = "312", "18212", "9120"
		joined["code"], joined["incident"] = "ended_by_user", fmt.Sprintf("K%dM%d", n%1000, n%7)
		return audit.SessionEnded, joined
	}
	return audit.RequestRefused, map[string]string{"identity": who, "practice": practice, "request": "connect",
		"reason": "busy"}
}

// BenchmarkSA2Year measures a search in the trace of a year, of 2000 terminals and four million lines.
func BenchmarkSA2Year(b *testing.B) {
	y := &year{file: filepath.Join(b.TempDir(), "audit.jsonl"), days: 365, perDay: 11_000, terminals: 2000}
	if testing.Short() {
		y.days = 5
	}
	y.write(b)
	start := time.Now()
	require.NoError(b, Make(context.Background(), y.file))
	built := time.Since(start)
	who := Query{Identity: y.terminal(77)}
	day := who
	day.Since = firstDay.AddDate(0, 0, y.days/2)
	day.Until = day.Since.AddDate(0, 0, 1)
	for b.Loop() {
		for name, q := range map[string]Query{"day": day, "year": who, "practice": {Practice: "cab19"}} {
			found, took := y.search(b, q)
			require.NotZero(b, found)
			b.ReportMetric(took.Seconds()*1000, "ms-"+name)
			b.ReportMetric(float64(found), "lines-"+name)
		}
	}
	b.ReportMetric(built.Seconds(), "s-build")
	b.ReportMetric(float64(y.seq), "lines")
	b.ReportMetric(megabytes(b, y.file, ".jsonl"), "MB-trace")
	b.ReportMetric(megabytes(b, y.file, ".idx"), "MB-index")
}

// search opens the trace anew, as a command does.
func (y *year) search(t testing.TB, q Query) (found int, took time.Duration) {
	start := time.Now()
	trace, err := Open(y.file, Kept)
	require.NoError(t, err)
	defer trace.Close()
	for line, err := range trace.Search(context.Background(), q) {
		require.NoError(t, err)
		require.NoError(t, line.Err)
		found++
	}
	require.Zero(t, trace.Made())
	return found, time.Since(start)
}

func megabytes(t testing.TB, file, ext string) (sum float64) {
	all, err := filepath.Glob(filepath.Dir(file) + "/*" + ext)
	require.NoError(t, err)
	for _, name := range all {
		info, err := os.Stat(name)
		require.NoError(t, err)
		sum += float64(info.Size()) / 1e6
	}
	return sum
}
