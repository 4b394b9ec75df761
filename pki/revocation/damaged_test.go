package revocation_test

import (
	"bytes"
	"os"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
	"tlagate/pki/pkitest"
	"tlagate/pki/pkitest/bed"
	"tlagate/pki/trust"
)

// damages are what editors, incomplete copies and concatenations do to a PEM file of two blocks.
var damages = map[string]func(text []byte) []byte{
	"a byte order mark": func(text []byte) []byte { return append([]byte("\ufeff"), text...) },
	"one bad character": func(text []byte) []byte {
		return bed.Splice(text, bytes.IndexByte(text, '\n')+3, 1, []byte("*"))
	},
	"cut short":         func(text []byte) []byte { return text[:len(text)-40] },
	"an indented BEGIN": func(text []byte) []byte { return append([]byte(" "), text...) },
	"UTF-16": func(text []byte) []byte {
		wide := []byte{0xff, 0xfe}
		for _, unit := range utf16.Encode([]rune(string(text))) {
			wide = append(wide, byte(unit), byte(unit>>8))
		}
		return wide
	},
	"a private key among them": func(text []byte) []byte {
		return append(text, "-----BEGIN PRIVATE KEY-----\nAQID\n-----END PRIVATE KEY-----\n"...)
	},
}

// TestC2ADamagedListIsNoList: if one list of a file is unreadable, none is used. So a certificate on that list stays
// out after a start; in a running program the lists from before stay in force, and the log warns.
func TestC2ADamagedListIsNoList(t *testing.T) {
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			w := bed.New(t)
			log, peer := w.LogTo(), w.Issue(bed.TLA1, bed.AsClient)
			w.Config.CRLs = []string{w.Files.CRL}
			pkitest.WriteCRL(t, w.Files.CRL, w.Issuing.CRL(), w.Root.CRL())
			trust := w.Open()
			require.NoError(t, bed.Verify(trust, peer))

			w.Issuing.Revoke(peer.Leaf)
			pkitest.WriteCRL(t, w.Files.CRL, w.Issuing.CRL(), w.Root.CRL())
			text, err := os.ReadFile(w.Files.CRL)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(w.Files.CRL, damage(text), 0o644))
			trust.Reload()
			require.Len(t, trust.Lists(), 2)
			require.Contains(t, log.String(), "level=WARN msg=\"cannot read CRL\" reason=crl_bad")
			require.NoError(t, bed.Verify(trust, peer), "by the list from before")

			started := w.Open()
			require.Equal(t, pki.CRLBad, pki.ReasonOf(bed.Verify(started, peer)))
			lists := started.Lists()
			require.Len(t, lists, 1)
			require.ErrorContains(t, lists[0].Err, w.Files.CRL)

			require.NoError(t, os.WriteFile(w.Files.CRL, text, 0o644))
			trust.Reload()
			require.Equal(t, pki.Revoked, pki.ReasonOf(bed.Verify(trust, peer)), "repaired")
		})
	}
}

// TestC2ADamagedAnchorIsNoneLost: if one anchor or issuing CA of a file is unreadable, none of the file is used, and
// none from before is lost.
func TestC2ADamagedAnchorIsNoneLost(t *testing.T) {
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			w, other := bed.New(t), pkitest.NewNamed(t, "TEST second")
			pkitest.WriteCRL(t, w.Files.CRL, w.Issuing.CRL(), other.Root.CRL(), other.Issuing.CRL())
			pkitest.WriteCertificates(t, w.Files.Anchor, w.Root.Cert, other.Root.Cert)
			store := w.Open()
			ours, theirs := w.Issue(bed.TLA1, bed.AsClient), other.Issue(bed.TLA1, bed.AsClient)
			text, err := os.ReadFile(w.Files.Anchor)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(w.Files.Anchor, damage(text), 0o644))
			store.Reload()
			require.NoError(t, bed.Verify(store, ours))
			require.NoError(t, bed.Verify(store, theirs))

			_, err = trust.Open(w.Config)
			require.ErrorContains(t, err, w.Files.Anchor)
			w.Config.Anchors[0].File, w.Config.Intermediates = w.Files.Intermediate, []string{w.Files.Anchor}
			_, err = trust.Open(w.Config)
			require.ErrorContains(t, err, w.Files.Anchor)
		})
	}
}
