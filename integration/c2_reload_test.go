package integration

import (
	"crypto/x509"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/integration/lab"
	"tlagate/integration/world"
	"tlagate/pki"
	"tlagate/pki/pkitest"
	"tlagate/session/link"
)

// TestReload: running programs read keys, certificates, anchors and access tables again when they change; when a file
// is broken they say so and go on with what they have; the session stays up through all of it.
func TestReload(t *testing.T) {
	b := newBed(t)
	b.ca.publish(t)
	b.GatewayTrust.Anchor = b.Path("gateway-root.pem")
	pkitest.WriteCertificates(t, b.GatewayTrust.Anchor, b.ca.Root.Cert)
	require.NoError(t, b.StartGateway())
	require.NoError(t, b.StartRelay())
	b.startPdT(t)
	require.True(t, b.relay(t, "start").OK)

	renew := func(name, id string, use x509.ExtKeyUsage) string {
		c := b.ca.Issue(id, use, named)
		b.keys(name, c)
		return c.Leaf.SerialNumber.Text(16)
	}
	programs := []struct {
		name, file, id string
		use            x509.ExtKeyUsage
		process        *world.Process
	}{
		{"gateway", "gateway", lab.Gateway, x509.ExtKeyUsageServerAuth, b.GatewayProc},
		{"PdT, client", "pdt-client", lab.PdT, x509.ExtKeyUsageClientAuth, b.PdTProc},
		{"PdT, server", "pdt-server", lab.PdT, x509.ExtKeyUsageServerAuth, b.PdTProc},
		{"relay", "tla", lab.TLA, x509.ExtKeyUsageClientAuth, b.RelayProc},
	}
	for _, p := range programs {
		t.Run("certificate of the "+p.name, func(t *testing.T) {
			mark := p.process.Mark()
			require.NoError(t, os.WriteFile(b.Path(p.file+".key"), []byte("half a fi"), 0o600))
			logged(t, p.process, mark, "the old certificate stays in use")
			mark = p.process.Mark()
			renew(p.file, p.id, p.use)
			logged(t, p.process, mark, "certificate and key read again", p.file)
		})
	}
	t.Run("the gateway shows the new one", func(t *testing.T) {
		serial := renew("gateway", lab.Gateway, x509.ExtKeyUsageServerAuth)
		require.Eventually(t, func() bool {
			return strings.Contains(b.serverCertificate(t), serial)
		}, patience, 100*time.Millisecond)
	})
	t.Run("anchors of the gateway", func(t *testing.T) {
		mark := b.GatewayProc.Mark()
		require.NoError(t, os.WriteFile(b.GatewayTrust.Anchor, []byte("nothing"), 0o644))
		logged(t, b.GatewayProc, mark, "cannot read anchors")
		accepted(t, b.sClient(t, opensslKeys(b.TLAKeys).args()...), "urn:tlagate:")
		pkitest.WriteCertificates(t, b.GatewayTrust.Anchor, b.ca.Root.Cert, b.ca.stranger.Root.Cert)
		logged(t, b.GatewayProc, mark, "anchors and intermediates read again")
	})
	require.Equal(t, "up", b.relay(t, "status").Status.State, "the session has lived through all of it")
	require.True(t, b.relay(t, "stop").OK)
	b.startAccepted(t)
}

// serverCertificate returns the certificate that the gateway shows, as text.
func (b *bed) serverCertificate(t *testing.T) string {
	out := b.sClient(t, opensslKeys(b.TLAKeys).args()...)
	text := openssl(t, out, "x509", "-noout", "-serial")
	return strings.ToLower(text)
}

