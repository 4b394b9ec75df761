package trail

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/audit"
	"tlagate/bundle"
)

// TestEL1BundlesAreTraced: what is loaded, replaced, refused and broken, with its version or the reason.
func TestEL1BundlesAreTraced(t *testing.T) {
	b := newBed(t)
	for _, e := range []bundle.Event{{Action: bundle.Loaded, File: "b", Version: 3},
		{Action: bundle.Changed, File: "b", Version: 4}, {Action: bundle.Refused, File: "b", Reason: bundle.Altered},
		{Action: bundle.Ended, File: "b", Reason: bundle.Altered}} {
		require.NoError(t, b.trail.Bundle(e))
	}
	got := b.news()
	require.Equal(t, []audit.Kind{audit.BundleLoaded, audit.BundleChanged, audit.BundleRefused, audit.SealBroken},
		kindsOf(got))
	require.Equal(t, map[string]string{"file": "b", "version": "4"}, got[1].With)
	require.Equal(t, map[string]string{"file": "b", "reason": string(bundle.Altered)}, got[2].With)
}

// TestEL1EnrolmentsAndRenewalsAreTraced, whether they succeed or not.
func TestEL1EnrolmentsAndRenewalsAreTraced(t *testing.T) {
	b := newBed(t)
	require.NoError(t, b.trail.Enrolment(func() error { return nil }))
	refused := errors.New("cannot enrol: no such code")
	require.ErrorIs(t, b.trail.Enrolment(func() error { return refused }), refused)
	b.trail.Renewal(b.ca.Root.Cert, "")
	b.trail.Renewal(nil, "unreachable")
	got := b.news()
	require.Equal(t, []audit.Kind{audit.EnrolmentBegun, audit.EnrolmentDone, audit.EnrolmentBegun,
		audit.EnrolmentRefused, audit.RenewalDone, audit.RenewalFailed}, kindsOf(got))
	require.Equal(t, "unreachable", got[5].With["reason"])
}
