package audit_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/audit"
)

// signer is a certificate for years, and its key.
type signer struct {
	cert *x509.Certificate
	key  crypto.Signer
}

func newSigner(t *testing.T) *signer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	at := newClock().now()
	template := &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "TEST gateway"},
		NotBefore: at.AddDate(-1, 0, 0), NotAfter: at.AddDate(10, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return &signer{cert, key}
}

func (s *signer) in(c *audit.Config) {
	c.Signer = func() (*x509.Certificate, crypto.Signer) { return s.cert, s.key }
}

const year = 366 * 24 * time.Hour

func aYear(c *audit.Config) { c.Keep, c.Daily = year, true }

// purged returns a trace of three files, of which the first two are purged.
func purged(t *testing.T) (l *audit.Log, c *clock, s *signer) {
	c, s = newClock(), newSigner(t)
	l = newLog(t, logFile(t), c.in, aYear)
	twoDays(t, l, c)
	c.add(year)
	record(t, l, 1)
	l = newLog(t, l.File(), c.in, s.in, aYear)
	twice(t, l)
	require.Len(t, files(t, l), 1)
	return l, c, s
}

// twice purges the files of two days, one a day.
func twice(t *testing.T, l *audit.Log) {
	for range 2 {
		n, err := l.Purge()
		require.NoError(t, err)
		require.Equal(t, 1, n)
	}
}

// twoDays records 3 events on each of two days.
func twoDays(t *testing.T, l *audit.Log, c *clock) {
	for range 2 {
		record(t, l, 3)
		c.add(24 * time.Hour)
	}
}

// files returns the names of a log's files, without directory.
func files(t *testing.T, l *audit.Log) (list []string) {
	names, err := filepath.Glob(filepath.Join(filepath.Dir(l.File()), "*.jsonl"))
	require.NoError(t, err)
	for _, name := range names {
		list = append(list, filepath.Base(name))
	}
	return list
}

// TestSA2PurgeIsSigned: what is older than a year is removed, file by file; a signed line before each says up to which
// line; the chain begins there.
func TestSA2PurgeIsSigned(t *testing.T) {
	l, clock, s := purged(t)
	r := good(t, l.File())
	require.EqualValues(t, 7, r.First)
	require.Len(t, r.Purged, 2)
	require.EqualValues(t, 3, r.Purged[0].Number)
	require.EqualValues(t, 6, r.Purged[1].Number)
	require.Equal(t, newClock().now().Add(24*time.Hour), r.Purged[1].Until)
	require.True(t, s.cert.Equal(r.Purged[1].Certificate))
	require.True(t, l.Stats().Oldest.Equal(clock.now()))
	require.Equal(t, l.Stats().Used, newLog(t, l.File()).Stats().Used)
	n, err := l.Purge()
	require.NoError(t, err)
	require.Zero(t, n)
	record(t, newLog(t, l.File(), clock.in), 1)
	good(t, l.File())
}

// TestSA2NothingYoungIsPurged: not a line that is a year old to the millisecond, nor anything without a key, or with a
// certificate that is not valid by this clock.
func TestSA2NothingYoungIsPurged(t *testing.T) {
	c, s := newClock(), newSigner(t)
	file := logFile(t)
	twoDays(t, newLog(t, file, c.in, aYear), c)
	l := newLog(t, file, c.in, s.in, aYear)
	record(t, newLog(t, file, c.in, aYear), 1)
	c.add(year - 48*time.Hour)
	log := l
	none := func(l *audit.Log) {
		n, err := l.Purge()
		require.NoError(t, err)
		require.Zero(t, n)
		require.Len(t, files(t, log), 3)
	}
	none(l)
	c.add(time.Millisecond)
	none(newLog(t, file, c.in, aYear))
	none(newLog(t, file, c.in, s.in))
	none(nil)
	nobody := newLog(t, file, c.in, aYear, (&signer{}).in)
	_, err := nobody.Purge()
	require.ErrorContains(t, err, "cannot purge the audit trace: there is no key")
	c.add(20 * year)
	_, err = l.Purge()
	require.ErrorContains(t, err, "look at the clock")
	c.add(-20 * year)
	n, err := l.Purge()
	require.NoError(t, err)
	require.Equal(t, 1, n)
}

// TestSA2PurgeBeginsByItself, within the hour, once there is a key.
func TestSA2PurgeBeginsByItself(t *testing.T) {
	c, s := newClock(), newSigner(t)
	key := s.key
	s.key = nil
	l := newLog(t, logFile(t), c.in, aYear, s.in)
	twoDays(t, l, c)
	c.add(year)
	record(t, l, 1)
	require.Len(t, files(t, l), 3)
	s.key = key
	for left := 2; left >= 1; left-- {
		require.Eventually(t, func() bool { // the purge before may not have ended quite yet
			record(t, l, 1)
			return len(files(t, l)) == left
		}, patience, time.Millisecond)
		c.add(time.Hour)
	}
	require.Empty(t, l.Stats().Purge)
}

