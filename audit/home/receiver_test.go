package home

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/audit"
)

const (
	tla1    = "urn:tlagate:cab1:tla:t1"
	tla2    = "urn:tlagate:cab2:tla:t2"
	session = "00112233445566778899aabbccddeeff"
	day     = "2026-11-24T08:30:0"
)

// desk is a gateway's trace, and a receiver that writes into it.
type desk struct {
	t    *testing.T
	log  *audit.Log
	now  time.Time
	r    *Receiver
	seen int
}

func newDesk(t *testing.T) *desk {
	d := &desk{t: t, now: time.Unix(1_800_000_000, 0)}
	var err error
	d.log, err = audit.Open(audit.Config{File: t.TempDir() + "/audit.jsonl", By: "tla-gateway"})
	require.NoError(t, err)
	d.restart()
	return d
}

func (d *desk) restart() {
	require.NoError(d.t, d.log.Flush())
	var err error
	d.r, err = NewReceiver(ReceiverConfig{Log: d.log, Clock: func() time.Time { return d.now }})
	require.NoError(d.t, err)
}

// take has the receiver take a payload, in time, and returns the new entries of the trace, as "by event seq at".
func (d *desk) take(device, payload string) []string {
	d.now = d.now.Add(time.Second)
	d.r.Take(device, session, []byte(payload))
	return d.news()
}

func (d *desk) news() (list []string) {
	require.NoError(d.t, d.log.Flush())
	n := 0
	for l, err := range audit.Read(d.log.File()) {
		require.NoError(d.t, err)
		require.NoError(d.t, l.Err)
		if n++; n <= d.seen {
			continue
		}
		e := l.Entry
		text := e.By + " " + string(e.Event)
		if e.Said != nil {
			text += fmt.Sprintf(" %d %s", e.Said.Seq, e.Said.At)
		}
		for _, name := range []string{"code", "reason", "count", "names"} {
			if e.With[name] != "" {
				text += " " + name + "=" + e.With[name]
			}
		}
		list = append(list, text)
	}
	d.seen = n
	return list
}

// line is a line number n of a device's trace.
func line(n int, at, more string) string {
	return fmt.Sprintf(`{"seq":%d,"at":"%s.000Z","event":"session.failed"%s}`+"\n", n, at, more)
}

// TestSA2LinesAreStoredAsSaidByTheDevice, each once, over restarts of the gateway, and a later trace of the device too.
func TestSA2LinesAreStoredAsSaidByTheDevice(t *testing.T) {
	d := newDesk(t)
	said := func(device string, n int, at string) string {
		return fmt.Sprintf("%s session.failed %d %s.000Z", device, n, at)
	}
	for _, step := range []struct {
		name, device, payload string
		want                  []string
	}{
		{"two lines", tla1, line(7, day+"1", "") + line(9, day+"2", ""),
			[]string{said(tla1, 7, day+"1"), said(tla1, 9, day+"2")}},
		{"a repetition of both", tla1, line(7, day+"1", "") + line(9, day+"2", ""), nil},
		{"a repetition and a new one", tla1, line(9, day+"2", "") + line(10, day+"2", ""),
			[]string{said(tla1, 10, day+"2")}},
		{"another device's numbers are its own", tla2, line(1, day+"0", ""), []string{said(tla2, 1, day+"0")}},
		{"the clock of the device was set back", tla1, line(11, day+"0", ""), []string{said(tla1, 11, day+"0")}},
		{"a new trace of the device", tla1, line(1, day+"3", "") + line(2, day+"4", ""),
			[]string{said(tla1, 1, day+"3"), said(tla1, 2, day+"4")}},
		{"its repetition", tla1, line(2, day+"4", ""), nil},
		{"nothing", tla1, "", nil},
	} {
		require.Equal(t, step.want, d.take(step.device, step.payload), step.name)
		if len(step.want) > 0 {
			require.NoError(t, d.r.save())
		}
		d.restart()
	}
	d.r.Over(tla1, session)
	require.Empty(t, d.news())
	_, err := audit.VerifyFile(d.log.File())
	require.NoError(t, err)
}

