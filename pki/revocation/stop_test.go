package revocation_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
	"tlagate/pki/pkitest"
	"tlagate/pki/pkitest/bed"
	"tlagate/pki/revocation"
	"tlagate/pki/trust"
)

// silent starts a server that never answers, and returns a channel that receives a value at each request.
func silent(t *testing.T) (url string, asked <-chan struct{}) {
	asking, over := make(chan struct{}, 10), make(chan struct{})
	web := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asking <- struct{}{}
		<-over
	}))
	t.Cleanup(func() { close(over); web.Close() })
	return web.URL, asking
}

// TestC2AStopEndsTheStart: after a stop no source is waited for, though each may take an hour.
func TestC2AStopEndsTheStart(t *testing.T) {
	w, stop := bed.New(t), make(chan struct{})
	url, asked := silent(t)
	w.Config.CRLs, w.Config.FetchTimeout, w.Config.Stop = append(w.Config.CRLs, url), time.Hour, stop
	opened := make(chan error, 1)
	go func() {
		_, err := trust.Open(w.Config)
		opened <- err
	}()
	<-asked
	close(stop)
	require.ErrorIs(t, <-opened, context.Canceled)
}

// TestC2AStopEndsAQuestion: after a stop no responder is waited for either.
func TestC2AStopEndsAQuestion(t *testing.T) {
	w, stop := bed.New(t), make(chan struct{})
	url, asked := silent(t)
	w.Config.OCSP, w.Config.Stop = revocation.OCSPConfig{Responders: []string{url}, Timeout: time.Hour}, stop
	w.Config.CRLs = w.Config.CRLs[:1]
	trust, peer := w.Open(), w.Issue(bed.TLA1, bed.AsClient)
	judged := make(chan error, 1)
	go func() { judged <- bed.Verify(trust, peer) }()
	<-asked
	close(stop)
	require.NotEmpty(t, pki.ReasonOf(<-judged))
}

// TestC2AFileThatDoesNotAnswer: such a file is waited for as long as a fetch may take, and read once it answers.
func TestC2AFileThatDoesNotAnswer(t *testing.T) {
	w := bed.New(t)
	pipe := filepath.Join(t.TempDir(), "crl.pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	w.Config.CRLs, w.Config.FetchTimeout = []string{w.Files.ARL, pipe}, 50*time.Millisecond
	trust, peer := w.Open(), w.Issue(bed.TLA1, bed.AsClient)
	require.Equal(t, pki.CRLMissing, pki.ReasonOf(bed.Verify(trust, peer)))
	lists := trust.Lists()
	require.ErrorContains(t, lists[len(lists)-1].Err, "it does not answer")

	writer, err := os.OpenFile(pipe, os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = writer.Write(w.Issuing.CRL())
	require.NoError(t, err)
	require.NoError(t, writer.Close())
	good := func() bool { trust.Reload(); return bed.Verify(trust, peer) == nil }
	require.Eventually(t, good, time.Minute, 10*time.Millisecond)
}

// TestC2AListIsReadWithinItsFetch: a list that cannot be read whole in that time is not used, and is tried again.
func TestC2AListIsReadWithinItsFetch(t *testing.T) {
	w := bed.New(t)
	pkitest.WriteCRL(t, w.Files.CRL, w.Issuing.CRL(pkitest.CRLEntries(10)))
	w.Config.FetchTimeout = time.Nanosecond
	log := w.LogTo()
	require.Equal(t, pki.CRLMissing, pki.ReasonOf(bed.Verify(w.Open(), w.Issue(bed.TLA1, bed.AsClient))))
	require.Contains(t, log.String(), "cannot read CRL")
}
