// Package bed is what the tests of a trust store and of its revocation data have in common: a PKI that is written as a
// trust store, a judge that trusts it, and peers to be judged.
package bed

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
	"tlagate/pki/pkitest"
	"tlagate/pki/revocation"
	"tlagate/pki/trust"
)

// Patience is how long a test waits for what must happen, on a machine however slow.
const Patience = 2 * time.Minute

const (
	TLA1 = "urn:tlagate:cab1:tla:t1"
	PdT1 = "urn:tlagate:cab1:pdt:p1"

	AsClient = x509.ExtKeyUsageClientAuth
	AsServer = x509.ExtKeyUsageServerAuth
)

// World is a PKI, written as a trust store, and the configuration of a judge that trusts it.
type World struct {
	*pkitest.PKI
	T      testing.TB
	Files  pkitest.Files
	Config trust.Config
}

// New makes a World.
func New(t testing.TB) *World {
	t.Helper()
	w := &World{PKI: pkitest.New(t), T: t}
	w.Files = w.WriteTrust(t.TempDir())
	w.Config = trust.Config{
		Anchors:    []trust.AnchorFile{{File: w.Files.Anchor, Practices: []string{"*"}}},
		Revocation: revocation.Config{CRLs: w.Files.CRLs()},
	}
	return w
}

// Open opens the trust store.
func (w *World) Open() *trust.Trust {
	w.T.Helper()
	trust, err := trust.Open(w.Config)
	require.NoError(w.T, err)
	return trust
}

// Party returns an end of links with a certificate of this PKI.
func (w *World) Party(store *trust.Trust, id string, usage x509.ExtKeyUsage) *trust.Party {
	w.T.Helper()
	cert := w.Issue(id, usage, pkitest.DNS("localhost"))
	return &trust.Party{Trust: store, Certificate: func() *tls.Certificate { return &cert }}
}

// MustParse returns an identity that a test knows to be good.
func MustParse(t testing.TB, urn string) pki.Identity {
	t.Helper()
	id, err := pki.ParseIdentity(urn)
	require.NoError(t, err)
	return id
}

// LogTo returns a buffer that collects the log of the stores that are opened from now on.
func (w *World) LogTo() *LogBuffer {
	l := &LogBuffer{}
	w.Config.Log = slog.New(slog.NewTextHandler(l, nil))
	return l
}

// Denies makes the stores that are opened from now on use a deny list of one line.
func (w *World) Denies(line string) {
	w.Config.DenyList = filepath.Join(w.T.TempDir(), "deny")
	require.NoError(w.T, os.WriteFile(w.Config.DenyList, []byte(line), 0o600))
}

// WithoutCRL leaves only the ARL: a leaf is good by OCSP or not at all.
func (w *World) WithoutCRL() { w.Config.CRLs = []string{w.Files.ARL} }

// Judged makes the trust store judge a new peer, which must pass, and returns the peer's chain.
func (w *World) Judged(t *testing.T, store *trust.Trust) []*x509.Certificate {
	t.Helper()
	chain := pkitest.Chain(w.Issue(TLA1, AsClient))
	_, err := store.Verify(chain, trust.Want{Usage: AsClient})
	require.NoError(t, err)
	return chain
}
