package pki_test

import (
	"context"
	"crypto/tls"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
	"tlagate/pki/pkitest"
)

// serveOpen is serve with OpenServer.
func serveOpen(t *testing.T, judge *pki.Party, client *tls.Config) (outcome, error) {
	t.Helper()
	near, far := pipe(t)
	return meet(t, func() outcome {
		conn, peer, err := judge.OpenServer(context.Background(), near, pki.ALPNCard, pki.Want{Usage: asClient})
		return outcome{conn, peer, err}
	}, tls.Client(far, client))
}

func TestC2OpenServer(t *testing.T) {
	w := newWorld(t)
	trust := w.open()
	judge := w.party(trust, pdt1, asServer)

	got, _ := serveOpen(t, judge, stranger())
	require.NoError(t, got.err)
	require.True(t, got.peer.Anonymous())
	require.Zero(t, got.peer.Identity)
	require.NotNil(t, got.peer.Verdict)
	require.Equal(t, pki.NoCertificate, pki.ReasonOf(trust.Recheck(got.peer)), "nobody believes an anonymous peer later")

	got, _ = serveOpen(t, judge, stranger(w.Issue(tla1, asClient)))
	require.NoError(t, got.err)
	require.False(t, got.peer.Anonymous())
	require.Equal(t, tla1, got.peer.Identity.String())
}

// A certificate that is shown must pass: a bad one does not make its owner anonymous.
func TestC2OpenServerRefuses(t *testing.T) {
	w := newWorld(t)
	revoked := w.Issue(tla1, asClient)
	w.Issuing.Revoke(revoked.Leaf)
	w.files = w.WriteTrust(t.TempDir())
	w.cfg.CRLs = w.files.CRLs()
	judge := w.party(w.open(), pdt1, asServer)
	for name, c := range map[string]struct {
		show tls.Certificate
		want pki.Reason
	}{
		"revoked":      {revoked, pki.Revoked},
		"expired":      {w.Issue(tla1, asClient, pkitest.Expired()), pki.Expired},
		"foreign":      {pkitest.New(t).Issue(tla1, asClient), pki.UnknownIssuer},
		"server usage": {w.Issue(pdt1, asServer), pki.ExtKeyUsage},
	} {
		t.Run(name, func(t *testing.T) {
			got, _ := serveOpen(t, judge, stranger(c.show))
			require.Nil(t, got.conn)
			require.Equal(t, c.want, pki.ReasonOf(got.err), "%v", got.err)
		})
	}
	conf := stranger()
	conf.NextProtos = []string{"h2"}
	got, _ := serveOpen(t, judge, conf)
	require.Equal(t, pki.ALPN, pki.ReasonOf(got.err))
}

// Nobody else lets an anonymous peer pass.
func TestC2NobodyElseIsOpen(t *testing.T) {
	w := newWorld(t)
	judge := w.party(w.open(), pdt1, asServer)
	got, _ := serve(t, judge, pki.Want{Usage: asClient}, stranger())
	require.Equal(t, pki.NoCertificate, pki.ReasonOf(got.err))
}
