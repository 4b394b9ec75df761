package server

import (
	"crypto/tls"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/audit"
	"tlagate/ca"
	"tlagate/push"
)

// traced opens the CA's trace for a server.
func (b *bed) traced() *audit.Log {
	log, err := audit.Open(audit.Config{File: ca.AuditFile(b.dir), By: "tla-pki serve"})
	require.NoError(b.t, err)
	b.t.Cleanup(func() { require.NoError(b.t, log.Close()) })
	return log
}

// told waits for the nth line of a kind, and returns what it says.
func (b *bed) told(kind audit.Kind, nth int) map[string]string {
	b.t.Helper()
	var found []map[string]string
	eventually(b.t, string(kind), func() bool {
		found = nil
		for line, err := range audit.Read(ca.AuditFile(b.dir)) {
			require.NoError(b.t, err)
			if line.Entry.Event == kind {
				found = append(found, line.Entry.With)
			}
		}
		return len(found) >= nth
	})
	return found[nth-1]
}

// TestSA2StreamsAreTraced: who listens for revocations, who may not, and who is a stranger.
func TestSA2StreamsAreTraced(t *testing.T) {
	b := newBed(t, ca.InitConfig{})
	addr, _ := b.serve("127.0.0.1:0", Config{})
	cert, chain := b.issue("gateway-client", gateway)
	b.subscribe(addr, cert)
	said := b.told(audit.AccessAccepted, 1)
	require.Equal(t, "push", said["use"])
	require.Equal(t, gateway, said["identity"])
	require.Equal(t, chain[0].SerialNumber.Text(16), said["serial"])
	require.Equal(t, "127.0.0.1", said["address"])
	require.NotEmpty(t, said["group"])
	require.NotEmpty(t, said["suite"])
	require.Equal(t, "crl", said["source"])

	device, _ := b.issue("tla", terminal)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true,
		Certificates: []tls.Certificate{*device}, NextProtos: []string{"http/1.1"}}}}
	res, err := client.Get("https://" + addr + push.Path)
	require.NoError(t, err)
	res.Body.Close()
	require.Equal(t, map[string]string{"use": "push", "identity": terminal, "request": "events", "code": "wrong_role",
		"address": "127.0.0.1"}, b.told(audit.RequestRefused, 1))

	conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	if err == nil { // in TLS 1.3 the refusal comes after the client's part
		conn.Close()
	}
	said = b.told(audit.AccessRefused, 1)
	require.Equal(t, "push", said["use"])
	require.Equal(t, "no_certificate", said["reason"])
}

// TestSA2EnrolmentsAreTraced: who comes with a certificate, and what is refused to whom; what is issued has a line of
// the CA's own.
func TestSA2EnrolmentsAreTraced(t *testing.T) {
	b := newESTBed(t, EST{})
	stranger := b.connect(t)
	_, body := stranger.post(request{path: "simpleenroll", code: "ABCD"})
	require.Regexp(t, "^code_unknown: ", body)
	said := b.told(audit.RequestRefused, 1)
	require.Equal(t, map[string]string{"use": "est", "request": "simpleenroll", "code": "code_unknown",
		"reason": "code_unknown", "address": "127.0.0.1"}, said, "and nothing of the code")

	client, _ := b.issue("tla", terminal)
	_, body = b.connect(t, *client).post(request{path: "simplereenroll"})
	require.Regexp(t, "^bad_request: ", body)
	require.Equal(t, terminal, b.told(audit.AccessAccepted, 1)["identity"])
	require.Equal(t, "est", b.told(audit.AccessAccepted, 1)["use"])
	require.Equal(t, terminal, b.told(audit.RequestRefused, 2)["identity"])
}
