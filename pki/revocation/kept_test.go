package revocation_test

import (
	"context"
	"crypto/x509"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
	"tlagate/pki/pkitest"
	"tlagate/pki/pkitest/bed"
	"tlagate/pki/revocation"
	"tlagate/pki/trust"
)

// live opens a trust store and runs it until stop is called.
func live(t *testing.T, w *bed.World) (trust *trust.Trust, stop func()) {
	trust = w.Open()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = trust.Run(ctx) }()
	stop = func() { cancel(); <-ended }
	t.Cleanup(stop)
	return trust, stop
}

// TestC2DenialsOverARestart: a certificate that was pushed stays refused after a restart, though nothing else revokes
// it; one that was released does not.
func TestC2DenialsOverARestart(t *testing.T) {
	w := bed.New(t)
	w.Config.Intermediates = []string{w.Files.Intermediate}
	w.Config.Denials = filepath.Join(t.TempDir(), "denials.json")
	now := time.Now()
	w.Config.Clock = func() time.Time { return now }
	chains := map[string][]*x509.Certificate{}
	for _, name := range []string{"final", "held", "released", "ended"} {
		chains[name] = pkitest.Chain(w.Issue("urn:tlagate:cab1:tla:"+name, bed.AsClient))
	}
	denied := func(name string, reason int) revocation.Denied {
		return revocation.Denied{IssuerKeyID: w.Issuing.Cert.SubjectKeyId, Serial: chains[name][0].SerialNumber,
			Reason: reason, At: now}
	}
	store, stop := live(t, w)
	ended := denied("ended", 1)
	ended.Ends = now.Add(-25 * time.Hour)
	for _, d := range []revocation.Denied{denied("final", 1), denied("held", 6), denied("released", 6), ended} {
		store.Deny(d)
	}
	store.Allow(denied("released", 6).IssuerKeyID, denied("released", 6).Serial)
	store.SetHeard("https://pki:1", 41)
	store.SetHeard("https://pki:1", 42)
	stop()

	again := func() (*trust.Trust, func()) { return live(t, w) }
	store, stop = again()
	require.EqualValues(t, 42, store.Heard("https://pki:1"))
	require.Zero(t, store.Heard("https://pki:2"))
	for name, want := range map[string]pki.Reason{"final": pki.Revoked, "held": pki.Revoked, "released": "",
		"ended": ""} {
		require.Equal(t, want, reasonFor(store, chains[name]), name)
	}
	require.False(t, store.Allow(denied("final", 1).IssuerKeyID, denied("final", 1).Serial),
		"only a hold is taken back")
	require.True(t, store.Allow(denied("held", 6).IssuerKeyID, denied("held", 6).Serial))

	t.Run("what a good list says is kept no longer", func(t *testing.T) {
		w.Issuing.Revoke(chains["final"][0])
		w.WriteCRLs(w.Files)
		store.Reload()
		stop()
		text, err := os.ReadFile(w.Config.Denials)
		require.NoError(t, err)
		require.Contains(t, string(text), `"denied": []`)
		store, stop = again()
		require.Equal(t, pki.Revoked, reasonFor(store, chains["final"]), "by the list")
		require.Empty(t, reasonFor(store, chains["held"]))
	})
	t.Run("written at once, not at the end", func(t *testing.T) {
		store.Deny(denied("held", 1))
		require.Eventually(t, func() bool { return reasonFor(w.Open(), chains["held"]) == pki.Revoked }, bed.Patience,
			5*time.Millisecond)
	})
	stop()
	good, err := os.ReadFile(w.Config.Denials)
	require.NoError(t, err)
	for name, text := range map[string]string{
		"empty": "", "half": string(good[:len(good)/2]), "null": "null", "nothing": "{}", "no heard": `{"denied":[]}`,
		"no serial": `{"heard":{},"denied":[{"issuer":"01"}]}`, "no issuer": `{"heard":{},"denied":[{"serial":"1"}]}`,
	} {
		t.Run("C2 broken: "+name, func(t *testing.T) {
			require.NoError(t, os.WriteFile(w.Config.Denials, []byte(text), 0o600))
			_, err := trust.Open(w.Config)
			require.ErrorContains(t, err, "cannot read the revocations that were pushed, "+w.Config.Denials)
			require.ErrorContains(t, err, "restore it, or remove it to start anew")
		})
	}
}

