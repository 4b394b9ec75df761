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

// A session outlives its link (docs/protocol.md, section 4.1): each end proves on a further one that it was there at the start, and says where it stands.

// The labels of what is exported (RFC 8446, section 7.5).
const (
	labelSecret  = "EXPORTER-tlagate-resume"
	labelBinding = "EXPORTER-tlagate-link"
	exportLen    = 32 // octets
)

// Who proves.
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
	Slot    Slot   `json:"slot"`
	Pending uint32 `json:"pending"`
}

var (
	errFenced     = errors.New("a newer link of the session has taken over")
	errNoSecret   = errors.New("cannot resume a card session whose first link was not TLS")
	errNotStopped = errors.New("cannot resume a card session whose link is still served")
	errClosed     = errors.New("the card session is over")
)

// export gives octets that only the two ends of conn, a TLS connection, know; nil = it is none.
func export(conn net.Conn, label, session string) ([]byte, error) {
	t, ok := conn.(interface{ ConnectionState() tls.ConnectionState })
	if !ok {
		return nil, nil
	}
	state := t.ConnectionState()
	return state.ExportKeyingMaterial(label, []byte(session), exportLen)
}

// prove gives the proof that who knows secret, for one link.
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

// bindingOf gives what binds a proof to a further link.
func bindingOf(conn net.Conn, session string) ([]byte, error) {
	binding, err := export(conn, labelBinding, session)
	if err == nil && binding == nil {
		err = errors.New("cannot resume over a connection that is not TLS")
	}
	return binding, err
}

// Resumable tells whether a session whose link ended with err may go on over another: nobody ended it, nobody broke the protocol.
func Resumable(err error) bool {
	var bye *Bye
	var broken *ProtocolError
	return !errors.As(err, &bye) && !errors.As(err, &broken)
}
