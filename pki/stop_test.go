package pki_test

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
)

// silent gives a server that answers nobody, and tells when it is asked.
func silent(t *testing.T) (url string, asked <-chan struct{}) {
	asking, over := make(chan struct{}, 10), make(chan struct{})
	web := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asking <- struct{}{}
		<-over
	}))
	t.Cleanup(func() { close(over); web.Close() })
	return web.URL, asking
}

// TestC2AStopEndsTheStart: nothing is waited for any more, though each source may take an hour.
func TestC2AStopEndsTheStart(t *testing.T) {
	w, stop := newWorld(t), make(chan struct{})
	url, asked := silent(t)
	w.cfg.CRLs, w.cfg.FetchTimeout, w.cfg.Stop = append(w.cfg.CRLs, url), time.Hour, stop
	opened := make(chan error, 1)
	go func() {
		_, err := pki.OpenTrust(w.cfg)
		opened <- err
	}()
	<-asked
	close(stop)
	require.ErrorIs(t, <-opened, context.Canceled)
}

// TestC2AStopEndsAQuestion: nor is a responder.
func TestC2AStopEndsAQuestion(t *testing.T) {
	w, stop := newWorld(t), make(chan struct{})
	url, asked := silent(t)
	w.cfg.OCSP, w.cfg.Stop = pki.OCSPConfig{Responders: []string{url}, Timeout: time.Hour}, stop
	w.cfg.CRLs = w.cfg.CRLs[:1]
	trust, peer := w.open(), w.Issue(tla1, asClient)
	judged := make(chan error, 1)
	go func() { judged <- verify(trust, peer) }()
	<-asked
	close(stop)
	require.NotEmpty(t, pki.ReasonOf(<-judged))
}

// TestC2AFileThatDoesNotAnswer is waited for as long as a fetch may take, and read once it answers.
func TestC2AFileThatDoesNotAnswer(t *testing.T) {
	w := newWorld(t)
	pipe := filepath.Join(t.TempDir(), "crl.pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	w.cfg.CRLs, w.cfg.FetchTimeout = []string{w.files.ARL, pipe}, 50*time.Millisecond
	trust, peer := w.open(), w.Issue(tla1, asClient)
	require.Equal(t, pki.CRLMissing, pki.ReasonOf(verify(trust, peer)))
	lists := trust.Lists()
	require.ErrorContains(t, lists[len(lists)-1].Err, "it does not answer")

	writer, err := os.OpenFile(pipe, os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = writer.Write(w.Issuing.CRL())
	require.NoError(t, err)
	require.NoError(t, writer.Close())
	good := func() bool { trust.Reload(); return verify(trust, peer) == nil }
	require.Eventually(t, good, time.Minute, 10*time.Millisecond)
}

// TestC2AListIsReadWithinItsFetch: what cannot be read whole in that time is not taken, and is tried again.
func TestC2AListIsReadWithinItsFetch(t *testing.T) {
	w := newWorld(t)
	pkitest.WriteCRL(t, w.files.CRL, w.Issuing.CRL(pkitest.CRLEntries(10)))
	w.cfg.FetchTimeout = time.Nanosecond
	log := w.logTo()
	require.Equal(t, pki.CRLMissing, pki.ReasonOf(verify(w.open(), w.Issue(tla1, asClient))))
	require.Contains(t, log.String(), "cannot read CRL")
}
