package session

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net"
)

// A session outlives its link (docs/protocol.md, section 4.1): on a further link each end proves that it was there at
// the start, and says where it stands.

// The labels of what is exported (RFC 8446, section 7.5).
const (
	labelSecret  = "EXPORTER-tlagate-resume"
	labelBinding = "EXPORTER-tlagate-link"
	exportLen    = 32 // octets
)

// The two ends, in a proof.
const (
	proofTerminal    = "terminal"
	proofWorkstation = "workstation"
)

type resumeTLA struct {
	Generation uint32        `json:"generation"`
	Proof      string        `json:"proof"`
	Slots      []slotSeqText `json:"slots"`
}

type resumePdT struct {
	Proof string            `json:"proof"`
	Slots []slotPendingText `json:"slots"`
}

type slotSeqText struct {
	Slot Slot   `json:"slot"`
	Seq  uint32 `json:"seq"`
}

type slotPendingText struct {
	Slot    Slot    `json:"slot"`
	Pending uint32  `json:"pending"`
	Seq     *uint32 `json:"seq,omitempty"` // with read-ahead: the last number whose program has an answer
}

var (
	errFenced     = errors.New("a newer link of the session has taken over")
	errNoSecret   = errors.New("cannot resume a card session whose first link was not TLS")
	errNotStopped = errors.New("cannot resume a card session whose link is still served")
	errNeverUp    = errors.New("cannot resume a card session that the PdT has not accepted")
	errClosed     = errors.New("the card session is over")
)

// export returns octets that only the two ends of a TLS connection know; nil when conn is none.
func export(conn net.Conn, label, session string) ([]byte, error) {
	t, ok := conn.(interface{ ConnectionState() tls.ConnectionState })
	if !ok {
		return nil, nil
	}
	state := t.ConnectionState()
	return state.ExportKeyingMaterial(label, []byte(session), exportLen)
}

// prove returns the proof, for one link, that the end who knows secret.
func prove(secret []byte, who string, generation uint32, binding []byte) string {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte(who))
	h.Write(binary.BigEndian.AppendUint32(nil, generation))
	h.Write(binding)
	return hex.EncodeToString(h.Sum(nil))
}

func proven(proof string, secret []byte, who string, generation uint32, binding []byte) bool {
	return hmac.Equal([]byte(proof), []byte(prove(secret, who, generation, binding)))
}

// bindingOf returns what binds a proof to a further link.
func bindingOf(conn net.Conn, session string) ([]byte, error) {
	binding, err := export(conn, labelBinding, session)
	if err == nil && binding == nil {
		err = errors.New("cannot resume over a connection that is not TLS")
	}
	return binding, err
}

// Resumable reports whether a session whose link ended with err may go on over another: neither end said bye or broke
// the protocol.
func Resumable(err error) bool {
	var bye *Bye
	var broken *ProtocolError
	return !errors.As(err, &bye) && !errors.As(err, &broken)
}