// TestSA2NotAllIsPurgedAtOnce: a machine whose clock is a year ahead loses the files of one day at a time, not all.
//
// Fault: a clock jumps.
func TestSA2NotAllIsPurgedAtOnce(t *testing.T) {
	c, s := newClock(), newSigner(t)
	file := logFile(t)
	small := func(c *audit.Config) { c.MaxSize = 1 }
	twoDays(t, newLog(t, file, c.in, aYear, small), c)
	c.add(year)
	l := newLog(t, file, c.in, s.in, aYear)
	n, err := l.Purge()
	require.NoError(t, err)
	require.Equal(t, 3, n, "the first day's")
	good(t, file)
}

// TestSA2AFileWithALaterLineStays: its last line is of a clock that was years behind for a moment.
func TestSA2AFileWithALaterLineStays(t *testing.T) {
	c, s := newClock(), newSigner(t)
	l := newLog(t, logFile(t), c.in, s.in, aYear)
	record(t, l, 3)
	c.add(-2 * year)
	record(t, l, 1)
	c.add(2*year + 24*time.Hour)
	record(t, l, 1)
	require.Len(t, files(t, l), 2)
	n, err := l.Purge()
	require.NoError(t, err)
	require.Zero(t, n)
	c.add(year)
	n, err = l.Purge()
	require.NoError(t, err)
	require.Equal(t, 1, n)
}

// TestSA2PurgeCutOff: a program that dies between the line and the removal leaves a good chain, and the next purge
// completes it without another line.
func TestSA2PurgeCutOff(t *testing.T) {
	c, s := newClock(), newSigner(t)
	file := logFile(t)
	twoDays(t, newLog(t, file, c.in, aYear), c)
	l := newLog(t, file, c.in, s.in, aYear)
	c.add(year)
	l.OnStep(func(step string) {
		if step == "said" {
			panic("power cut")
		}
	})
	require.Panics(t, func() { _, _ = l.Purge() })
	require.Len(t, good(t, file).Purged, 1)
	require.EqualValues(t, 1, good(t, file).First)
	twice(t, newLog(t, file, c.in, s.in, aYear))
	require.Len(t, good(t, file).Purged, 2)
	require.EqualValues(t, 7, good(t, file).First)
}

// TestSA2NoOtherBeginning: a chain does not begin where no signed line of it says so.
func TestSA2NoOtherBeginning(t *testing.T) {
	brokenAs := func(t *testing.T, file, why string) {
		_, err := audit.VerifyFile(file)
		require.ErrorAs(t, err, new(*audit.Broken))
		require.ErrorContains(t, err, why)
	}
	change := func(old, now string) func(t *testing.T, file string) {
		return func(t *testing.T, file string) {
			edit(t, file, func(l []string) []string {
				for i := range l {
					l[i] = strings.Replace(l[i], old, now, 1)
				}
				return rechain(t, file, l)
			})
		}
	}
	for name, c := range map[string]struct {
		spoil func(t *testing.T, file string)
		why   string
	}{
		"an older purge, another number": {change(`"number":"3"`, `"number":"2"`), "not signed with the key"},
		"an older purge, another time":   {change(`"until":"2026-11-24`, `"until":"2026-11-23`), "not signed with the key"},
		"another number":                 {change(`"number":"6"`, `"number":"06"`), "lines 1 to 6, which should stand before it"},
		"another time":                   {change(`"until":"2026-11-25`, `"until":"2026-11-26`), "lines 1 to 6, which should stand"},
		"no certificate":                 {change(`"certificate":"M`, `"certificate":"N`), "lines 1 to 6, which should stand"},
		"no signature":                   {change(`"signature":"M`, `"signature":"N`), "lines 1 to 6, which should stand"},
		"another beginning": {func(t *testing.T, file string) {
			edit(t, file, func(l []string) []string { return rechain(t, file, l[1:]) })
		}, "lines 1 to 7, which should stand before it, were removed"},
		"the purge removed": {func(t *testing.T, file string) {
			edit(t, file, func(l []string) []string {
				return rechain(t, file, append(l[:1:1], l[3:]...))
			})
		}, "lines 1 to 6, which should stand before it, were removed"},
	} {
		t.Run(name, func(t *testing.T) {
			l, _, _ := purged(t)
			record(t, l, 1)
			c.spoil(t, l.File())
			brokenAs(t, l.File(), c.why)
		})
	}
	t.Run("without a purge", func(t *testing.T) {
		c := newClock()
		l := newLog(t, logFile(t), c.in, aYear)
		twoDays(t, l, c)
		record(t, l, 1)
		require.NoError(t, os.Remove(filepath.Join(filepath.Dir(l.File()), files(t, l)[0])))
		brokenAs(t, l.File(), "lines 1 to 3, which should stand before it, were removed")
	})
}

