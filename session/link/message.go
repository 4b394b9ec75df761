package link

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"

	"tlagate/session/incident"
	"tlagate/session/internal/peertext"
	"tlagate/session/proof"
)

var sessionID = regexp.MustCompile(`^[0-9a-f]{32}$`)

// Joined tells a parked PdT which TLA is at the other end.
type Joined struct {
	TLA     string `json:"tla"`     // identity URN, proven to the gateway
	Session string `json:"session"` // 16 octets in hex, chosen by the TLA

	Generation uint32 `json:"generation"` // number of this link of the session: 1 begins it, above it resumes it

	Nonce   string `json:"nonce,omitempty"`   // of generation 1: the gateway's nonce of this open
	Consent string `json:"consent,omitempty"` // likewise: the user's, signed over the nonce; passed on as it came (C4)
	Proof   string `json:"proof,omitempty"`   // likewise: of package proof, "" = the gateway got none (C2)
}

// Code says why a gateway ends or moves a link.
type Code string

// The codes of a notice.
const (
	CodeRevoked         Code = "revoked"
	CodeExpired         Code = "expired"
	CodeUserRevoked     Code = "user_revoked"
	CodeTimeOver        Code = "time_over"
	CodeDraining        Code = "draining"
	CodePeerGone        Code = "peer_gone"
	CodeEndedByOperator Code = "ended_by_operator"
	CodeProtocol        Code = "protocol"
)

// Codes lists all codes.
var Codes = []Code{CodeRevoked, CodeExpired, CodeUserRevoked, CodeTimeOver, CodeDraining, CodePeerGone,
	CodeEndedByOperator, CodeProtocol}

// Notice is what a gateway says before it closes a link, or to ask its peer to move. As an error it is why a link
// ended.
type Notice struct {
	Code Code   `json:"code"`
	Text string `json:"text"` // one sentence

	// of what the gateway ended, for whoever asks about it; "" = it is no incident, or an older gateway's
	Incident string `json:"incident,omitempty"`
}

// Resumable reports whether a card session whose link ended with err may go on over another: nobody ended the session.
func Resumable(err error) bool {
	var n *Notice
	if errors.As(err, &n) {
		return n.Code == CodePeerGone || n.Code == CodeDraining
	}
	var broken *ProtocolError
	return !errors.As(err, &broken)
}

func (n *Notice) Error() string { return fmt.Sprintf("%s: %s", n.Code, n.Text) }

func decodeNotice(payload []byte) (*Notice, error) {
	n := new(Notice)
	if err := json.Unmarshal(payload, n); err != nil {
		return nil, protocolErrorf("notice cannot be read")
	}
	n.Text = peertext.Clean(n.Text)
	n.Code = Code(peertext.Clean(string(n.Code)))
	n.Incident = incident.Of(n.Incident)
	return n, nil
}

// maxConsent is the longest consent, in octets: what fits into an Authorization.
const maxConsent = 4096

func decodeJoined(payload []byte) (*Joined, error) {
	j := new(Joined)
	if err := json.Unmarshal(payload, j); err != nil || j.TLA == "" || j.Generation == 0 ||
		!sessionID.MatchString(j.Session) {
		return nil, protocolErrorf("joined cannot be read")
	}
	j.TLA, j.Nonce = peertext.Clean(j.TLA), peertext.Clean(j.Nonce)
	if len(j.Consent) > maxConsent || len(j.Proof) > proof.MaxText {
		return nil, protocolErrorf("joined with a consent of %d octets and a proof of %d", len(j.Consent), len(j.Proof))
	}
	return j, nil
}