// A file that cannot be written is logged, and written later; the denial is in force all the same.
func TestDenialsNotKept(t *testing.T) {
	w := bed.New(t)
	w.Config.Denials = filepath.Join(t.TempDir(), "nowhere", "denials.json")
	trust, stop := live(t, w)
	trust.Deny(revocation.Denied{IssuerKeyID: []byte{1}, Serial: big.NewInt(1)})
	stop()
	require.NoError(t, os.Mkdir(filepath.Dir(w.Config.Denials), 0o700))
	trust, stop = live(t, w)
	trust.Deny(revocation.Denied{IssuerKeyID: []byte{1}, Serial: big.NewInt(1)})
	stop()
	require.FileExists(t, w.Config.Denials)
}

// TestC2AnswersOverARestart: a gateway that starts while no responder can be reached lets in the peers that it knew to
// be good, until the answer ends, and no peer that it knew to be revoked; a responder that can be reached has the last
// word.
func TestC2AnswersOverARestart(t *testing.T) {
	begin := func(t *testing.T, opts ...pkitest.OCSPOption) (w *bed.World, server *pkitest.OCSPServer,
		chain []*x509.Certificate, now *time.Time) {
		w = bed.New(t)
		w.WithoutCRL()
		server = w.Issuing.ServeOCSP(t)
		server.Answer(opts...)
		at := time.Now()
		w.Config.Clock = func() time.Time { return at }
		w.Config.OCSP.Responders, w.Config.Answers = []string{server.URL}, filepath.Join(t.TempDir(), "answers")
		chain = pkitest.Chain(w.Issue(bed.TLA1, bed.AsClient))
		store, stop := live(t, w)
		_, _ = store.Verify(chain, trust.Want{Usage: bed.AsClient})
		stop()
		server.Fail(503)
		return w, server, chain, &at
	}
	t.Run("C2 good", func(t *testing.T) {
		w, server, chain, now := begin(t)
		verdict, err := w.Open().Verify(chain, trust.Want{Usage: bed.AsClient})
		require.NoError(t, err)
		require.Equal(t, pki.SourceCache, verdict.Revocation[0].Kind)
		_, stop := live(t, w)
		stop() // what was not needed stays in the file
		store := w.Open()
		require.Empty(t, reasonFor(store, chain))
		require.Equal(t, pki.OCSPMissing, reasonFor(store, pkitest.Chain(w.Issue("urn:tlagate:cab1:tla:t2",
			bed.AsClient))))

		server.Answer()
		store = w.Open()
		verdict, err = store.Verify(chain, trust.Want{Usage: bed.AsClient})
		require.NoError(t, err)
		require.Equal(t, pki.SourceOCSP, verdict.Revocation[0].Kind, "it may have changed meanwhile")
		server.Fail(503)
		*now = now.Add(25 * time.Hour)
		require.Equal(t, pki.OCSPStale, reasonFor(w.Open(), chain))
	})
	t.Run("C2 revoked meanwhile", func(t *testing.T) {
		w, server, chain, _ := begin(t)
		w.Issuing.Revoke(chain[0])
		server.Answer()
		require.Equal(t, pki.Revoked, reasonFor(w.Open(), chain))
	})
	t.Run("C2 revoked before, and the CRL does not know yet", func(t *testing.T) {
		w, server, chain, now := begin(t, pkitest.OCSPStatus("revoked"))
		w.Config.CRLs = w.Files.CRLs()
		require.Equal(t, pki.Revoked, reasonFor(w.Open(), chain))
		server.Answer(pkitest.OCSPStatus("good"))
		require.Equal(t, pki.Revoked, reasonFor(w.Open(), chain), "for good")
		*now = now.Add(25 * time.Hour)
		require.Equal(t, pki.Revoked, reasonFor(w.Open(), chain), "its end does not make it good")
	})
	t.Run("C2 unsigned, and of another CA", func(t *testing.T) {
		w, _, chain, _ := begin(t)
		for _, der := range [][]byte{
			w.Issuing.OCSP(chain[0], pkitest.OCSPBadSignature()),
			w.Issuing.OCSP(chain[0], pkitest.OCSPSignedBy(w.Root.Responder())),
			w.Issuing.OCSP(bed.Other(w)), w.Issuing.OCSP(chain[0], pkitest.OCSPStale()),
		} {
			require.NoError(t, os.WriteFile(w.Config.Answers, der, 0o600))
			require.NotEmpty(t, reasonFor(w.Open(), chain))
		}
	})
	t.Run("C2 broken", func(t *testing.T) {
		w, _, _, _ := begin(t)
		good, err := os.ReadFile(w.Config.Answers)
		require.NoError(t, err)
		for _, data := range [][]byte{{}, good[:len(good)-1], append(good, 0x30), []byte("hello")} {
			require.NoError(t, os.WriteFile(w.Config.Answers, data, 0o600))
			_, err := trust.Open(w.Config)
			require.ErrorContains(t, err, "cannot read the OCSP answers kept, "+w.Config.Answers)
		}
	})
}