// rechain gives lines the hashes, and the log the head, that somebody would who may write all files. The first line
// keeps the hash of the line before it.
func rechain(t *testing.T, file string, lines []string) []string {
	require.NoError(t, audit.Rechain(file, lines))
	return lines
}

// TestSA2WhoMaySignAPurge is for the caller to say: he is asked with the certificate and the time of the line.
func TestSA2WhoMaySignAPurge(t *testing.T) {
	l, clock, s := purged(t)
	asked := 0
	checks := audit.Checks{Purge: func(cert *x509.Certificate, at time.Time) error {
		asked++
		require.True(t, cert.Equal(s.cert))
		require.True(t, at.Equal(clock.now()), at)
		return nil
	}}
	_, err := checks.VerifyFile(l.File())
	require.NoError(t, err)
	require.Equal(t, 2, asked)
	checks.Purge = func(*x509.Certificate, time.Time) error { return errors.New("it is nobody's") }
	_, err = checks.VerifyFile(l.File())
	require.ErrorContains(t, err, "is broken at line 2 of "+l.File()+": its purge does not count: it is nobody's")
}

// TestSA2HoldStopsThePurge: from the moment that a hold is recorded until it is released, whatever program purges.
func TestSA2HoldStopsThePurge(t *testing.T) {
	c, s := newClock(), newSigner(t)
	file := logFile(t)
	twoDays(t, newLog(t, file, c.in, aYear), c)
	l := newLog(t, file, c.in, s.in, aYear)
	c.add(year)
	other := newLog(t, file, c.in, others, aYear)
	who := audit.User("uid 0, sudo by uid 1000")
	require.ErrorContains(t, other.Release(who, "2026-17"), "it is not held")
	require.NoError(t, other.Hold(who, "case 2026-17"))
	all := entries(t, file)
	require.Equal(t, map[string]string{"act": "hold", "user": "uid 0, sudo by uid 1000", "reason": "case 2026-17"},
		all[6].With)
	require.True(t, l.Stats().Held)
	h, err := audit.ReadHold(file)
	require.NoError(t, err)
	require.Equal(t, "since 2027-11-27T08:30:00Z, by uid 0, sudo by uid 1000: case 2026-17", h.String())
	info, err := os.Stat(file + ".hold")
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	n, err := l.Purge()
	require.NoError(t, err)
	require.Zero(t, n)
	require.ErrorContains(t, other.Hold(who, "another"), "it is held, since 2027-11-27T08:30:00Z")
	require.Equal(t, 7, good(t, file).Lines, "what is not done is not recorded")

	require.NoError(t, os.WriteFile(file+".hold", []byte("nonsense"), 0o600))
	h, err = audit.ReadHold(file)
	require.Error(t, err)
	require.NotNil(t, h)
	n, err = l.Purge()
	require.NoError(t, err)
	require.Zero(t, n, "what cannot be read is a hold")

	require.NoError(t, other.Release(who, "case 2026-17 is closed"))
	h, err = audit.ReadHold(file)
	require.NoError(t, err)
	require.Nil(t, h)
	twice(t, l)
	good(t, file)
}

// TestSA2AHoldThatComesInBetween: after the line that says that a file is removed, it is still not too late.
func TestSA2AHoldThatComesInBetween(t *testing.T) {
	c, s := newClock(), newSigner(t)
	file := logFile(t)
	twoDays(t, newLog(t, file, c.in, aYear), c)
	l := newLog(t, file, c.in, s.in, aYear)
	c.add(year)
	l.OnStep(func(step string) {
		if step == "said" {
			require.NoError(t, newLog(t, file, c.in).Hold(audit.User("root"), "case"))
		}
	})
	_, err := l.Purge()
	require.ErrorContains(t, err, "it is held")
	require.Len(t, files(t, l), 3)
	require.EqualValues(t, 1, good(t, file).First)
}

// TestSA2NoHoldWithoutItsLine: an operator's act that cannot be recorded is not done.
func TestSA2NoHoldWithoutItsLine(t *testing.T) {
	l := newLog(t, logFile(t))
	require.NoError(t, os.Chmod(l.File(), 0o666))
	require.Error(t, l.Hold(audit.Account(), "case"))
	require.NoFileExists(t, l.File()+".hold")
}
