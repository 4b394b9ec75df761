package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/pki/pkitest"
)

// siemPKI writes the anchor of a SIEM beside the deployment's files, and returns its CA.
func siemPKI(d *deployment) *pkitest.CA {
	ca := pkitest.NewRoot(d.t, "SIEM's root")
	pkitest.WriteCertificates(d.t, filepath.Join(d.dir, "siem-root.pem"), ca.Cert)
	pkitest.WriteCRL(d.t, filepath.Join(d.dir, "siem.crl"), ca.CRL())
	return ca
}

const siemSays = "audit: audit.jsonl\nsiem: {address: \"siem.example:6514\", anchor: siem-root.pem}\n"

// TestSA2CheckOfTheSIEM: check reads what the section names, and connects to nobody.
func TestSA2CheckOfTheSIEM(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		code int
		says []string
	}{
		"good": {siemSays, 0, []string{"the trace is sent to siem.example:6514, which must prove the name siem.example",
			"anchor SIEM's root, until ", "WARNING      whether the SIEM's certificate is revoked is not checked"}},
		"by its address": {"audit: audit.jsonl\nsiem: {address: \"192.0.2.7:6514\", name: siem.example, " +
			"anchor: siem-root.pem, crls: [siem.crl]}\n", 0,
			[]string{"192.0.2.7:6514, which must prove the name siem.example", "siem.crl of SIEM's root, number 1"}},
		"address alone": {"audit: audit.jsonl\nsiem: {address: \"192.0.2.7:6514\", anchor: siem-root.pem}\n", 2,
			[]string{"siem.address", "it is an IP address"}},
		"no trace": {"siem: {address: \"siem.example:6514\", anchor: siem-root.pem}\n", 2,
			[]string{"there is no trace to send"}},
		"no anchor": {"audit: audit.jsonl\nsiem: {address: \"siem.example:6514\"}\n", 2,
			[]string{"siem.anchor is missing"}},
		"no file": {"audit: audit.jsonl\nsiem: {address: \"siem.example:6514\", anchor: none.pem}\n", 2,
			[]string{"siem: cannot read certificates"}},
		"no list": {"audit: audit.jsonl\nsiem: {address: \"siem.example:6514\", anchor: siem-root.pem, " +
			"crls: [no.crl]}\n", 1, []string{"crl_missing"}},
		"no identity": {"audit: audit.jsonl\nsiem: {address: \"siem.example:6514\", anchor: siem-root.pem, " +
			"identity: {cert: no.pem, key: no.key}}\n", 2, []string{"siem.identity: "}},
	} {
		t.Run(name, func(t *testing.T) {
			d := deploy(t)
			siemPKI(d)
			d.configure(goodConfig + c.text)
			var out bytes.Buffer
			code := command(context.Background(), &out, &out, "check", "--config", d.config)
			require.Equal(t, c.code, code, "%s", &out)
			for _, text := range c.says {
				require.Contains(t, out.String(), text)
			}
		})
	}
}

// TestSA2ServeSendsItsTrace: from its first line on, over TLS, to the server that is configured.
func TestSA2ServeSendsItsTrace(t *testing.T) {
	d := deploy(t)
	cert := siemPKI(d).Issue("", x509.ExtKeyUsageServerAuth, pkitest.DNS("siem.example"))
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	require.NoError(t, err)
	defer l.Close()
	got := make(chan string, 100)
	go func() {
		defer close(got)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		for in := bufio.NewReader(conn); ; {
			text, err := in.ReadString('}') // each attribute of an event is of one level
			if err != nil {
				return
			}
			got <- text
		}
	}()
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	d.configure(goodConfig + "audit: audit.jsonl\nsiem: {address: \"127.0.0.1:" + port +
		"\", name: siem.example, anchor: siem-root.pem, crls: [siem.crl]}\n")
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan int)
	var out output
	go func() { done <- command(ctx, &out, &out, "serve", "--config", d.config) }()
	line := <-got // of the machine, which is compared before the program starts
	require.Contains(t, line, " [tlagate@32473 seq=\"1\" by=\"tla-gateway\"", "%s", &out)
	for !strings.Contains(line, " program.start [tlagate@32473 ") {
		line = <-got
		require.NotEmpty(t, line, "the trace ended: %s", &out)
	}
	stop()
	require.Zero(t, <-done, "%s", &out)
}
