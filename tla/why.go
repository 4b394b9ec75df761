package tla

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"

	"tlagate/dialer"
	"tlagate/pki"
	"tlagate/pki/trust"
	"tlagate/session"
	"tlagate/session/link"
)

// Code is the one stable word for why a session did not start, or ended.
type Code string

// The codes. The comment of each says what Reason holds.
const (
	CodeAlready       Code = "already_running" // there is a session; one at a time
	CodeConfiguration Code = "configuration"   // our own certificate or the PdT's name cannot be used
	CodeUnreachable   Code = "unreachable"     // no gateway answers
	// the HTTP proxy Peer (host:port) does not carry us to the gateway: a dialer.Reason
	CodeProxy Code = "proxy"
	// a web server answers in a gateway's place, without TLS: a captive portal
	CodePortal  Code = "portal"
	CodeRefused Code = "refused" // we refused Peer: a pki.Reason
	// Peer refused us: a pki.Reason, or "" when only Peer knows; Detail is a hint
	CodeRejected  Code = "rejected"
	CodeProblem   Code = "problem"           // the gateway's answer: a link.ProblemCode
	CodePdT       Code = "pdt"               // the PdT said bye: a session.ByeCode
	CodeNotice    Code = "notice"            // the gateway's last word: a link.Code
	CodeTimeout   Code = "timeout"           // Peer was reached and did not answer in time
	CodeLost      Code = "connection_lost"   // the connection broke or went silent
	CodeProtocol  Code = "protocol"          // Peer broke the protocol
	CodeStopped   Code = "stopped"           // the user ended it
	CodeCancelled Code = "cancelled"         // the user went away before it had started
	CodeTimeOver  Code = "time_over"         // the absolute limit
	CodeInactive  Code = "inactive"          // no command for too long (SA4)
	CodeAbsent    Code = "absent"            // the user did not say that they were still there (SA4)
	CodeExpired   Code = "certificate_ended" // our own certificate has ended
	CodeShutdown  Code = "shutdown"          // the relay stops
	// a warning, not an end: the card policy stopped ManyRefused commands; Reason is the slot of the last
	CodeManyRefused Code = "many_refused"
	// the signed configuration cannot be used: a bundle.Reason, or "changed"; File says which file
	CodeSeal Code = "seal"
	// the machine is not as its signed manifests say: an integrity.Why or bundle.Reason; File says which file
	CodeIntegrity Code = "integrity"
)

// Why says why a session did not start, or ended. The words for people are made from it elsewhere.
type Why struct {
	Code   Code   `json:"code"`
	Reason string `json:"reason,omitempty"`
	// identity, or the role while it is not proven; for CodeProxy, host:port of the proxy
	Peer    string `json:"peer,omitempty"`
	Gateway string `json:"gateway,omitempty"` // host:port
	File    string `json:"file,omitempty"`    // of CodeSeal and CodeIntegrity
	// of the problem user_refused: why the certificate of the user's card does not pass, a pki.Reason; of
	// user_required: why there was no proof, a reason of CodeUser
	Cause  string `json:"cause,omitempty"`
	Detail string `json:"detail,omitempty"` // English: what was found, what to do

	// the user reads it to the operator, who finds it in log and audit trace; "" = no incident
	Incident string `json:"incident,omitempty"`

	stage stage // how far the start got
}

// Error returns "CODE: reason: detail".
func (w *Why) Error() string {
	text := string(w.Code)
	for _, part := range []string{w.Reason, w.Detail} {
		if part != "" {
			text += ": " + part
		}
	}
	return text
}

// stage is how far a start got.
type stage int

const (
	stageDial  stage = iota // TCP
	stageOuter              // TLS with the gateway
	stageOpen               // its answer to the open
	stageInner              // TLS with the PdT
	stageHello              // the PdT's answer
	stageUp
)

// failure is an attempt that failed, and how far it got.
type failure struct {
	stage   stage
	peer    string
	gateway string
	err     error
	last    error  // of a lost link: why it could not be got back
	lack    string // why the user's proof was lacking; "" = it was not
}

