package heads

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/audit"
	"tlagate/audit/audittest"
	"tlagate/pki/pkitest"
)

// line returns a kept head as the PKI prints it.
func line(t testing.TB, by tls.Certificate, number uint64, hash string) string {
	s := said
	s.Number, s.Hash = number, hash
	text, err := Sign(s, by.PrivateKey.(crypto.Signer))
	require.NoError(t, err)
	raw, err := json.Marshal(Kept{Gateway: gateway, Number: number, Hash: hash, Received: said.At.Add(time.Second),
		Head: text, Certificate: by.Leaf.Raw})
	require.NoError(t, err)
	return string(raw) + "\n"
}

// trace is a trace of 40 lines in several files, and the heads of every fourth.
type trace struct {
	t     *testing.T
	file  string
	cert  tls.Certificate
	heads string
}

func newTrace(t *testing.T) *trace {
	x := &trace{t: t, file: filepath.Join(t.TempDir(), "audit.jsonl"),
		cert: pkitest.New(t).Issue(gateway, x509.ExtKeyUsageClientAuth)}
	log, err := audit.Open(audit.Config{File: x.file, MaxSize: 2000})
	require.NoError(t, err)
	for i := range 40 {
		require.NoError(t, log.Record(audit.SessionUp, audit.Session(fmt.Sprint(i))))
		if i%4 == 3 {
			number, hash, _, err := log.Head()
			require.NoError(t, err)
			require.EqualValues(t, i+1, number)
			x.heads += line(t, x.cert, number, hash)
		}
	}
	full, err := filepath.Glob(filepath.Join(filepath.Dir(x.file), "audit-*"))
	require.NoError(t, err)
	require.NotEmpty(t, full)
	return x
}

func (x *trace) known() Known {
	known, err := Read(strings.NewReader(x.heads), nil)
	require.NoError(x.t, err)
	return known
}

// compare compares, after the chain has been found to be good.
func (x *trace) compare() (Comparison, error) {
	x.t.Helper()
	_, err := audit.VerifyFile(x.file)
	require.NoError(x.t, err, "nothing on the machine tells")
	return Compare(x.file, x.known())
}

func TestSA2ATraceThatIsAsThePKIKnowsIt(t *testing.T) {
	x := newTrace(t)
	c, err := x.compare()
	require.NoError(t, err)
	require.Equal(t, Comparison{Same: 10, Last: 40}, c)
	require.Equal(t, gateway, x.known().Gateway)
	require.Equal(t, x.cert.Leaf.SerialNumber, x.known().Signers[0])
	require.Equal(t, said.At.Add(time.Second), x.known().Newest)
}

// TestSA2ARewrittenTraceIsFound: whatever root makes of the trace, with a chain and a head that fit.
func TestSA2ARewrittenTraceIsFound(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*audit.Entry) bool
		says   string
	}{
		"one line altered": {func(e *audit.Entry) bool {
			if e.Seq == 18 {
				e.With["session"] = "other"
			}
			return true
		}, "line 20 is not the one that the PKI knows: the trace was rewritten after line 16"},
		"a line removed": {func(e *audit.Entry) bool { return e.Seq != 1 }, "line 4 is not the one"},
		"the end removed": {func(e *audit.Entry) bool { return e.Seq < 31 },
			"cut off, or begun anew: it ends with line 30, and the PKI knows line 40"},
		"all removed": {func(e *audit.Entry) bool { return false }, "it ends with line 0"},
	} {
		t.Run(name, func(t *testing.T) {
			x := newTrace(t)
			require.NoError(t, audittest.Rewrite(x.file, c.change))
			_, err := x.compare()
			require.ErrorContains(t, err, c.says)
		})
	}
}

// TestSA2WhatCameAfterTheLastHeadIsNotProven: that is what root can rewrite unseen.
func TestSA2WhatCameAfterTheLastHeadIsNotProven(t *testing.T) {
	x := newTrace(t)
	log, err := audit.Open(audit.Config{File: x.file})
	require.NoError(t, err)
	require.NoError(t, log.Record(audit.SessionEnded))
	require.NoError(t, audittest.Rewrite(x.file, func(e *audit.Entry) bool { return e.Seq < 41 }))
	c, err := x.compare()
	require.NoError(t, err)
	require.EqualValues(t, 40, c.Last)
}

