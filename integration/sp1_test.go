package integration

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/integration/lab"
	"tlagate/integration/world"
	"tlagate/tla/seat/seattest"
)

// sealed is a deployment whose devices work with bundles alone. It has no readers.
type sealed struct{ *bed }

func newSealed(t *testing.T) *sealed {
	t.Helper()
	l := layLab(t)
	logindOf(t, l).Everybody(seattest.AtTheMachine)
	line, err := l.LayOutBundles()
	require.NoError(t, err)
	require.NoError(t, l.SignBundle("tla", "ops"))
	require.NoError(t, l.SignBundle("pdt", "ops"))
	require.NoError(t, l.StartGateway(line))
	require.NoError(t, l.SealRelay())
	require.NoError(t, l.SealPdT())
	return &sealed{&bed{Lab: l, t: t}}
}

func (s *sealed) start(t *testing.T) {
	t.Helper()
	require.NoError(t, s.StartSealedPdT("parked"))
	require.NoError(t, s.StartSealedRelay("ready"))
}

// served waits until the gateway has read a version of the bundle.
func (s *sealed) served(t *testing.T, mark int, version string) {
	t.Helper()
	logged(t, s.GatewayProc, mark, "bundle read", "version="+version)
}

// TestSP1SealedDevicesWork: TLA and PdT work with a bundle and not one line of their own about gateways, PdTs,
// practices or limits. The TLA fetches a version that the gateway demands within the user's start, and the PdT by
// itself.
func TestSP1SealedDevicesWork(t *testing.T) {
	s := newSealed(t)
	s.start(t)
	s.startAccepted(t)

	t.Run("a newer lowest version is fetched inside the start", func(t *testing.T) {
		mark, relay := s.GatewayProc.Mark(), s.RelayProc.Mark()
		require.NoError(t, s.SignBundle("tla", "ops", "min_version: 2", "limits: {absolute: 1h}"))
		s.served(t, mark, "2")
		a := s.relay(t, "start")
		require.True(t, a.OK, "%+v", a.Error)
		logged(t, s.RelayProc, relay, "the gateway demands a newer bundle", "version=1")
		logged(t, s.RelayProc, relay, "bundle changed", "version=2")
		until := relayStatus(t, s.Lab).Session.Until
		require.Less(t, time.Until(until), 61*time.Minute, "the new limits count in this very session")
		require.True(t, s.relay(t, "stop").OK)
	})
	t.Run("the same in a session", func(t *testing.T) {
		require.True(t, s.relay(t, "start").OK)
		require.True(t, s.relay(t, "stop").OK)
		mark, relay := s.GatewayProc.Mark(), s.RelayProc.Mark()
		require.NoError(t, s.SignBundle("tla", "ops"))
		s.served(t, mark, "3")
		require.True(t, s.relay(t, "start").OK)
		logged(t, s.RelayProc, relay, "bundle changed", "version=3")
		require.True(t, s.relay(t, "stop").OK)
	})
	t.Run("the PdT fetches what its gateway demands when it parks", func(t *testing.T) {
		require.NoError(t, s.PdTProc.Stop())
		mark := s.GatewayProc.Mark()
		require.NoError(t, s.SignBundle("pdt", "ops", "min_version: 2"))
		s.served(t, mark, "2")
		require.NoError(t, s.StartSealedPdT("bundle changed"))
		logged(t, s.PdTProc, 0, "link parked")
		s.startAccepted(t)
	})
	t.Run("after a restart the new one counts", func(t *testing.T) {
		require.NoError(t, s.RelayProc.Stop())
		require.NoError(t, s.StartSealedRelay("ready"))
		logged(t, s.RelayProc, 0, "bundle loaded", "version=3")
		s.startAccepted(t)
	})
	t.Run("an older one cannot come back", func(t *testing.T) {
		mark, relay := s.GatewayProc.Mark(), s.RelayProc.Mark()
		require.NoError(t, os.Remove(s.Path("bundles/tla.p7m")))
		logged(t, s.GatewayProc, mark, "no longer served")
		require.NoError(t, s.SignBundle("tla", "ops"))
		s.served(t, mark, "1")
		require.True(t, s.relay(t, "start").OK, "what is at hand is good")
		logged(t, s.RelayProc, relay, "bundle refused", "why=outdated")
		require.True(t, s.relay(t, "stop").OK)
	})
}

