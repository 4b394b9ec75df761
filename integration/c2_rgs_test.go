package integration

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/integration/lab"
	"tlagate/integration/world"
	"tlagate/pdt"
	"tlagate/pki"
	"tlagate/pki/trust"
)

const rgs = "crypto: rgs"

// TestC2RGSGroupsAndSuites: at a gateway with crypto: rgs other people's clients get what is in the letter of RGS B1,
// and nothing else, whatever else they offer.
func TestC2RGSGroupsAndSuites(t *testing.T) {
	b := newBed(t)
	b.ca.publish(t)
	require.NoError(t, b.StartGateway(rgs))
	const aes, aes256, chacha = "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"
	good := opensslKeys(b.TLAKeys).args()
	for offer, want := range map[[2]string]string{
		{"P-256", aes}: aes, {"P-384", aes}: aes, {"P-256", aes256}: aes256, {"P-384", aes256}: aes256,
		{"X25519:P-256", chacha + ":" + aes}: aes, {"X25519:P-384", chacha + ":" + aes256}: aes256,
		{"X25519", aes}: "", {"X25519", aes256}: "", {"P-256", chacha}: "", {"P-384", chacha}: "", {"X448", aes}: "-",
		{"P-521", aes}: "-",
	} {
		mark := b.GatewayProc.Mark()
		out := b.sClient(t, append(good, "-groups", offer[0], "-ciphersuites", offer[1])...)
		switch want {
		case "":
			alerted(t, out)
			logged(t, b.GatewayProc, mark, "reason="+string(pki.NotRGS), "peer=claimed")
		case "-": // nobody of ours takes it
			alerted(t, out)
			logged(t, b.GatewayProc, mark, "reason="+string(pki.CipherSuite), "peer=claimed")
		default:
			accepted(t, out, lab.TLA)
			require.Contains(t, out, `"suite":"`+want+`"`)
			require.NotContains(t, out, `"group":"X25519`)
		}
	}
	for group, taken := range map[tls.CurveID]bool{tls.SecP256r1MLKEM768: true, tls.SecP384r1MLKEM1024: true,
		tls.X25519MLKEM768: false} {
		conf := b.client(readKeys(t, b.TLAKeys), trust.ALPNOuter)
		conf.CurvePreferences = []tls.CurveID{group}
		c, err := net.Dial("tcp", b.GatewayAddr)
		require.NoError(t, err)
		answer, _, err := ask(t, c, conf)
		require.Equal(t, taken, err == nil, "%v: %v", group, err)
		require.Equal(t, taken, strings.Contains(answer, `"group":"`+group.String()+`"`), answer)
	}
}

// TestC2RGSEndToEnd: with crypto: rgs on all ends a session is in the letter, both layers of it, though no processor
// has AES instructions, without which ChaCha20 would be chosen. The programs have started themselves again for it.
func TestC2RGSEndToEnd(t *testing.T) {
	l := layLab(t)
	l.Env = []string{"GODEBUG=cpu.aes=off"}
	require.NoError(t, l.StartReaders())
	require.NoError(t, l.InsertCards())
	require.NoError(t, l.StartGateway(rgs))
	require.NoError(t, l.StartPdT(rgs))
	require.NoError(t, l.StartRelay(rgs))
	startSession(t, l)
	for _, n := range negotiatedBy(t, l) {
		require.Equal(t, "SecP256r1MLKEM768", n.Group)
		require.Contains(t, n.Suite, "_AES_")
	}
	for _, p := range []*world.Process{l.GatewayProc, l.PdTProc, l.RelayProc} {
		logged(t, p, 0, "what links take", "crypto=rgs")
	}
	for _, pid := range []int{l.GatewayProc.PID(), l.PdTProc.PID(), l.RelayProc.PID()} {
		require.Regexp(t, `^GODEBUG=.*\bcpu.aes=off,.*fips140=on$`, settingsOf(t, pid))
	}
	checked, err := l.Run("tla-gateway", "check", "--config", l.Path("gateway.yaml"))
	require.NoError(t, err)
	require.Regexp(t, `crypto +rgs: AES-GCM, and no X25519`, checked)
	doctor, _ := l.Run("tla-pdt", "doctor", "--config", l.Path("pdt.yaml")) // it warns of a lab's ways
	require.Regexp(t, `OK +crypto +rgs, by the configuration`, doctor)
	require.Regexp(t, `OK +gateway localhost:\d+ `, doctor)
}

// negotiatedBy is what both layers of a session agreed upon, as both their ends tell it.
func negotiatedBy(t *testing.T, l *lab.Lab) []pki.Negotiated {
	t.Helper()
	relay := relayStatus(t, l).Session
	out, err := l.Run("tla-pdt", "status", "--config", l.Path("pdt.yaml"), "--json")
	require.NoError(t, err)
	var workstation pdt.Status
	require.NoError(t, json.Unmarshal([]byte(out), &workstation))
	return []pki.Negotiated{*relay.GatewayTLS, *relay.PdTTLS, workstation.Session.TLS, *workstation.Gateways[0].TLS}
}

