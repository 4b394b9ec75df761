package trust_test

import (
	"context"
	"crypto/tls"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
	"tlagate/pki/pkitest"
	"tlagate/pki/pkitest/bed"
	"tlagate/pki/trust"
)

// serveOpen is bed.Serve with OpenServer.
func serveOpen(t *testing.T, judge *trust.Party, client *tls.Config) (bed.Outcome, error) {
	t.Helper()
	near, far := bed.Pipe(t)
	return bed.Meet(t, func() bed.Outcome {
		conn, peer, err := judge.OpenServer(context.Background(), near, trust.ALPNCard, trust.Want{Usage: bed.AsClient})
		return bed.Outcome{Conn: conn, Peer: peer, Err: err}
	}, tls.Client(far, client))
}

func TestC2OpenServer(t *testing.T) {
	w := bed.New(t)
	trust := w.Open()
	judge := w.Party(trust, bed.PdT1, bed.AsServer)

	got, _ := serveOpen(t, judge, bed.Stranger())
	require.NoError(t, got.Err)
	require.True(t, got.Peer.Anonymous())
	require.Zero(t, got.Peer.Identity)
	require.NotNil(t, got.Peer.Verdict)
	require.Equal(t, pki.NoCertificate, pki.ReasonOf(trust.Recheck(got.Peer)),
		"an anonymous peer is not believed later")

	got, _ = serveOpen(t, judge, bed.Stranger(w.Issue(bed.TLA1, bed.AsClient)))
	require.NoError(t, got.Err)
	require.False(t, got.Peer.Anonymous())
	require.Equal(t, bed.TLA1, got.Peer.Identity.String())
}

// A certificate that is shown must pass: a bad one does not make its owner anonymous.
func TestC2OpenServerRefuses(t *testing.T) {
	w := bed.New(t)
	revoked := w.Issue(bed.TLA1, bed.AsClient)
	w.Issuing.Revoke(revoked.Leaf)
	w.Files = w.WriteTrust(t.TempDir())
	w.Config.CRLs = w.Files.CRLs()
	judge := w.Party(w.Open(), bed.PdT1, bed.AsServer)
	for name, c := range map[string]struct {
		show tls.Certificate
		want pki.Reason
	}{
		"revoked":      {revoked, pki.Revoked},
		"expired":      {w.Issue(bed.TLA1, bed.AsClient, pkitest.Expired()), pki.Expired},
		"foreign":      {pkitest.New(t).Issue(bed.TLA1, bed.AsClient), pki.UnknownIssuer},
		"server usage": {w.Issue(bed.PdT1, bed.AsServer), pki.ExtKeyUsage},
	} {
		t.Run(name, func(t *testing.T) {
			got, _ := serveOpen(t, judge, bed.Stranger(c.show))
			require.Nil(t, got.Conn)
			require.Equal(t, c.want, pki.ReasonOf(got.Err), "%v", got.Err)
		})
	}
	conf := bed.Stranger()
	conf.NextProtos = []string{"h2"}
	got, _ := serveOpen(t, judge, conf)
	require.Equal(t, pki.ALPN, pki.ReasonOf(got.Err))
}

// No other server lets an anonymous peer pass.
func TestC2NobodyElseIsOpen(t *testing.T) {
	w := bed.New(t)
	judge := w.Party(w.Open(), bed.PdT1, bed.AsServer)
	got, _ := bed.Serve(t, judge, trust.Want{Usage: bed.AsClient}, bed.Stranger())
	require.Equal(t, pki.NoCertificate, pki.ReasonOf(got.Err))
}
