// Package prooftest makes proofs of users for tests, as a card would.
package prooftest

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"time"

	"tlagate/session/proof"
)

// Exporter returns what a statement says of an outer link.
func Exporter(conn *tls.Conn) string {
	state := conn.ConnectionState()
	value, err := state.ExportKeyingMaterial(proof.ExporterLabel, nil, proof.ExporterLen)
	if err != nil {
		panic(err)
	}
	return hex.EncodeToString(value)
}

// Statement returns what a card signs now for a consent over a nonce; the caller completes it.
func Statement(nonce, consent string) proof.Statement {
	return proof.Statement{Means: proof.MeansCPS, Nonce: nonce, Consent: proof.HashOf(consent), At: time.Now()}
}

// Sign returns the proof that a person's card makes of a statement; an RSA key signs as a CPS does.
func Sign(person tls.Certificate, s proof.Statement) (string, error) {
	return proof.Make(s, person.Certificate[0], func(digest [sha256.Size]byte) ([]byte, error) {
		return person.PrivateKey.(crypto.Signer).Sign(rand.Reader, digest[:], crypto.SHA256)
	})
}