// settingsOf is the GODEBUG that a program was started with the last time.
func settingsOf(t *testing.T, pid int) (settings string) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	require.NoError(t, err)
	for v := range strings.SplitSeq(string(text), "\x00") {
		if strings.HasPrefix(v, "GODEBUG=") {
			settings = v
		}
	}
	return settings
}

// TestC2RGSAtTheGatewayAlone: a PdT and a terminal without it are let in to neither, and are told why.
func TestC2RGSAtTheGatewayAlone(t *testing.T) {
	l := layLab(t)
	b := &bed{Lab: l, t: t}
	require.NoError(t, l.StartGateway(rgs))
	require.NoError(t, l.LaunchPdT())
	logged(t, l.PdTProc, 0, "no link to the gateway", "reason=not_rgs", "demands crypto: rgs")
	logged(t, l.GatewayProc, 0, "request refused", "reason=not_rgs", "peer="+lab.PdT)
	doctor, _ := l.Run("tla-pdt", "doctor", "--config", l.Path("pdt.yaml"))
	require.Regexp(t, `FAILURE +gateway localhost:\d+ .* demands crypto: rgs`, doctor)

	require.NoError(t, l.StartRelay())
	why := b.startRefused(t)
	require.Equal(t, "problem", why.Code)
	require.Equal(t, "not_rgs", why.Reason)
	_, err := l.Relay("start")
	require.ErrorContains(t, err, "strict")
	require.ErrorContains(t, err, "RGS")

	require.NoError(t, l.PdTProc.Stop())
	require.NoError(t, l.StartPdT(rgs))
	require.Equal(t, "not_rgs", b.startRefused(t).Reason, "the terminal is still without it")
	require.NoError(t, l.RelayProc.Stop())
	require.NoError(t, l.StartRelay(rgs))
	b.startAccepted(t)
}

// TestC2RGSComesByTheBundle: a bundle that brings crypto: rgs ends the devices' programs, the relay's after its
// session; started again, they keep to it.
func TestC2RGSComesByTheBundle(t *testing.T) {
	s := newSealed(t)
	s.start(t)
	mark := s.GatewayProc.Mark()
	require.NoError(t, s.SignBundle("tla", "ops", rgs))
	s.served(t, mark, "2")
	relay := s.RelayProc.Mark()
	require.True(t, s.relay(t, "start").OK)
	logged(t, s.RelayProc, relay, "the new bundle changes what links take", "crypto=rgs")
	require.True(t, s.relay(t, "stop").OK)
	requireEndsAgain(t, s.RelayProc)

	require.NoError(t, s.PdTProc.Stop())
	mark = s.GatewayProc.Mark()
	require.NoError(t, s.SignBundle("pdt", "ops", rgs, "min_version: 2"))
	s.served(t, mark, "2")
	require.NoError(t, s.StartSealedPdT("the new bundle changes what links take"))
	requireEndsAgain(t, s.PdTProc)

	s.start(t)
	require.True(t, s.relay(t, "start").OK)
	for _, n := range negotiatedBy(t, s.Lab) {
		require.Equal(t, "SecP256r1MLKEM768", n.Group)
	}
	require.Contains(t, settingsOf(t, s.RelayProc.PID()), "fips140=on")
	require.True(t, s.relay(t, "stop").OK)
}

// TestC2RGSBundleAtAStrictGateway: a gateway that has it first gives out the bundle in a start that it refuses; the
// relay ends then, and the next start is good.
func TestC2RGSBundleAtAStrictGateway(t *testing.T) {
	s := newSealed(t)
	require.NoError(t, s.StartSealedRelay("ready"))
	require.NoError(t, s.GatewayProc.Stop())
	require.NoError(t, s.SignBundle("tla", "ops", rgs, "min_version: 2"))
	require.NoError(t, s.SignBundle("pdt", "ops", rgs, "min_version: 2"))
	require.NoError(t, s.StartGateway("bundles: "+s.Path("bundles"), rgs))
	require.Equal(t, "not_rgs", s.startRefused(t).Reason)
	requireEndsAgain(t, s.RelayProc)
	require.NoError(t, s.StartSealedPdT(""))
	requireEndsAgain(t, s.PdTProc)
	s.start(t)
	s.startAccepted(t)
}

// requireEndsAgain wants a program to end by itself, for whoever runs it to start it again.
func requireEndsAgain(t *testing.T, p *world.Process) {
	t.Helper()
	_, err := p.WaitLine(patience, "the new bundle changes crypto: this program must be started again")
	require.NoError(t, err)
	code, err := p.Wait(patience)
	require.NoError(t, err)
	require.Equal(t, 1, code)
}