func (f *failure) Error() string { return fmt.Sprintf("%s: %v", f.gateway, f.err) }
func (f *failure) Unwrap() error { return f.err }

// final reports whether another gateway would make no difference: the PdT has spoken, or we stop.
func (f *failure) final() bool { return f.stage >= stageHello || errors.As(f.err, new(*Why)) }

// why returns the failure as a Why.
func (f *failure) why() *Why {
	w := explain(f.err)
	if w.Peer == "" {
		w.Peer = f.peer
	}
	w.Gateway, w.stage = f.gateway, f.stage
	if w.Code == CodeProblem && w.Reason == string(link.ProblemUserRequired) {
		w.Cause = f.lack
	}
	if f.stage == stageDial && (w.Code == CodeLost || w.Code == CodeTimeout) {
		w.Code, w.Peer = CodeUnreachable, ""
	}
	return w
}

// explain returns what an error of the layers below means.
func explain(err error) *Why {
	for _, known := range explainers {
		if w := known(err); w != nil {
			return w
		}
	}
	return &Why{Code: CodeLost, Detail: err.Error()}
}

// explainers are tried in order, the most telling first; each returns nil for an error that is not its own.
var explainers = []func(error) *Why{
	as(func(e *Why) *Why { c := *e; return &c }),
	as(sealBroken),
	as(brokenOff),
	as(portal),
	as(func(e *dialer.ProxyError) *Why {
		return &Why{Code: CodeProxy, Reason: string(e.Reason), Peer: e.Proxy, Detail: e.Error()}
	}),
	as(func(e *pki.Refusal) *Why {
		return &Why{Code: CodeRefused, Reason: string(e.Reason), Detail: e.Subject + ": " + e.Detail}
	}),
	as(func(e *trust.Rejected) *Why {
		return &Why{Code: CodeRejected, Reason: string(e.Reason), Detail: e.Hint}
	}),
	as(func(e *link.Problem) *Why {
		return &Why{Code: CodeProblem, Reason: string(e.Code), Cause: e.Reason, Detail: e.Detail + " " + e.Action}
	}),
	as(func(e *session.Bye) *Why {
		return &Why{Code: CodePdT, Reason: string(e.Code), Detail: e.Text}
	}),
	as(noticed),
	as(func(e *session.ProtocolError) *Why { return &Why{Code: CodeProtocol, Detail: e.Detail} }),
	as(func(e *link.ProtocolError) *Why { return &Why{Code: CodeProtocol, Detail: e.Detail} }),
	func(err error) *Why {
		if !timedOut(err) {
			return nil
		}
		return &Why{Code: CodeTimeout, Detail: err.Error()}
	},
}

// brokenOff explains a handshake that the gateway ended with a notice, which says more than the broken handshake.
func brokenOff(e *pki.Refusal) *Why {
	var n *link.Notice
	if e.Reason != pki.HandshakeFailed || !errors.As(e.Cause, &n) {
		return nil
	}
	return noticed(n)
}

// portal explains a handshake that was answered in plain HTTP.
func portal(e *pki.Refusal) *Why {
	var h tls.RecordHeaderError
	if !errors.As(e.Cause, &h) || string(h.RecordHeader[:]) != "HTTP/" {
		return nil
	}
	return &Why{Code: CodePortal,
		Detail: "a web server answers there, without TLS: a captive portal, most likely; open a web page from this " +
			"network"}
}

func noticed(n *link.Notice) *Why {
	return &Why{Code: CodeNotice, Reason: string(n.Code), Detail: n.Text, Incident: n.Incident}
}

func as[E error](make func(E) *Why) func(error) *Why {
	return func(err error) *Why {
		var e E
		if !errors.As(err, &e) {
			return nil
		}
		return make(e)
	}
}

// timedOut reports whether one answer did not come in time; a link that fell silent during a session is lost instead.
func timedOut(err error) bool {
	var timeout interface{ Timeout() bool }
	return !errors.Is(err, session.ErrDead) &&
		(errors.Is(err, context.DeadlineExceeded) || (errors.As(err, &timeout) && timeout.Timeout()))
}
