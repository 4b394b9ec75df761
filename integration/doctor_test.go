package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/integration/lab"
	"tlagate/integration/world"
	"tlagate/pdt"
	"tlagate/pdt/ifd"
)

// findings are what a doctor found, by check.
type findings map[string]struct{ State, Found, Do string }

// doctor runs a program's doctor and returns its findings, with which its exit status must agree.
func doctor(t *testing.T, l *lab.Lab, program string, env []string, args ...string) findings {
	t.Helper()
	binary, err := world.Binary(program)
	require.NoError(t, err)
	config := l.Path(strings.TrimPrefix(program, "tla-") + ".yaml")
	out, failed := world.Run(patience, env, binary, append([]string{"doctor", "--json", "--config", config},
		args...)...)
	var list []struct{ Check, State, Found, Do string }
	require.NoError(t, json.Unmarshal([]byte(out), &list), "%s %v", out, failed)
	all, failures := findings{}, 0
	for _, f := range list {
		all[f.Check] = struct{ State, Found, Do string }{f.State, f.Found, f.Do}
		if f.State == "failure" {
			failures++
		}
	}
	require.Equal(t, failures > 0, failed != nil, "%s %v", out, failed)
	return all
}

// are asserts that each of checks has a state.
func (f findings) are(t *testing.T, state string, checks ...string) {
	t.Helper()
	for _, c := range checks {
		require.Equal(t, state, f[c].State, "%s: %+v", c, f[c])
	}
}

// TestDoctorOfThePdT: with the real pcscd, driver and gateway, all is well at first; then each fault is introduced,
// found, and removed.
func TestDoctorOfThePdT(t *testing.T) {
	l := newLabAlone(t)
	env := l.PdTReaders.Env()
	waitDriver(t, l)
	f := doctor(t, l, "tla-pdt", env)
	gateway := "gateway " + l.Named(l.GatewayAddr)
	f.are(t, "ok", "configuration", "PC/SC service", "APDU logging", "driver entries",
		"driver owner", "driver connected", "driver strangers",
		"certificate of client", "certificate of server", "bundle", "trust anchors", "revocation lists",
		"revocation of peers", gateway, "listening sockets")
	f.are(t, "warning", "key of client", "key of server", "disk of the audit trace")
	require.Contains(t, f[gateway].Found, lab.Gateway+" takes us for "+lab.PdT+", certificate good")
	f.are(t, "failure", "vpcd")
	require.Contains(t, f["vpcd"].Found, `"Terminal"`, "in which the simulated cards are, here on the same machine")
	require.Contains(t, f["PC/SC service"].Found, fmt.Sprintf("%q, %q", vitaleReader, cpsReader))

	t.Run("offline nobody is asked", func(t *testing.T) {
		require.NotContains(t, doctor(t, l, "tla-pdt", env, "--offline"), gateway)
	})
	t.Run("a wrong owner line", func(t *testing.T) {
		right := ifd.ReaderConf(l.Entries())
		configure := func(conf []byte) {
			require.NoError(t, l.PdTReaders.Configure(conf))
			require.NoError(t, l.PdTReaders.Restart())
		}
		configure(bytes.ReplaceAll(right, []byte(":root:"), []byte(":nobody:")))
		f := doctor(t, l, "tla-pdt", env)
		f.are(t, "failure", "driver owner")
		require.Contains(t, f["driver owner"].Found, "takes nobody but nobody")
		configure(right)
		waitDriver(t, l)
		doctor(t, l, "tla-pdt", env).are(t, "ok", "driver owner", "driver connected")
	})
	t.Run("pcscd logs APDUs", func(t *testing.T) {
		l.PdTReaders.Args = []string{"--apdu"}
		require.NoError(t, l.PdTReaders.Restart())
		f := doctor(t, l, "tla-pdt", env)
		f.are(t, "failure", "APDU logging")
		require.Contains(t, f["APDU logging"].Found, "--apdu")
		l.PdTReaders.Args = nil
		require.NoError(t, l.PdTReaders.Restart())
		doctor(t, l, "tla-pdt", env).are(t, "ok", "APDU logging")
	})
	t.Run("no pcscd", func(t *testing.T) {
		require.NoError(t, l.PdTReaders.Stop())
		f := doctor(t, l, "tla-pdt", env)
		f.are(t, "failure", "PC/SC service")
		f.are(t, "warning", "driver connected")
	})
	t.Run("the certificate is revoked", func(t *testing.T) {
		require.NoError(t, l.Revoke(lab.PdT))
		require.NoError(t, world.Poll(patience, "the refusal", func() error {
			if s := doctor(t, l, "tla-pdt", env)[gateway]; s.State != "failure" {
				return fmt.Errorf("%+v", s)
			}
			return nil
		}))
	})
	t.Run("the gateway is away", func(t *testing.T) {
		require.NoError(t, l.GatewayProc.Stop())
		f := doctor(t, l, "tla-pdt", env)
		f.are(t, "failure", gateway)
		require.Contains(t, f[gateway].Found, "connection refused")
	})
}