// TestSA2LinesOfATimeToComeAreDropped: after one of them, whatever the device says later would be a repetition.
func TestSA2LinesOfATimeToComeAreDropped(t *testing.T) {
	d := newDesk(t)
	day := func(ahead time.Duration) string { return d.now.Add(ahead).UTC().Format("2006-01-02T15:04:05") }
	require.Empty(t, d.take(tla1, strings.Replace(line(9, day(25*time.Hour), ""), ":9,", ":18446744073709551615,", 1)))
	require.Len(t, d.take(tla1, line(1, day(23*time.Hour), "")), 1)
	require.Len(t, d.take(tla1, line(2, day(0), "")), 1)
	d.r.Over(tla1, session)
	require.Equal(t, []string{"tla-gateway audit.dropped reason=of_a_time_to_come count=1"}, d.news())
}

// TestSA2RepetitionsAreKnownWithoutTheFile: what was not saved, or is damaged, is read from the trace.
func TestSA2RepetitionsAreKnownWithoutTheFile(t *testing.T) {
	d := newDesk(t)
	require.Len(t, d.take(tla1, line(7, day+"1", "")), 1)
	d.restart()
	require.Empty(t, d.take(tla1, line(7, day+"1", "")))
	require.NoError(t, d.r.save())
	require.Len(t, d.take(tla1, line(8, day+"1", "")), 1)
	d.restart()
	require.Empty(t, d.take(tla1, line(8, day+"1", "")))
	writeFile(t, d.r.file, `{"through":`)
	d.restart()
	require.Empty(t, d.take(tla1, line(8, day+"1", "")))
}

// TestSA2LinesOfNoTableAreDropped and counted; the others of the record are taken.
func TestSA2LinesOfNoTableAreDropped(t *testing.T) {
	good := line(50, day+"9", `,"with":{"code":"unreachable"}`)
	for name, bad := range map[string]string{
		"no JSON":              "hello\n",
		"empty":                "\n",
		"half a line":          `{"seq":1`,
		"without newline":      strings.TrimSuffix(line(1, day+"1", ""), "\n"),
		"number 0":             line(0, day+"1", ""),
		"a negative number":    strings.Replace(line(1, day+"1", ""), ":1,", ":-1,", 1),
		"no time":              line(1, "yesterday", ""),
		"another form of time": strings.Replace(line(1, day+"1", ""), ".000Z", "Z", 1),
		"unknown member":       line(1, day+"1", `,"prev":"00"`),
		"by somebody else":     line(1, day+"1", `,"by":"tla-gateway"`),
		"a space":              line(1, day+"1", `, "with":{"code":"x"}`),
		"twice":                line(1, day+"1", `,"event":"session.failed"`),
		"unknown attribute":    line(1, day+"1", `,"with":{"pin":"1234"}`),
		"by as attribute":      line(1, day+"1", `,"with":{"by":"tla-gateway"}`),
		"said as attribute":    line(1, day+"1", `,"with":{"said":"1 x"}`),
		"unsorted":             line(1, day+"1", `,"with":{"reason":"x","code":"y"}`),
		"no string":            line(1, day+"1", `,"with":{"count":1}`),
		"unknown kind":         strings.Replace(line(1, day+"1", ""), "session.failed", "session.invented", 1),
		"the CA's word":        strings.Replace(line(1, day+"1", ""), "session.failed", "certificate.issued", 1),
		"the gateway's word":   strings.Replace(line(1, day+"1", ""), "session.failed", "access.accepted", 1),
		"an end of the chain":  strings.Replace(line(1, day+"1", ""), "session.failed", "audit.purged", 1),
		"a whole entry":        strings.Replace(line(1, day+"1", ""), `"event"`, `"prev":"00","event"`, 1),
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			got := d.take(tla1, good+bad)
			require.Equal(t, []string{tla1 + " session.failed 50 " + day + "9.000Z code=unreachable"}, got)
			d.r.Over(tla1, session)
			require.Equal(t, []string{"tla-gateway audit.dropped reason=unreadable count=1"}, d.news())
			d.r.Over(tla1, session)
			require.Empty(t, d.news())
		})
	}
}

// TestSA2WhatStaysOnTheDevice: the account and the consent are not taken, values are cleaned and cut.
func TestSA2WhatStaysOnTheDevice(t *testing.T) {
	d := newDesk(t)
	d.take(tla1, line(1, day+"1", `,"with":{"code":"a\u001b[2J\u202eb","reason":"`+strings.Repeat("x", 600)+
		`","statement":"c.s","user":"jean.dupont"}`))
	require.NoError(t, d.log.Flush())
	for l, err := range audit.Read(d.log.File()) {
		require.NoError(t, err)
		require.Equal(t, "a\ufffd[2J\ufffdb", l.Entry.With["code"])
		require.Len(t, l.Entry.With["reason"], 512)
		require.Len(t, l.Entry.With, 2)
	}
}

