package pdt

import (
	"context"
	"errors"

	"tlagate/dialer"
	"tlagate/pki"
	"tlagate/pki/trust"
	"tlagate/session"
	"tlagate/session/link"
)

// reasonOf returns the one word for why a link or session ended: that of a refusal, problem, notice or bye.
func reasonOf(err error) string {
	if r := pki.ReasonOf(err); r != "" {
		return string(r)
	}
	if e, ok := errors.AsType[*link.Problem](err); ok {
		return string(e.Code)
	}
	if e, ok := errors.AsType[*link.Notice](err); ok {
		return string(e.Code)
	}
	if e, ok := errors.AsType[*session.Bye](err); ok {
		return string(e.Code)
	}
	if _, ok := errors.AsType[*userError](err); ok {
		return string(link.CodeUserRevoked)
	}
	return otherReason(err)
}

func otherReason(err error) string {
	if _, ok := errors.AsType[*trust.Rejected](err); ok {
		return "rejected"
	}
	if _, ok := errors.AsType[*dialer.ProxyError](err); ok {
		return "proxy"
	}
	_, ofLink := errors.AsType[*link.ProtocolError](err)
	_, ofSession := errors.AsType[*session.ProtocolError](err)
	switch {
	case errors.Is(err, errGrace):
		return "not_back"
	case errors.Is(err, errReplaced):
		return "replaced"
	case ofLink || ofSession:
		return "protocol"
	case errors.Is(err, link.ErrDead) || errors.Is(err, session.ErrDead):
		return "dead"
	case errors.Is(err, context.Canceled):
		return "shutdown"
	}
	return "network"
}