// waitDriver waits until tla-pdt has both slots' drivers.
func waitDriver(t *testing.T, l *lab.Lab) {
	t.Helper()
	require.Eventually(t, func() bool {
		st, _, err := pdt.AskStatus(l.Path("pdt.sock"))
		return err == nil && !slices.ContainsFunc(st.Slots, func(s pdt.SlotStatus) bool { return !s.Driver.Connected })
	}, patience, 10*time.Millisecond)
}

// TestC4DoctorOfTheRelayMakesNoConnection: the relay's doctor looks at the machine alone; only a start connects.
func TestC4DoctorOfTheRelayMakesNoConnection(t *testing.T) {
	l := layLabAlone(t)
	require.NoError(t, l.StartReaders())
	p, err := world.NewProxy(l.GatewayAddr)
	require.NoError(t, err)
	t.Cleanup(p.Close)
	l.GatewayVia = p.Addr()
	require.NoError(t, l.StartRelay())
	env := l.TLAReaders.Env()
	f := doctor(t, l, "tla-relay", env)
	f.are(t, "ok", "configuration", "PC/SC service", "APDU logging", "locked memory", "certificate of identity",
		"bundle", "trust anchors", "revocation lists", "revocation of peers",
		"control socket", "listening sockets")
	f.are(t, "warning", "key of identity", "group of the users")
	require.Zero(t, p.Accepted())

	l.TLAReaders.Args = []string{"-fa"}
	require.NoError(t, l.TLAReaders.Restart())
	require.NoError(t, l.RelayProc.Stop())
	f = doctor(t, l, "tla-relay", env)
	f.are(t, "failure", "APDU logging")
	f.are(t, "warning", "control socket")
	require.Zero(t, p.Accepted())
}

// TestC2DoctorsTellWhatWillBeRefused: a terminal has an ARL alone, and its gateway asks no responder. The doctor of
// each says so before a start fails for it, and all is well once the gateway asks.
func TestC2DoctorsTellWhatWillBeRefused(t *testing.T) {
	l := layLab(t)
	b := &bed{Lab: l, t: t}
	require.NoError(t, l.StartReaders())
	l.TLATrust.CRLs = []string{l.Path("pki/public/arl.pem")}
	l.User = "{mode: off}" // of which check warns, too
	require.NoError(t, l.StartGateway())
	require.NoError(t, l.StartRelay())
	b.startPdT(t)
	check := func() string {
		out, err := l.Run("tla-gateway", "check", "--config", l.Path("gateway.yaml"))
		require.NoError(t, err, out)
		return out
	}
	env := l.TLAReaders.Env()
	f := doctor(t, l, "tla-relay", env)
	f.are(t, "not checkable", "revocation of peers")
	require.Contains(t, f["revocation of peers"].Found, "tlagate lab issuing CA")
	require.Contains(t, f["revocation of peers"].Do, "crl_missing")
	require.Regexp(t, `WARNING +no OCSP responder is asked: .*crl_missing`, check())
	require.Equal(t, "crl_missing", b.startRefused(t).Reason, "as they said")

	url, err := l.StartOCSP()
	require.NoError(t, err)
	l.GatewayTrust.OCSP = []string{url}
	require.NoError(t, l.GatewayProc.Stop())
	require.NoError(t, l.StartGateway())
	out := check()
	require.NotContains(t, out, "WARNING")
	require.Regexp(t, `revocation +of components that "tlagate lab issuing CA" issued: by OCSP`, out)
	require.Eventually(t, func() bool { return b.relay(t, "start").OK }, patience, 200*time.Millisecond)
	require.NoError(t, l.OCSPProc.Stop())
	out, failed := l.Run("tla-gateway", "check", "--config", l.Path("gateway.yaml"))
	require.Error(t, failed)
	require.Regexp(t, `WRONG +cannot get an OCSP answer about our own certificate, and terminals without a CRL`, out)

	l.TLATrust.CRLs = []string{l.Path("pki/public/crl.pem")}
	require.NoError(t, l.RelayProc.Stop())
	require.NoError(t, l.StartRelay())
	doctor(t, l, "tla-relay", env).are(t, "failure", "revocation of peers")
}