// TestReloadAccess: a line of the access table is in force as soon as it is written, at the gateway and at the PdT.
func TestReloadAccess(t *testing.T) {
	b := newBed(t)
	b.ca.publish(t)
	neighbour := "urn:tlagate:" + otherPractice + ":tla:valise"
	b.TLAKeys = b.keys("tla", b.ca.Issue(neighbour, x509.ExtKeyUsageClientAuth))
	require.NoError(t, b.StartGateway())
	require.NoError(t, b.StartRelay())
	b.startPdT(t)
	require.Equal(t, "wrong_practice", b.startRefused(t).Reason)

	add := func(program, line string) {
		text, err := os.ReadFile(b.Path(program + ".yaml"))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(b.Path(program+".yaml"), append(text, line+"\n"...), 0o600))
	}
	broken := b.GatewayProc.Mark()
	add("gateway", "access: [{tla: nobody, pdt: nobody}]")
	logged(t, b.GatewayProc, broken, "the old configuration stays in force")
	require.Equal(t, "wrong_practice", b.startRefused(t).Reason)
	text, err := os.ReadFile(b.Path("gateway.yaml"))
	require.NoError(t, err)
	fixed := strings.Replace(string(text), "{tla: nobody, pdt: nobody}", `{tla: "`+neighbour+`", pdt: "`+lab.PdT+`"}`,
		1)
	require.NoError(t, os.WriteFile(b.Path("gateway.yaml"), []byte(fixed), 0o600))
	logged(t, b.GatewayProc, broken, "access table read again")
	mark := b.PdTProc.Mark()
	require.Equal(t, "rejected", b.startRefused(t).Code, "the PdT need not believe the gateway")
	logged(t, b.PdTProc, mark, "TLA refused", "reason="+string(pki.WrongPractice))

	add("pdt", "access: {tlas: [\""+neighbour+"\"]}")
	logged(t, b.PdTProc, mark, "access table read again")
	b.startAccepted(t)
}

// TestC2ReloadUsers: who has to prove who they are, and by which CAs, is in force as soon as it is written, at the
// gateway and at the PdT. A broken section changes nothing.
func TestC2ReloadUsers(t *testing.T) {
	b := newUserBed(t)
	b.User = "{mode: tell}"
	require.NoError(t, b.StartGateway())
	b.startPdT(t)
	h := newHostile(t, b.Lab, readKeys(t, b.TLAKeys), lab.TLA)
	rewrite := func(p *world.Process, program, before, after, says string) {
		t.Helper()
		mark := p.Mark()
		text, err := os.ReadFile(b.Path(program + ".yaml"))
		require.NoError(t, err)
		require.Contains(t, string(text), before)
		changed := strings.Replace(string(text), before, after, 1)
		require.NoError(t, os.WriteFile(b.Path(program+".yaml"), []byte(changed), 0o600))
		logged(t, p, mark, says)
	}
	const again, stays = "who has to prove who they are read again", "the old configuration stays in force"
	h.opens(t, b.GatewayAddr, false)

	rewrite(b.GatewayProc, "gateway", "mode: tell", "mode: always", stays)
	h.opens(t, b.GatewayAddr, false)
	rewrite(b.GatewayProc, "gateway", "mode: always", "mode: require", again)
	_, err := h.open(t, b.GatewayAddr, false)
	var p *link.Problem
	require.ErrorAs(t, err, &p)
	require.Equal(t, link.ProblemUserRequired, p.Code)
	h.opens(t, b.GatewayAddr, true)

	rewrite(b.GatewayProc, "gateway", `form: "8[0-9]{11}"`, `form: "8[0-9"`, stays)
	h.opens(t, b.GatewayAddr, true)
	rewrite(b.GatewayProc, "gateway", `form: "8[0-9"`, `form: "9[0-9]{11}"`, again)
	p = h.refused(t, b.GatewayAddr)
	require.Equal(t, string(pki.BadIdentity), p.Reason)
	rewrite(b.GatewayProc, "gateway", `form: "9[0-9]{11}"`, `form: "8[0-9]{11}"`, again)
	h.opens(t, b.GatewayAddr, true)
	require.NoError(t, b.Persons.Revoke(mustParse(t, h.person)))
	require.NoError(t, world.Poll(patience, "the new store to have read the list", func() error {
		l, err := h.open(t, b.GatewayAddr, true)
		if err == nil {
			return errors.Join(l.Close(), errors.New("it has not"))
		}
		if errors.As(err, &p) && p.Reason == string(pki.Revoked) {
			return nil
		}
		return err
	}))

	rewrite(b.GatewayProc, "gateway", "mode: require", "mode: tell", again)
	h.opens(t, b.GatewayAddr, true)
	rewrite(b.PdTProc, "pdt", "mode: tell", "mode: always", stays)
	rewrite(b.PdTProc, "pdt", "mode: always", "mode: require", again)
}

// opens opens a session as far as the gateway, and ends it.
func (h *hostile) opens(t *testing.T, addr string, proves bool) {
	t.Helper()
	for {
		l, err := h.open(t, addr, proves)
		if p := (*link.Problem)(nil); errors.As(err, &p) && p.Code == link.ProblemTLABusy {
			continue // the last one may be just ending
		}
		require.NoError(t, err)
		require.NoError(t, l.Close())
		return
	}
}

func mustParse(t *testing.T, der []byte) *x509.Certificate {
	t.Helper()
	c, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return c
}
