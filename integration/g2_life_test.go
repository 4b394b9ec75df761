package integration

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/integration/lab"
	"tlagate/integration/world"
)

// TestG2ATerminalsLife: a terminal with an encrypted key (SP2) is invited, enrolled, used, reported broken and
// replaced, erased, and comes back under its name with the new code; its trace (EL1) records all of it.
func TestG2ATerminalsLife(t *testing.T) {
	b := newBoxBed(t)
	b.enrolGateway(t)
	wrap, trace := b.Path("wrap"), b.Path("relay-audit.jsonl")
	key := b.TLAKeys.Key
	b.TLAKeys.Key += ", wrapping_key: " + wrap // within the section identity
	lines := []string{"audit: " + trace}
	way := []string{"--gateway", b.Named(b.GatewayAddr)}
	newWrap := func() {
		require.NoError(t, os.WriteFile(wrap, []byte("of this terminal, 32 octets at the least\n"), 0o600))
	}
	newWrap()
	_, err := b.Enroll("pdt", nil, b.invite(t, lab.PdT, "--dns", "bureau.cabinet-demo.invalid", "--again"), way...)
	require.NoError(t, err)
	require.NoError(t, b.StartPdT())

	_, err = b.Enroll("relay", lines, b.invite(t, lab.TLA, "--again"), way...)
	require.NoError(t, err)
	t.Run("SP2 the key is encrypted, and openssl opens it with the wrapping key alone", func(t *testing.T) {
		text, err := os.ReadFile(key)
		require.NoError(t, err)
		require.Contains(t, string(text), "BEGIN ENCRYPTED PRIVATE KEY")
		_, err = world.Run(patience, nil, "openssl", "pkey", "-in", key, "-passin", "file:"+wrap, "-noout")
		require.NoError(t, err)
		_, err = world.Run(patience, nil, "openssl", "pkey", "-in", key, "-passin",
			"pass:something else of 32 octets and more", "-noout")
		require.Error(t, err)
	})
	require.NoError(t, b.StartRelay(lines...))
	require.True(t, b.relay(t, "start").OK)

	var code string
	t.Run("C2 replaced: the session is cut, and no other starts", func(t *testing.T) {
		mark := b.GatewayProc.Mark()
		out, err := b.PKI("replace", "--identity", lab.TLA, "--reason", "keyCompromise")
		require.NoError(t, err)
		code, _, _ = strings.Cut(out, "\n")
		logged(t, b.GatewayProc, mark, "link cut", "reason=revoked", "peer="+lab.TLA)
		b.startRefused(t)
	})
	require.NoError(t, b.RelayProc.Stop())
	t.Run("SP2 erased: key and wrapping key are gone, and how to revoke is said", func(t *testing.T) {
		out, err := b.Relay("erase", "--yes")
		require.NoError(t, err)
		require.Contains(t, out, "tla-pki revoke")
		require.NoFileExists(t, key)
		require.NoFileExists(t, wrap)
	})
	newWrap()
	_, err = b.Enroll("relay", lines, code, way...)
	require.NoError(t, err)
	require.NoError(t, b.StartRelay(lines...))
	require.True(t, b.relay(t, "start").OK, "it is back")
	require.True(t, b.relay(t, "stop").OK)

	t.Run("EL1 the trace tells all of it, whole, and no secret", func(t *testing.T) {
		out, err := b.Run("tla-relay", "audit", "verify", "--file", trace)
		require.NoError(t, err, out)
		text, err := os.ReadFile(trace)
		require.NoError(t, err)
		for _, event := range []string{"enrolment.begun", "enrolment.done", "program.start", "key.loaded",
			"certificate.loaded", "anchor.loaded", "host.baseline", "key.erased", "erase.done"} {
			require.Contains(t, string(text), `"`+event+`"`)
		}
		require.Equal(t, 2, strings.Count(string(text), `"enrolment.done"`))
		for _, secret := range []string{code, "of this terminal, 32", "PRIVATE KEY"} {
			require.NotContains(t, string(text), secret)
		}
	})
	t.Run("the inventory knows both", func(t *testing.T) {
		out, err := b.PKI("inventory")
		require.NoError(t, err)
		require.Equal(t, 3, strings.Count(out, lab.TLA), "the lab's own, the one that was replaced, the present one")
	})
}

// TestG2TheFirstBundleComesWithTheEnrolment: a terminal whose configuration names a bundle has it when it is enrolled
// through a gateway.
func TestG2TheFirstBundleComesWithTheEnrolment(t *testing.T) {
	b := newBoxBed(t)
	line, err := b.LayOutBundles()
	require.NoError(t, err)
	b.GatewayTrust.OCSP = []string{"http://" + b.OCSPAddr + "/ocsp"}
	require.NoError(t, b.SignBundle("tla", "ops"))
	b.enrolGateway(t, line)
	file := b.Path("relay.p7m")
	out, err := b.Enroll("relay", []string{"bundle: " + file}, b.invite(t, lab.TLA, "--again"), "--gateway",
		b.Named(b.GatewayAddr))
	require.NoError(t, err)
	require.Contains(t, out, file+": version 1 for ")
	require.FileExists(t, file)
}
