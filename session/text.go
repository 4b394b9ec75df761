package session

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"tlagate/session/ahead"
	"tlagate/session/internal/peertext"
)

// ID identifies a session in logs and traces: 16 random octets.
type ID [16]byte

// NewID returns a random ID.
func NewID() ID {
	var id ID
	_, _ = rand.Read(id[:]) // never fails (crypto/rand)
	return id
}

// String returns 32 lower-case hex digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

const version = 1

type slotText struct {
	Slot Slot   `json:"slot"`
	Role string `json:"role"`
}

// helloTLA is the TLA's first frame, helloPdT the PdT's answer.
type helloTLA struct {
	Versions []int      `json:"versions"`
	Session  string     `json:"session"`
	Slots    []slotText `json:"slots"`
	Shown    bool       `json:"shown,omitempty"` // it knows the frame shown; on the first link
	Ahead    *aheadText `json:"ahead,omitempty"` // it can read ahead; on the first link

	Resume *resumeTLA `json:"resume,omitempty"` // on a further link of the session
}

type helloPdT struct {
	Version int        `json:"version"`
	Session string     `json:"session"`
	Shown   bool       `json:"shown,omitempty"` // it will send the frame shown; on the first link
	Ahead   *aheadText `json:"ahead,omitempty"` // read-ahead is agreed; on the first link
	Resume  *resumePdT `json:"resume,omitempty"`
}

// aheadText offers read-ahead, or agrees to it.
type aheadText struct {
	Window int `json:"window"` // most promises at once, from 1 to ahead.MaxWindow
}

// offer returns the offer of a window; nil = there is no read-ahead.
func offer(window int) *aheadText {
	if window <= 0 {
		return nil
	}
	return &aheadText{min(window, ahead.MaxWindow)}
}

// agree returns the window that both ends agree on, 0 for none. What a peer writes may be anything.
func agree(ours int, theirs *aheadText) int {
	if theirs == nil || theirs.Window < 1 || ours <= 0 {
		return 0
	}
	return min(ours, theirs.Window, ahead.MaxWindow)
}

func newHelloTLA(id ID) helloTLA {
	h := helloTLA{Versions: []int{version}, Session: id.String()}
	for s := Slot(0); s < Slots; s++ {
		h.Slots = append(h.Slots, slotText{s, s.String()})
	}
	return h
}

func (h helloTLA) check(session string) error {
	switch {
	case !slices.Contains(h.Versions, version):
		return protocolErrorf("hello offers none of our versions (%d)", version)
	case h.Session != session:
		return protocolErrorf("hello of another session than the one joined")
	case len(h.Slots) != Slots:
		return protocolErrorf("hello names %d slots, want %d", len(h.Slots), Slots)
	}
	return nil
}

// ByeCode says why an end leaves.
type ByeCode string

// The codes of a bye.
const (
	ByeStopped  ByeCode = "stopped"   // the user ended the session
	ByeBusy     ByeCode = "busy"      // no free reader pair
	ByeRemoved  ByeCode = "removed"   // the readers are gone
	ByeProtocol ByeCode = "protocol"  // the peer broke the specification
	ByeShutdown ByeCode = "shutdown"  // the program stops
	ByeTimeOver ByeCode = "time_over" // the absolute limit
	ByeInactive ByeCode = "inactive"  // no command for too long (SA4)
	ByeRefused  ByeCode = "refused"   // this peer may not have a session here
	ByeGone     ByeCode = "gone"      // there is no such session to resume
	ByeUser     ByeCode = "user"      // the user's proof, or the person, does not pass; or the user's card is gone
)

// ByeCodes lists all codes.
var ByeCodes = []ByeCode{ByeStopped, ByeBusy, ByeRemoved, ByeProtocol, ByeShutdown, ByeTimeOver,
	ByeInactive, ByeRefused, ByeGone, ByeUser}

// Bye is the last word of an end. As an error it is why a session ended.
type Bye struct {
	Code ByeCode `json:"code"`
	Text string  `json:"text"` // one sentence
}

func (b *Bye) Error() string { return fmt.Sprintf("%s: %s", b.Code, b.Text) }

func decodeBye(payload []byte) error {
	b := new(Bye)
	if err := json.Unmarshal(payload, b); err != nil {
		return protocolErrorf("bye cannot be read")
	}
	b.Code, b.Text = ByeCode(peertext.Clean(string(b.Code))), peertext.Clean(b.Text)
	return b
}
