package pki_test

import (
	"bytes"
	"os"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
	"tlagate/pki/pkitest"
)

// damages are what editors, half copies and concatenations do to a PEM file of two blocks.
var damages = map[string]func(text []byte) []byte{
	"a byte order mark": func(text []byte) []byte { return append([]byte("\ufeff"), text...) },
	"one bad character": func(text []byte) []byte {
		return splice(text, bytes.IndexByte(text, '\n')+3, 1, []byte("*"))
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

// TestC2ADamagedListIsNoList: of a file with one unreadable list nothing is taken, so that whoever is on that list
// stays out at a start; in a running program the lists of before stay, and the log warns.
func TestC2ADamagedListIsNoList(t *testing.T) {
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			log, peer := w.logTo(), w.Issue(tla1, asClient)
			w.cfg.CRLs = []string{w.files.CRL}
			pkitest.WriteCRL(t, w.files.CRL, w.Issuing.CRL(), w.Root.CRL())
			trust := w.open()
			require.NoError(t, verify(trust, peer))

			w.Issuing.Revoke(peer.Leaf)
			pkitest.WriteCRL(t, w.files.CRL, w.Issuing.CRL(), w.Root.CRL())
			text, err := os.ReadFile(w.files.CRL)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(w.files.CRL, damage(text), 0o644))
			trust.Reload()
			require.Len(t, trust.Lists(), 2)
			require.Contains(t, log.String(), "level=WARN msg=\"cannot read CRL\" reason=crl_bad")
			require.NoError(t, verify(trust, peer), "the list of before says so")

			started := w.open()
			require.Equal(t, pki.CRLBad, pki.ReasonOf(verify(started, peer)))
			lists := started.Lists()
			require.Len(t, lists, 1)
			require.ErrorContains(t, lists[0].Err, w.files.CRL)

			require.NoError(t, os.WriteFile(w.files.CRL, text, 0o644))
			trust.Reload()
			require.Equal(t, pki.Revoked, pki.ReasonOf(verify(trust, peer)), "mended")
		})
	}
}

// TestC2ADamagedAnchorIsNoneLost: of a file with one unreadable anchor or issuing CA nothing is taken.
func TestC2ADamagedAnchorIsNoneLost(t *testing.T) {
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			w, other := newWorld(t), pkitest.NewNamed(t, "TEST second")
			pkitest.WriteCRL(t, w.files.CRL, w.Issuing.CRL(), other.Root.CRL(), other.Issuing.CRL())
			pkitest.WriteCertificates(t, w.files.Anchor, w.Root.Cert, other.Root.Cert)
			trust := w.open()
			ours, theirs := w.Issue(tla1, asClient), other.Issue(tla1, asClient)
			text, err := os.ReadFile(w.files.Anchor)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(w.files.Anchor, damage(text), 0o644))
			trust.Reload()
			require.NoError(t, verify(trust, ours))
			require.NoError(t, verify(trust, theirs))

			_, err = pki.OpenTrust(w.cfg)
			require.ErrorContains(t, err, w.files.Anchor)
			w.cfg.Anchors[0].File, w.cfg.Intermediates = w.files.Intermediate, []string{w.files.Anchor}
			_, err = pki.OpenTrust(w.cfg)
			require.ErrorContains(t, err, w.files.Anchor)
		})
	}
}
