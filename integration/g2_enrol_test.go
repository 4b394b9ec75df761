package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/integration/lab"
	"tlagate/integration/world"
	"tlagate/pki"
)

// boxBed is a PKI, and devices fresh from the box that know nothing of it.
type boxBed struct {
	*bed
	pki *lab.Push
}

func newBoxBed(t *testing.T) *boxBed {
	t.Helper()
	l := layLab(t)
	b := &boxBed{bed: &bed{Lab: l, t: t}, pki: startPush(t, l)}
	b.Unbox()
	return b
}

// gatewayLines returns the gateway's lines by which devices reach the PKI and it asks about their certificates.
func (b *boxBed) gatewayLines(t *testing.T, more ...string) []string {
	t.Helper()
	return append([]string{
		fmt.Sprintf("client: {cert: %s, key: %s}", b.Path("own-gateway-client.crt"), b.Path("own-gateway-client.key")),
		fmt.Sprintf("enrolment: {to: %q}", b.Named(b.pki.EST)),
	}, more...)
}

func (b *boxBed) invite(t *testing.T, urn string, args ...string) string {
	t.Helper()
	code, err := b.Invite(urn, args...)
	require.NoError(t, err)
	return code
}

// enrolGateway enrols the gateway at the PKI itself, and starts it.
func (b *boxBed) enrolGateway(t *testing.T, more ...string) {
	t.Helper()
	if b.OCSPProc == nil {
		url, err := b.StartOCSP()
		require.NoError(t, err)
		b.GatewayTrust.OCSP = []string{url}
	}
	lines := b.gatewayLines(t, more...)
	out, err := b.Enroll("gateway", lines, b.invite(t, lab.Gateway, "--dns", "localhost", "--again"), "--pki",
		b.Named(b.pki.EST))
	require.NoError(t, err)
	require.Contains(t, out, "this is "+lab.Gateway)
	require.NoError(t, b.StartGateway(lines...))
}

// enrolDevices enrols PdT and TLA through the gateway.
func (b *boxBed) enrolDevices(t *testing.T) {
	t.Helper()
	way := []string{"--gateway", b.Named(b.GatewayAddr)}
	_, err := b.Enroll("pdt", nil, b.invite(t, lab.PdT, "--dns", "bureau.cabinet-demo.invalid", "--again"), way...)
	require.NoError(t, err)
	out, err := b.Enroll("relay", nil, b.invite(t, lab.TLA, "--again"), way...)
	require.NoError(t, err)
	require.Contains(t, out, "Terminal enrôlé")
	require.Contains(t, out, lab.TLA)
}

// serial returns the serial number of the certificate in a file.
func serial(t *testing.T, file string) string {
	t.Helper()
	certs, err := pki.ReadCertificates(file)
	require.NoError(t, err)
	return fmt.Sprintf("%x", certs[0].SerialNumber)
}

// renewed waits until a file no longer has the certificate of before.
func renewed(t *testing.T, file, before string) {
	t.Helper()
	require.NoError(t, world.Poll(patience, "the renewal of "+file, func() error {
		if certs, err := pki.ReadCertificates(file); err != nil || fmt.Sprintf("%x", certs[0].SerialNumber) == before {
			return fmt.Errorf("it has not changed (%v)", err)
		}
		return nil
	}))
}

// renewAtOnce makes programs renew certificates that have only just begun.
const renewAtOnce = "renewal: {at: 0.000001}"

// TestG2FromTheBoxToRenewal: three programs get into service with nothing but codes. Their certificates are renewed
// while a session is up, which stays up, and the new ones are used from then on.
func TestG2FromTheBoxToRenewal(t *testing.T) {
	b := newBoxBed(t)
	b.enrolGateway(t)
	b.enrolDevices(t)
	require.NoError(t, b.StartPdT())
	require.NoError(t, b.StartRelay(renewAtOnce))
	old := serial(t, b.TLAKeys.Cert)
	gone := b.Path("gone")
	require.NoError(t, os.Mkdir(gone, 0o700))
	for _, f := range []string{b.TLAKeys.Cert, b.TLAKeys.Key} {
		data, err := os.ReadFile(f)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(gone+"/"+f[strings.LastIndex(f, ".")+1:], data, 0o600))
	}

	t.Run("C4 idle, a terminal renews nothing and has no socket", func(t *testing.T) {
		deadline := time.Now().Add(5 * time.Second)
		for time.Now().Before(deadline) { // longer than the pause before a first attempt
			require.Empty(t, networkSockets(t, b.RelayProc.PID()))
			time.Sleep(50 * time.Millisecond)
		}
		require.Equal(t, old, serial(t, b.TLAKeys.Cert))
	})
	t.Run("a session, and in it the renewal", func(t *testing.T) {
		require.True(t, b.relay(t, "start").OK)
		renewed(t, b.TLAKeys.Cert, old)
		logged(t, b.RelayProc, 0, "certificate renewed", "profile=tla")
		require.Equal(t, "up", b.relay(t, "status").Status.State)
		require.NoFileExists(t, b.TLAKeys.Key+".next")
	})
	t.Run("the old one is good until its end", func(t *testing.T) {
		kept := b.TLAKeys
		b.TLAKeys = lab.Keys{Cert: gone + "/crt", Key: gone + "/key"}
		defer func() { b.TLAKeys = kept }()
		status, body := b.curlOwn(t)
		require.Equal(t, "200", status, body)
	})
	t.Run("the next session uses the new one", func(t *testing.T) {
		_, err := b.PKI("revoke", "--serial", old, "--reason", "superseded")
		require.NoError(t, err)
		require.True(t, b.relay(t, "stop").OK)
		require.True(t, b.relay(t, "start").OK)
		require.True(t, b.relay(t, "stop").OK)
	})
}

