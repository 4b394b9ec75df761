package revocation_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
	"tlagate/pki/pkitest"
	"tlagate/pki/pkitest/bed"
	"tlagate/pki/trust"
)

// TestVouched: the time comes from signed data that were believed here, never from our own clock, and is never ahead of
// it.
func TestVouched(t *testing.T) {
	w := bed.New(t)
	ahead := time.Now().Add(20 * 365 * 24 * time.Hour)
	hour := func(n int) time.Time { return time.Now().Add(time.Duration(n) * time.Hour) }
	near := func(want time.Time, trust *trust.Trust) {
		t.Helper()
		require.WithinDuration(t, want, trust.Vouched(), 10*time.Minute)
	}
	pkitest.WriteCRL(t, w.Files.CRL, w.Issuing.CRL(pkitest.CRLValid(-40*time.Hour, time.Hour)))
	pkitest.WriteCRL(t, w.Files.ARL, w.Root.CRL(pkitest.CRLValid(-30*time.Hour, time.Hour)))
	clock := w.Config
	clock.Clock = func() time.Time { return ahead }
	for name, cfg := range map[string]trust.Config{"a right clock": w.Config, "one that runs ahead": clock} {
		store, err := trust.Open(cfg)
		require.NoError(t, err)
		_, _ = store.Verify(pkitest.Chain(w.Issue(bed.TLA1, bed.AsClient)), trust.Want{Usage: bed.AsClient})
		require.WithinDuration(t, hour(-30), store.Vouched(), 10*time.Minute, name)
	}

	w.Config.Clock = func() time.Time { return hour(-100) }
	require.Zero(t, w.Open().Vouched(), "all of it is ahead of a clock that is late, and not believed")
	w.Config.Clock = nil

	store := w.Open()
	leaf := w.Issue(bed.TLA1, bed.AsClient).Leaf
	for name, c := range map[string]struct {
		der []byte
		arl bool
	}{
		"ARL of the future":    {w.Root.CRL(pkitest.CRLFuture()), true},
		"badly signed ARL":     {w.Root.CRL(pkitest.CRLValid(-time.Hour, time.Hour), pkitest.CRLBadSignature()), true},
		"ARL of a stranger":    {pkitest.New(t).Root.CRL(pkitest.CRLValid(-time.Hour, time.Hour)), true},
		"answer of the future": {w.Issuing.OCSP(leaf, pkitest.OCSPFuture()), false},
		"answer of a stranger": {pkitest.New(t).Issuing.OCSP(leaf, pkitest.OCSPValid(-time.Hour, time.Hour)), false},
	} {
		store.TakeStatus(pki.Status{ARL: c.arl, DER: c.der})
		require.WithinDuration(t, hour(-30), store.Vouched(), 10*time.Minute, name)
	}
	_, err := store.Verify(pkitest.Chain(w.Issue(bed.TLA1, bed.AsClient)),
		trust.Want{Usage: bed.AsClient}) // the CA is known from now on
	require.NoError(t, err)
	require.NoError(t, store.AddStatus(w.Issuing.OCSP(leaf, pkitest.OCSPValid(-20*time.Hour, time.Hour))))
	near(hour(-20), store)
	require.NoError(t, store.AddARL(w.Root.CRL(pkitest.CRLValid(-10*time.Hour, time.Hour))))
	near(hour(-10), store)
	require.NoError(t, store.AddStatus(w.Issuing.OCSP(w.Issue(bed.TLA1, bed.AsClient).Leaf,
		pkitest.OCSPValid(-25*time.Hour, time.Hour))))
	near(hour(-10), store)
}

// TestC2AClockThatIsBehindIsTold: the log warns of a clock that is behind what the PKI has signed, before any peer is
// refused for it, and not at every list.
func TestC2AClockThatIsBehindIsTold(t *testing.T) {
	for ahead, warnings := range map[time.Duration]int{0: 0, 2 * time.Minute: 1} {
		w := bed.New(t)
		pkitest.WriteCRL(t, w.Files.CRL, w.Issuing.CRL(pkitest.CRLValid(ahead, time.Hour)))
		pkitest.WriteCRL(t, w.Files.ARL, w.Root.CRL(pkitest.CRLValid(ahead, time.Hour)))
		var out bytes.Buffer
		w.Config.Log = slog.New(slog.NewTextHandler(&out, nil))
		_, err := w.Open().Verify(pkitest.Chain(w.Issue(bed.TLA1, bed.AsClient)), trust.Want{Usage: bed.AsClient})
		require.NoError(t, err)
		require.Equal(t, warnings, strings.Count(out.String(), `level=WARN msg="our clock is behind`), out.String())
	}
}
