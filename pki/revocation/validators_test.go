package revocation_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
	"tlagate/pki/pkitest"
	"tlagate/pki/pkitest/bed"
)

// dated is a file on a web server that compares times, by If-Modified-Since (RFC 9110 section 13.1.3).
type dated struct {
	at    time.Time
	body  []byte
	whole atomic.Int32 // how often it was sent
}

func (d *dated) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("If-Modified-Since") == "" {
		d.whole.Add(1)
	}
	http.ServeContent(w, r, "", d.at, bytes.NewReader(d.body))
}

// A stranger on the way to a server of lists must not have us unfold what is compressed.
func TestListsAreNotAskedForCompressed(t *testing.T) {
	w := bed.New(t)
	var asked atomic.Value
	web := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked.Store(r.Header.Get("Accept-Encoding"))
	}))
	defer web.Close()
	w.Config.CRLs = append(w.Config.CRLs, web.URL)
	w.Open()
	require.Equal(t, "identity", asked.Load())
}

// TestC2AListWhoseTimeGoesBack: a newer list in a file with an older time is found before the list at hand ends.
func TestC2AListWhoseTimeGoesBack(t *testing.T) {
	w, ahead := bed.New(t), &bed.Clock{}
	peer := w.Issue(bed.TLA1, bed.AsClient)
	file := &dated{at: time.Now(), body: w.Issuing.CRL(pkitest.CRLValid(-time.Minute, 10*time.Hour))}
	web := httptest.NewServer(file)
	defer web.Close()
	w.Config.CRLs, w.Config.Clock, w.Config.Fetch = []string{w.Files.ARL, web.URL}, ahead.Now, 10*time.Minute
	trust := w.Open()
	require.NoError(t, bed.Verify(trust, peer))

	w.Issuing.Revoke(peer.Leaf)
	file.at = file.at.Add(-time.Hour)
	file.body = w.Issuing.CRL(pkitest.CRLValid(-time.Minute, 10*time.Hour+time.Minute))
	trust.Reload()
	require.NoError(t, bed.Verify(trust, peer), "the server says that nothing has changed, and is believed")
	require.EqualValues(t, 1, file.whole.Load())

	ahead.Forward(9*time.Hour + 30*time.Minute)
	trust.Reload()
	require.Equal(t, pki.Revoked, pki.ReasonOf(bed.Verify(trust, peer)), "half an hour before its end")
	require.EqualValues(t, 2, file.whole.Load())
	trust.Reload()
	require.EqualValues(t, 2, file.whole.Load(), "a long list is not fetched again and again")
	ahead.Forward(11 * time.Minute)
	trust.Reload()
	require.EqualValues(t, 3, file.whole.Load())
}

// TestC2AGoodListInABadOnesPlace: a list is read after something that was no list, even if the list's time is older.
func TestC2AGoodListInABadOnesPlace(t *testing.T) {
	w := bed.New(t)
	w.Config.Fetch = time.Nanosecond
	peer := w.Issue(bed.TLA1, bed.AsClient)
	file := &dated{at: time.Now(), body: []byte("<html>")}
	web := httptest.NewServer(file)
	defer web.Close()
	w.Config.CRLs = []string{w.Files.ARL, web.URL}
	trust := w.Open()
	require.Equal(t, pki.CRLBad, pki.ReasonOf(bed.Verify(trust, peer)))
	file.at, file.body = file.at.Add(-time.Hour), w.Issuing.CRL()
	trust.Reload()
	require.NoError(t, bed.Verify(trust, peer))
}