// curlOwn asks the gateway who the TLA is, with the root that the enrolment brought.
func (b *boxBed) curlOwn(t *testing.T) (status, body string) {
	t.Helper()
	out, err := world.Run(patience, nil, "curl", "--silent", "--show-error", "--http1.1", "--write-out",
		"\n%{http_code}",
		"--cacert", b.TLATrust.Anchor, "--cert", b.TLAKeys.Cert, "--key", b.TLAKeys.Key, "https://"+
			b.Named(b.GatewayAddr)+"/v1/whoami")
	require.NoError(t, err)
	i := strings.LastIndex(out, "\n")
	return out[i+1:], out[:i]
}

// TestG2ProgramsRenewByThemselves: a PdT renews through its gateway, a gateway at the PKI; parked links stay.
func TestG2ProgramsRenewByThemselves(t *testing.T) {
	b := newBoxBed(t)
	b.enrolGateway(t, renewAtOnce)
	b.enrolDevices(t)
	files := []string{b.GatewayKeys.Cert, b.Path("own-gateway-client.crt"), b.ClientKeys.Cert, b.ServerKeys.Cert}
	var before []string
	for _, f := range files[2:] {
		before = append(before, serial(t, f))
	}
	require.NoError(t, b.StartPdT(renewAtOnce))
	for i, f := range files[2:] {
		renewed(t, f, before[i])
	}
	logged(t, b.PdTProc, 0, "certificate renewed", "profile=pdt-server")
	logged(t, b.GatewayProc, 0, "certificate renewed", "profile=gateway-server")
	logged(t, b.GatewayProc, 0, "certificate renewed", "profile=gateway-client")
	require.NoError(t, b.StartRelay())
	b.startAccepted(t)
}

// TestG2RefusedEnrolments: each refusal is one clear sentence, and leaves no certificate.
func TestG2RefusedEnrolments(t *testing.T) {
	b := newBoxBed(t)
	b.enrolGateway(t)
	way := []string{"--gateway", b.Named(b.GatewayAddr)}
	refused := func(config, code, says string) {
		t.Helper()
		_, err := b.Enroll(config, nil, code, way...)
		require.ErrorContains(t, err, says)
		require.NotContains(t, err.Error(), code[6:11]+"-"+code[12:17], "a code is a secret")
	}
	good := b.invite(t, lab.TLA, "--again")
	wrong := "0"
	if strings.HasSuffix(good, wrong) {
		wrong = "1"
	}
	refused("relay", good[:len(good)-1]+wrong, "Le code est mal tapé")
	refused("pdt", good, "this code is for another kind of device")
	withdrawn := b.invite(t, "urn:tlagate:cabinet-demo:tla:autre")
	list, err := b.PKI("invitations", "--json")
	require.NoError(t, err)
	var all []struct {
		ID       int64
		Identity string
	}
	require.NoError(t, json.Unmarshal([]byte(list), &all))
	for _, i := range all {
		if strings.HasSuffix(i.Identity, ":autre") {
			_, err := b.PKI("withdraw", fmt.Sprint(i.ID))
			require.NoError(t, err)
		}
	}
	refused("relay", withdrawn, "La PKI ne connaît pas ce code")

	other, err := lab.New() // another PKI altogether
	require.NoError(t, err)
	defer func() { require.NoError(t, other.Close()) }()
	foreign, err := other.Invite(lab.TLA, "--again")
	require.NoError(t, err)
	mark := b.pki.Proc.Mark()
	refused("relay", foreign, "rien de secret ne lui a été envoyé")
	require.NotContains(t, strings.Join(b.pki.Proc.From(mark), "\n"), "enrolment refused", "it was not even asked")

	require.NoFileExists(t, b.TLAKeys.Cert)
	_, err = b.Enroll("relay", nil, good, way...)
	require.NoError(t, err, "the code was not spoilt by any of it")
	require.NoError(t, os.Remove(b.TLAKeys.Cert))
	require.NoError(t, os.Remove(b.TLAKeys.Key))
	refused("relay", good, "Ce code a déjà servi")
}