// TestSP1TamperingStopsTheProgram: each real program, when any of its sealed files was changed.
func TestSP1TamperingStopsTheProgram(t *testing.T) {
	s := newSealed(t)
	for _, c := range []struct{ what, file, why, fr string }{
		{"bundle", ".p7m", "altered", "a été modifiée"},
		{"version state", ".p7m.state", "altered", "a été modifiée"},
		{"root", "-root.crt", "altered", "a été modifiée"},
		{"ARL", "-arl.pem", "altered", "a été modifiée"},
		{"bundle missing", ".p7m", "missing", "est absente"},
	} {
		tamper := func(t *testing.T, file string) {
			before, err := os.ReadFile(file)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, os.WriteFile(file, before, 0o600)) })
			if c.why == "missing" {
				require.NoError(t, os.Remove(file))
				return
			}
			after := append([]byte{}, before...)
			after[len(after)/2] ^= 1
			require.NoError(t, os.WriteFile(file, after, 0o600))
		}
		t.Run("relay, "+c.what, func(t *testing.T) {
			file := s.Path("relay" + c.file)
			tamper(t, file)
			require.NoError(t, s.StartSealedRelay("refusing to work"))
			defer func() { require.NoError(t, s.RelayProc.Stop()) }()
			logged(t, s.RelayProc, 0, "reason=seal_broken", "why="+c.why, "file="+file)
			a := s.relay(t, "start")
			require.False(t, a.OK)
			require.Equal(t, "seal", a.Error.Code)
			require.Equal(t, c.why, a.Error.Reason)
			require.Empty(t, networkSockets(t, s.RelayProc.PID()))
			_, err := s.Relay("start")
			require.ErrorContains(t, err, "Ce terminal refuse de travailler : sa configuration signée "+c.fr)
			out, err := s.Relay("status")
			require.NoError(t, err)
			require.Contains(t, out, "Numéro d'incident : "+a.Error.Incident)
			logged(t, s.RelayProc, 0, "refusing to work", "file="+file, "incident="+a.Error.Incident)
		})
		t.Run("PdT, "+c.what, func(t *testing.T) {
			file := s.Path("pdt" + c.file)
			tamper(t, file)
			require.NoError(t, s.StartSealedPdT(""))
			code, err := s.PdTProc.Wait(patience)
			require.NoError(t, err)
			require.Equal(t, 1, code)
			logged(t, s.PdTProc, 0, "tla-pdt: cannot work with "+file+": "+c.why)
		})
	}
	for _, program := range []string{"relay", "pdt"} {
		out, err := s.Run("tla-"+program, "audit", "show", "-c", s.Path(program+".yaml"), "--event", "seal.broken")
		require.NoError(t, err)
		require.Equal(t, 5, strings.Count(out, "seal.broken"), "each leaves a trace: %s", out)
	}
	s.start(t)
	s.startAccepted(t) // without the defect
}

// TestSP1TheBundleSaysWhoMustProveWhoTheyAre: a new bundle is in force at once in a PdT that runs, and after a restart.
// Where it keeps lists about persons is the file's to say.
func TestSP1TheBundleSaysWhoMustProveWhoTheyAre(t *testing.T) {
	s := newSealed(t)
	require.NoError(t, s.AddPersons())
	s.withLine(t, "pdt", func(text string) string { return text + "persons: {state: persons-numbers}\n" })
	s.start(t)
	require.True(t, s.relay(t, "start").OK, "the bundle says nothing of it")
	require.True(t, s.relay(t, "stop").OK)

	gateway, mark := s.GatewayProc.Mark(), s.PdTProc.Mark()
	require.NoError(t, s.SignBundle("pdt", "ops", "min_version: 2", "user: {mode: require}", fmt.Sprintf(
		"persons: {anchors: [{file: %s}], intermediates: [%s], sources: {crls: [\"http://127.0.0.1:9/p.crl\"]}, "+
			"mapping: {identifier: CN, form: \"8[0-9]{11}\"}}", s.Path("persons-root.crt"),
		s.Path("persons-issuing.crt"))))
	s.served(t, gateway, "2")
	require.True(t, s.relay(t, "start").OK, "what parked before goes on")
	require.True(t, s.relay(t, "stop").OK)
	logged(t, s.PdTProc, mark, "who has to prove who they are read again")
	for range 2 {
		w := s.startRefused(t)
		require.Equal(t, []string{"pdt", "user"}, []string{w.Code, w.Reason})
		require.NoError(t, s.PdTProc.Stop())
		require.NoError(t, s.StartSealedPdT("parked"))
	}
	out, err := s.Run("tla-pdt", "doctor", "--offline", "--json", "-c", s.Path("pdt.yaml"))
	_ = err // of other checks
	require.Contains(t, out, "persons.crls: crl_missing: CRL http://127.0.0.1:9/p.crl")
}

