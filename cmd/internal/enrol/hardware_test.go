package enrol

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/cmd/internal/cli"
	"tlagate/est"
	"tlagate/keys"
	"tlagate/keys/keystest"
)

// A key in a TPM is made once; the certificate is renewed for it.
func TestSP2EnrolAndRenewInATPM(t *testing.T) {
	b := newBox(t, tla1, est.TLA)
	b.Pairs[0].Files.Key = keys.Spec("tpm:" + string(b.path("tla.tpm")) + "?device=" + keystest.NewTPM(t))
	b.Options = append(b.Options, lived(0.7))
	_, err := b.enrol()
	require.NoError(t, err)
	require.Equal(t, "arl.pem root.crt tla.crt tla.tpm", b.files())
	blob := b.read("tla.tpm")

	b.Options = nil
	r := runningOf(t, b)
	old := r.leaf(0)
	r.attempt(t.Context(), []est.Place{{Address: r.Addr}})
	require.Zero(t, r.Status().Reason, r.log.String())
	require.NotEqual(t, old.SerialNumber, r.leaf(0).SerialNumber)
	require.True(t, keys.SamePublic(old.PublicKey, r.leaf(0).PublicKey))
	require.Equal(t, blob, b.read("tla.tpm"))
	require.Equal(t, "arl.pem root.crt tla.crt tla.tpm", b.files())
}

// With a wrapping key, the next key is never on the disk in clear either.
func TestSP2KeyFilesAreEncrypted(t *testing.T) {
	b := newBox(t, tla1, est.TLA)
	require.NoError(t, os.WriteFile(string(b.path("wrap")), []byte("a wrapping key of at least thirty-two octets"),
		0o600))
	b.Pairs[0].Files.WrappingKey = cli.Path(b.path("wrap"))
	b.answer(503, "not_available: later")
	b.fails(NotAvailable)
	require.Contains(t, b.read("tla.key.next"), "ENCRYPTED PRIVATE KEY")
	b.Fail = nil
	_, err := b.enrol()
	require.NoError(t, err)
	require.Contains(t, b.read("tla.key"), "ENCRYPTED PRIVATE KEY")
}

// Half a key file, left by a crash while it was written, is not in the way.
func TestG2HalfAKeyIsMadeAgain(t *testing.T) {
	b := newBox(t, tla1, est.TLA)
	require.NoError(t, os.WriteFile(string(b.path("tla.key.next.new")), []byte("-----BEGIN PRIV"), 0o600))
	_, err := b.enrol()
	require.NoError(t, err)
	require.Equal(t, "arl.pem root.crt tla.crt tla.key", b.files())
}
