package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/audit"
	"tlagate/heads"
	"tlagate/pki/listen"
	"tlagate/pki/pkitest"
	"tlagate/pki/revocation"
	"tlagate/pki/trust"
)

// source is a server of revocations that tells only that it lives.
type source struct {
	url     string
	streams atomic.Int32 // open right now
	begun   atomic.Int32
	heads   atomic.Int32 // of the trace, taken
}

func (d *deployment) source() *source {
	s := &source{}
	store, err := trust.Open(trust.Config{
		Anchors:    []trust.AnchorFile{{File: d.files.Anchor, Practices: []string{"*"}}},
		Revocation: revocation.Config{CRLs: d.files.CRLs()},
	})
	require.NoError(d.t, err)
	own := d.ca.Issue("urn:tlagate:op:pki:ca1", x509.ExtKeyUsageServerAuth, pkitest.DNS("localhost"))
	raw, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(d.t, err)
	l := listen.New(raw, listen.Config{Party: &trust.Party{Trust: store,
		Certificate: func() *tls.Certificate { return &own }}})
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == heads.Path {
			s.heads.Add(1)
			return
		}
		s.streams.Add(1)
		s.begun.Add(1)
		defer s.streams.Add(-1)
		for {
			fmt.Fprintln(w, `{"type":"alive"}`)
			_ = http.NewResponseController(w).Flush()
			select {
			case <-r.Context().Done():
				return
			case <-time.After(time.Second):
			}
		}
	})}
	go func() { _ = server.Serve(l) }()
	d.t.Cleanup(func() { server.Close(); l.Close() })
	s.url = fmt.Sprintf("https://localhost:%d", raw.Addr().(*net.TCPAddr).Port)
	return s
}

// push writes the configuration with these sources, and one client certificate for all of them.
func (d *deployment) push(sources ...*source) {
	lines := ""
	for _, s := range sources {
		lines += fmt.Sprintf("- {url: %q, client: {cert: client.pem, key: client.key}}\n", s.url)
	}
	d.write(goodConfig + "push:\n" + lines)
}

// write replaces the configuration as an editor does.
func (d *deployment) write(text string) {
	require.NoError(d.t, os.WriteFile(d.config+".new", []byte(text), 0o600))
	require.NoError(d.t, os.Rename(d.config+".new", d.config))
}

// Sources of revocations are added and removed while the gateway runs. A source that stays is not interrupted; a broken
// configuration changes nothing.
func TestPushIsReadAgain(t *testing.T) {
	d := deploy(t)
	pkitest.WriteCertificate(t, d.dir, "client", d.ca.Issue(ours, x509.ExtKeyUsageClientAuth))
	first, second := d.source(), d.source()
	open := func(s *source, want int32) {
		t.Helper()
		require.Eventually(t, func() bool { return s.streams.Load() == want }, patience, 5*time.Millisecond)
	}
	s := d.serve()
	s.address()
	d.push(first)
	open(first, 1)
	d.push(first, second)
	open(second, 1)
	d.write(goodConfig + "push: [{url: \"http://x\", client: {cert: client.pem, key: client.key}}]\n")
	require.Eventually(t, func() bool { return s.errs.count("the old configuration stays in force") == 1 },
		patience, 5*time.Millisecond)
	require.Equal(t, []int32{1, 1}, []int32{first.streams.Load(), second.streams.Load()})
	d.push(second)
	open(first, 0)
	open(second, 1)
	require.EqualValues(t, 1, second.begun.Load(), "it was not disturbed")
	d.write(goodConfig)
	open(second, 0)
	require.Zero(t, s.errs.count("that takes a restart"))
	require.Zero(t, s.stopped())
}

// TestSA2HeadsAreSentAtAStartAndWhenAFileIsFull: the next head after these would come in an hour.
func TestSA2HeadsAreSentAtAStartAndWhenAFileIsFull(t *testing.T) {
	d := deploy(t)
	pkitest.WriteCertificate(t, d.dir, "client", d.ca.Issue(ours, x509.ExtKeyUsageClientAuth))
	from, file := d.source(), filepath.Join(d.dir, "audit.jsonl")
	fill(t, file)
	d.write(goodConfig + fmt.Sprintf("audit: audit.jsonl\npush: [{url: %q, client: {cert: client.pem, key: "+
		"client.key}}]\n", from.url))
	s := d.serve()
	s.address()
	require.Eventually(t, func() bool { return from.heads.Load() >= 2 }, patience, 5*time.Millisecond)
	full, err := filepath.Glob(filepath.Join(d.dir, "audit-*.jsonl"))
	require.NoError(t, err)
	require.Len(t, full, 1)
	require.Zero(t, s.stopped())
}

// fill writes a trace whose current file is so large that the next line begins another one.
func fill(t *testing.T, file string) {
	log, err := audit.Open(audit.Config{File: file, MaxSize: 1 << 30})
	require.NoError(t, err)
	var running sync.WaitGroup
	for range 100 {
		running.Go(func() {
			for range 42 {
				if log.Record(audit.ConsentAccepted, audit.Statement(strings.Repeat("x", 4096))) != nil {
					return // the size tells
				}
			}
		})
	}
	running.Wait()
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Greater(t, info.Size(), int64(16<<20))
}

func TestPushKeysAreReadAgain(t *testing.T) {
	d := deploy(t)
	pkitest.WriteCertificate(t, d.dir, "client", d.ca.Issue(ours, x509.ExtKeyUsageClientAuth))
	from := d.source()
	d.push(from)
	s := d.serve()
	s.address()
	pkitest.WriteCertificate(t, d.dir, "client", d.ca.Issue(ours, x509.ExtKeyUsageClientAuth))
	require.Eventually(t, func() bool { return s.errs.count("certificate and key read again") > 0 },
		patience, 5*time.Millisecond)
	require.Zero(t, s.stopped())
}