// TestSP1LocalLinesAreRefused: what the bundle decides cannot be set in the configuration file.
func TestSP1LocalLinesAreRefused(t *testing.T) {
	s := newSealed(t)
	for _, c := range []struct{ program, name, line, says string }{
		{"tla-relay", "relay", `gateways: ["localhost:1"]`, "cannot use gateways"},
		{"tla-relay", "relay", "pdt: bureau", "cannot use pdt"},
		{"tla-relay", "relay", "policy: policy.yaml", "cannot use policy"},
		{"tla-relay", "relay", "limits: {absolute: 12h}", "cannot use limits"},
		{"tla-pdt", "pdt", `gateways: ["localhost:1"]`, "cannot use gateways"},
		{"tla-pdt", "pdt", "access: {practices: [voisin]}", "cannot use access"},
		{"tla-pdt", "pdt", "limits: {absolute: 12h}", "cannot use limits"},
		{"tla-pdt", "pdt", "user: {mode: off}", "cannot use user"},
		{"tla-pdt", "pdt", "persons: {crls: [x.crl]}",
			"cannot use persons (anchors, intermediates, crls, ocsp, mapping)"},
	} {
		t.Run(c.name+" "+c.line, func(t *testing.T) {
			s.withLine(t, c.name, func(text string) string { return text + c.line + "\n" })
			_, err := s.Run(c.program, "run", "--config", s.Path(c.name+".yaml"))
			require.ErrorContains(t, err, c.says+": this device is sealed")
		})
	}
	t.Run("relay, key in the open", func(t *testing.T) {
		s.withLine(t, "relay", func(text string) string {
			text = strings.Replace(text, ".key.enc", ".key", 1)
			return strings.Replace(text, ", wrapping_key: "+s.Path("wrapping.key"), "", 1)
		})
		_, err := s.Run("tla-relay", "run", "--config", s.Path("relay.yaml"))
		require.ErrorContains(t, err, "it is not protected")
	})
	for was, lines := range map[string][2]string{
		"practices": {"{file: relay-root.crt}", `{file: relay-root.crt, practices: ["*"]}`},
		"crls":      {"arl: relay", "crls: [relay-arl.pem], arl: relay"},
	} {
		t.Run("relay trust "+was, func(t *testing.T) {
			s.withLine(t, "relay", func(text string) string { return strings.Replace(text, lines[0], lines[1], 1) })
			_, err := s.Run("tla-relay", "run", "--config", s.Path("relay.yaml"))
			require.ErrorContains(t, err, was+": this device is sealed")
		})
	}
}

func (s *sealed) withLine(t *testing.T, name string, change func(string) string) {
	file := s.Path(name + ".yaml")
	before, err := os.ReadFile(file)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.WriteFile(file, before, 0o600)) })
	require.NoError(t, os.WriteFile(file, []byte(change(string(before))), 0o600))
}

// TestSP1RevokedOpsCertificateEndsTrust: the signer's certificate is verified again in sessions. Once it is revoked no
// session starts; a bundle of another signer, fetched by a local command, brings the terminal back.
func TestSP1RevokedOpsCertificateEndsTrust(t *testing.T) {
	s := newSealed(t)
	s.start(t)
	require.True(t, s.relay(t, "start").OK)
	require.NoError(t, s.Lab.Revoke(lab.Ops))
	s.waitEnd(t)
	last := s.relay(t, "status").Status.Last
	require.Equal(t, "seal", last.Code)
	require.Equal(t, "revoked", last.Reason)
	require.Equal(t, "seal", s.relay(t, "start").Error.Code, "no start succeeds any more")
	code, err := s.PdTProc.Wait(patience)
	require.NoError(t, err)
	require.Equal(t, 1, code)
	logged(t, s.PdTProc, 0, "tla-pdt: cannot work with", "revoked")
	require.NoError(t, s.RelayProc.Stop())
	require.NoError(t, s.StartSealedRelay("refusing to work"))
	require.NoError(t, s.RelayProc.Stop())
	_, err = s.Issue("ops2", "bundle", "urn:tlagate:operateur-demo:admin:ops2")
	require.NoError(t, err)
	mark := s.GatewayProc.Mark()
	require.NoError(t, s.SignBundle("tla", "ops2"))
	s.served(t, mark, "2")
	_, err = s.Run("tla-relay", "bundle", "fetch", "--config", s.Path("relay.yaml"), "--gateway", s.Via())
	require.NoError(t, err)
	require.NoError(t, s.SignBundle("pdt", "ops2"))
	s.served(t, mark, "2")
	require.NoError(t, world.Poll(patience, "the bundle of the PdT", func() error {
		_, err := s.Run("tla-pdt", "bundle", "fetch", "--config", s.Path("pdt.yaml"), "--gateway",
			"localhost="+s.GatewayAddr)
		return err
	}))
	s.start(t)
	s.startAccepted(t)
}

// waitEnd waits until the session that is up has ended.
func (s *sealed) waitEnd(t *testing.T) {
	require.NoError(t, world.Poll(patience, "the session to end", func() error {
		if s.relay(t, "status").Status.State != "idle" {
			return os.ErrDeadlineExceeded
		}
		return nil
	}))
}