// TestSA2HeadsOfPurgedLinesAreSkipped, but a trace of which no head is known is not vouched for.
func TestSA2HeadsOfPurgedLinesAreSkipped(t *testing.T) {
	x := newTrace(t)
	dir := filepath.Dir(x.file)
	full, err := filepath.Glob(filepath.Join(dir, "audit-*"))
	require.NoError(t, err)
	rest := filepath.Join(t.TempDir(), "audit.jsonl")
	copyFile(t, x.file, rest)
	for _, name := range full[1:] {
		copyFile(t, name, filepath.Join(filepath.Dir(rest), filepath.Base(name)))
	}
	c, err := Compare(rest, x.known())
	require.NoError(t, err)
	require.Positive(t, c.Before)
	require.Equal(t, 10, c.Before+c.Same)

	_, err = Compare(x.file, Known{})
	require.ErrorContains(t, err, "keeps no head of it")
	x.heads = strings.SplitAfter(x.heads, "\n")[0]
	_, err = Compare(rest, x.known())
	require.ErrorContains(t, err, "heads of purged lines only")
}

// TestSA2APurgeOfWhatIsYoungIsFound: root has the gateway's key, and so can sign that lines of today are a year old.
func TestSA2APurgeOfWhatIsYoungIsFound(t *testing.T) {
	compare := func(until time.Time) error {
		x := newTrace(t)
		require.NoError(t, audittest.Rewrite(x.file, func(e *audit.Entry) bool {
			if e.Seq == 39 {
				e.Event = audit.AuditPurged
				e.With = map[string]string{"number": "9", "until": until.Format(time.RFC3339)}
			}
			return true
		}))
		x.heads = strings.Join(strings.SplitAfter(x.heads, "\n")[:9], "")
		_, err := Compare(x.file, x.known())
		return err
	}
	require.NoError(t, compare(said.At))
	err := compare(said.At.AddDate(-1, 0, 0))
	require.ErrorContains(t, err, "line 39 says that line 9, which it removes, is of 2025-11-29T15:42:05Z; but at "+
		"2026-11-29T15:42:06Z the PKI knew no line after 4")
}

func TestSA2AlteredListsOfHeadsAreRefused(t *testing.T) {
	x := newTrace(t)
	lines := strings.SplitAfter(x.heads, "\n")
	for name, text := range map[string]string{
		"another number":  strings.Replace(x.heads, `"number":8,`, `"number":9,`, 1),
		"another hash":    strings.Replace(x.heads, `"hash":"`, `"hash":"0`, 1),
		"another gateway": strings.Replace(x.heads, `:gateway:g1`, `:gateway:g2`, 1),
		"unknown member":  strings.Replace(x.heads, `{`, `{"x":1,`, 1),
		"out of order":    lines[1] + lines[0],
		"twice":           lines[0] + lines[0],
		"two in a line":   strings.ReplaceAll(x.heads, "\n", ""),
		"too long a line": strings.Repeat("x", 2*maxLine),
		"no head":         "hello\n",
	} {
		_, err := Read(strings.NewReader(text), nil)
		require.Error(t, err, name)
	}
}

// TestSA2WhoSignedIsChecked, when the caller knows whom to believe, at the time when the PKI heard of each head.
func TestSA2WhoSignedIsChecked(t *testing.T) {
	x := newTrace(t)
	asked := 0
	_, err := Read(strings.NewReader(x.heads), func(cert *x509.Certificate, at time.Time) error {
		require.True(t, cert.Equal(x.cert.Leaf))
		require.Equal(t, said.At.Add(time.Second), at)
		if asked++; asked > 3 {
			return errors.New("no gateway of ours")
		}
		return nil
	})
	require.ErrorContains(t, err, "head 4: whoever signed it: no gateway of ours")
}

func copyFile(t *testing.T, from, to string) {
	raw, err := os.ReadFile(from)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(to, raw, 0o600))
}