// TestSA2MoreThanThereMayBeIsDropped, and counted by why; nothing else happens.
func TestSA2MoreThanThereMayBeIsDropped(t *testing.T) {
	d := newDesk(t)
	d.r.Take(tla1, session, []byte(strings.Repeat("x\n", maxRecord)))
	full := func(n int) string {
		l := line(n, day+"1", `,"with":{"reason":"REASON"}`)
		l = strings.Replace(l, "REASON", strings.Repeat("x", 500), 1)
		return strings.Repeat(l, maxRecord/len(l)) // repetitions
	}
	for n := range 6 {
		d.r.Take(tla1, session, []byte(full(n+1)))
	}
	require.Len(t, d.news(), 4, "four at once, of which the second to last lines are repetitions")
	for n := 10; ; n++ {
		if len(d.take(tla1, full(n))) == 0 {
			break
		}
	}
	o := d.r.origins[tla1]
	require.LessOrEqual(t, o.octets, maxSession)
	require.Greater(t, o.octets, maxSession-maxRecord)
	d.r.Over(tla1, session)
	perRecord := strings.Count(full(1), "\n")
	require.Equal(t, []string{
		fmt.Sprintf("tla-gateway audit.dropped reason=record_too_long count=%d", maxRecord),
		fmt.Sprintf("tla-gateway audit.dropped reason=too_fast count=%d", 2*perRecord),
		fmt.Sprintf("tla-gateway audit.dropped reason=too_much_in_session count=%d", perRecord),
	}, d.news())
	for n := range 2000 {
		d.now = d.now.Add(time.Second)
		d.r.Take(tla1, fmt.Sprint(n/30), []byte(line(1000+n, day+"5", "")))
	}
	got := len(d.news())
	require.Less(t, got, 1024+2000/80)
	require.Greater(t, got, 900)
	d.r.Over(tla1, session)
	require.Contains(t, d.news()[0], "reason=too_much_a_day")
}

// TestSA2OnlySoManyDevices are known at a time.
func TestSA2OnlySoManyDevices(t *testing.T) {
	d := newDesk(t)
	for n := range maxOrigins {
		d.r.origins[fmt.Sprint(n)] = &origin{}
	}
	require.Empty(t, d.take(tla1, line(1, day+"1", "")))
	require.Len(t, d.r.origins, maxOrigins)
	require.Len(t, d.take("7", line(1, day+"1", "")), 1)
	d.r.Over(tla1, session)
}

// TestSA2WithoutATrace nothing is taken or sent.
func TestSA2WithoutATrace(t *testing.T) {
	r, err := NewReceiver(ReceiverConfig{})
	require.NoError(t, err)
	require.Nil(t, r)
	r.Take(tla1, session, []byte("x"))
	r.Over(tla1, session)
	r.Run(t.Context())
	s := NewSender(SenderConfig{})
	require.Nil(t, s)
	s.Run(t.Context(), session, nil)
}

// FuzzTake: no payload makes a receiver panic or break its trace, and what it writes is by the sender alone.
func FuzzTake(f *testing.F) {
	f.Add([]byte(line(1, day+"1", "") + line(2, day+"1", `,"with":{"code":"x"}`)))
	f.Add([]byte(line(1, day+"1", `,"with":{"names":"a, b","user":"x"}`)))
	f.Add([]byte(`{"seq":18446744073709551615,"at":"9999-12-31T23:59:59.999Z","event":"program.stop"}` + "\n"))
	f.Add([]byte("\n\n{}\n"))
	f.Fuzz(func(t *testing.T, payload []byte) {
		d := newDesk(t)
		for range 2 {
			d.take(tla1, string(payload))
		}
		d.r.Over(tla1, session)
		require.NoError(t, d.r.save())
		d.restart()
		require.NoError(t, d.log.Close())
		_, err := audit.VerifyFile(d.log.File())
		require.NoError(t, err)
		for l, err := range audit.Read(d.log.File()) {
			require.NoError(t, err)
			require.NoError(t, l.Err)
			require.True(t, l.Entry.Event == audit.AuditDropped || l.Entry.By == tla1 && l.Entry.Said != nil)
			require.NotContains(t, l.Entry.With, "user")
		}
	})
}
