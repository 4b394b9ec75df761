package audit_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/audit"
)

// TestSA2SaidLinesAreTheDevicesWord: the chain holds them, in a form of their own, and what a device says of its trace
// says nothing of this one.
func TestSA2SaidLinesAreTheDevicesWord(t *testing.T) {
	file := logFile(t)
	l := newLog(t, file)
	said := audit.Said{Seq: 12, At: "2026-11-24T08:30:00.123Z"}
	const device = "urn:tlagate:cab1:tla:t1"
	require.NoError(t, l.Record(audit.AuditRecovered, audit.SaidBy(device, said)...))
	require.NoError(t, l.Record(audit.SessionFailed, append(audit.SaidBy(device, said), audit.Code("lost"))...))
	r, err := audit.VerifyFile(file)
	require.NoError(t, err)
	require.Empty(t, r.Recovered)
	for line, err := range audit.Read(file) {
		require.NoError(t, err)
		require.NoError(t, line.Err)
		require.Equal(t, []any{device, &said}, []any{line.Entry.By, line.Entry.Said})
		require.Contains(t, line.Text, `"by":"`+device+`","said":{"seq":12,"at":"2026-11-24T08:30:00.123Z"}`)
		require.Nil(t, line.Entry.Sent(4096), "another's words are not sent on")
	}
}

// TestSA2EveryKindIsSayableOrNot: what proves something by being in this very trace is not taken from a device.
func TestSA2EveryKindIsSayableOrNot(t *testing.T) {
	for _, kind := range []audit.Kind{audit.AuditPurged, audit.HeadLate, audit.ConsentAccepted, audit.AccessAccepted,
		audit.SessionOpened, audit.CertificateIssued, "session.invented", ""} {
		require.False(t, kind.Sayable(), kind)
	}
	for _, kind := range []audit.Kind{audit.ProgramStart, audit.SessionUp, audit.SessionEnded, audit.SessionFailed,
		audit.HostPackagesAdded, audit.KeyErased, audit.AuditGap} {
		require.True(t, kind.Sayable(), kind)
	}
}

// TestSA2FollowerReadsTheRest: the lines above a number, whichever files they are in; all of a trace that is another
// than the one of that number.
func TestSA2FollowerReadsTheRest(t *testing.T) {
	file := logFile(t)
	l, err := audit.Open(audit.Config{File: file, By: "test", MaxSize: 1 << 10})
	require.NoError(t, err)
	const n = 40
	for range n {
		require.NoError(t, l.Record(audit.SessionFailed, audit.Reason(strings.Repeat("x", 100))))
	}
	last, err := audit.Last(file)
	require.NoError(t, err)
	require.EqualValues(t, n, last)
	for after := range uint64(n + 2) {
		lines := audit.Follow(file, audit.Place{Seq: after})
		defer lines.Close()
		if after > n {
			after = 0
		}
		want := after
		for line, err := range lines.Rest() {
			require.NoError(t, err)
			want++
			require.Equal(t, want, line.Entry.Seq)
		}
		require.EqualValues(t, n, want)
	}
	_, err = audit.Last(file + ".none")
	require.Error(t, err)
}

// FuzzParseSent: what is taken of a device's line is of the tables, and as bounded and clean as what we record.
func FuzzParseSent(f *testing.F) {
	for _, line := range []string{
		`{"seq":12,"at":"2026-11-24T08:30:00.123Z","event":"session.failed","with":{"code":"x","incident":"K7M2"}}`,
		`{"seq":1,"at":"2026-11-24T08:30:00.123Z","event":"host.packages.added","with":{"names":"a, b","user":"x"}}`,
		`{"seq":18446744073709551615,"at":"9999-12-31T23:59:59.999Z","event":"program.stop"}`,
		`{"seq":1,"at":"2026-11-24T08:30:00.123Z","event":"audit.purged"}`,
		`{"seq":1,"at":"2026-11-24T08:30:00.123Z","event":"session.up","by":"x"}`, `{}`, ``, `[]`,
	} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		said, kind, attrs, err := audit.ParseSent(line)
		if err != nil {
			return
		}
		require.True(t, kind.Sayable())
		require.NotZero(t, said.Seq)
		require.False(t, audit.Entry{At: said.At}.Time().IsZero() && !strings.HasPrefix(said.At, "0001"))
		require.NotContains(t, attrs, audit.User("x"))
		require.LessOrEqual(t, len(attrs), 64)
	})
}

// TestSA2WhatADeviceSaidIsShownAsOneValue, on a screen of any width.
func TestSA2WhatADeviceSaidIsShownAsOneValue(t *testing.T) {
	for value, want := range map[string]string{
		"pdt_absent":             "pdt_absent",
		"":                       "",
		"no card":                `"no card"`,
		"x  code=stopped":        `"x \x20code=stopped"`,
		"a=b":                    `"a=b"`,
		`"`:                      `"\""`,
		"\x1b[2J\u202e\n":        `"\x1b[2J\u202e\n"`,
		"\x7f":                   `"\x7f"`,
		"\u00a0\u3000\u2800\xff": `"\u00a0\u3000\u2800\xff"`,
		strings.Repeat(" ", 5):   `" \x20 \x20 "`,
	} {
		require.Equal(t, want, audit.Shown(value), value)
	}
}
