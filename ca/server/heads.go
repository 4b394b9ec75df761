package server

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"tlagate/ca/store"
	"tlagate/heads"
	"tlagate/pki"
	"tlagate/pki/trust"
)

// How often a gateway may send a head: so many at once, then one more after each period.
const (
	headsAtOnce = 20
	headsPeriod = 10 * time.Minute
)

// longGone is when a silent gateway is taken for one that is out of use, rather than told of anew at each start.
const longGone = 48 * time.Hour

// headTime is how long a head may take to come, and an answer to be read.
const headTime = 10 * time.Second

// refusal is why a request is refused.
type refusal struct {
	status         int
	reason, detail string
}

// serveHeads answers POST and GET /v1/heads (docs/heads.md).
func (s *Server) serveHeads(w http.ResponseWriter, r *http.Request, peer *trust.Peer) {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(headTime))
	_ = control.SetWriteDeadline(time.Now().Add(6 * headTime)) // the books may be busy
	no := s.mayAskAboutHeads(peer)
	if no == nil {
		defer s.leave(peer.Identity)
		switch r.Method {
		case http.MethodPost:
			no = s.takeHead(w, r, peer)
		case http.MethodGet:
			no = s.giveHeads(w, r, peer)
		default:
			no = &refusal{http.StatusMethodNotAllowed, "method_not_allowed", "Only GET and POST are understood."}
		}
	}
	if no != nil {
		s.refused(w, r, peer, *no)
	}
}

// mayAskAboutHeads takes a place, unless it refuses.
func (s *Server) mayAskAboutHeads(peer *trust.Peer) *refusal {
	if err := s.cfg.Party.Trust.Recheck(peer); err != nil {
		return &refusal{http.StatusForbidden, string(pki.ReasonOf(err)), "Your certificate no longer passes."}
	}
	if !mayListen(peer.Identity.Role) {
		return &refusal{http.StatusForbidden, string(pki.WrongRole), "Only a gateway, or an administrator to read."}
	}
	if !s.enter(peer.Identity) {
		return &refusal{http.StatusTooManyRequests, "too_many", "This peer, or all together, have too many requests."}
	}
	return nil
}

// takeHead keeps the head in a request's body.
func (s *Server) takeHead(w http.ResponseWriter, r *http.Request, peer *trust.Peer) *refusal {
	if peer.Identity.Role != pki.RoleGateway {
		return &refusal{http.StatusForbidden, string(pki.WrongRole), "Only a gateway has a trace whose head is kept."}
	}
	if wait := s.heads.Take(peer.Identity.String()); wait > 0 {
		return &refusal{http.StatusTooManyRequests, "too_many", "This gateway has sent too many heads of late."}
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, heads.MaxText))
	if err != nil {
		return &refusal{http.StatusBadRequest, "bad_head", "The head cannot be read, or is too long."}
	}
	by := peer.Chain[0]
	said, err := heads.Open(string(text), by)
	if err != nil || len(by.Raw) > heads.MaxCertificate {
		return &refusal{http.StatusBadRequest, "bad_head",
			"This is no head that is signed by, and about, the gateway of your certificate."}
	}
	return s.keepHead(r.Context(), peer, store.Head{Gateway: said.Gateway, Number: said.Number, Hash: said.Hash,
		Signed: string(text), Certificate: by.Raw})
}

// keepHead keeps a head, unless ctx ends before: the gateway has given up, and may have sent a later one.
func (s *Server) keepHead(ctx context.Context, peer *trust.Peer, h store.Head) *refusal {
	switch err := s.cfg.CA.Heads.Say(ctx, h, heads.Life); {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return &refusal{http.StatusServiceUnavailable, "not_available", "The connection was given up."}
	case errors.Is(err, store.ErrHeadBack), errors.Is(err, store.ErrHeadOther):
		s.log.Error("the head of a gateway's audit trace is refused: somebody rewrote that trace, or went back in it",
			"peer", peer.Identity.String(), "number", h.Number, "error", err)
		return &refusal{http.StatusConflict, "head_refused",
			"A head of this gateway is known that has a higher number, or this number and another hash."}
	default:
		s.log.Error("a head cannot be kept", "peer", peer.Identity.String(), "error", err)
		return &refusal{http.StatusServiceUnavailable, "not_available", "The books cannot be written just now."}
	}
}

// giveHeads writes a page of a gateway's heads.
func (s *Server) giveHeads(w http.ResponseWriter, r *http.Request, peer *trust.Peer) *refusal {
	whose, from, no := asked(r, peer)
	if no != nil {
		return no
	}
	list, err := s.cfg.CA.Heads.Of(whose, from, heads.Page)
	if err != nil {
		s.log.Error("heads cannot be read", "error", err)
		return &refusal{http.StatusServiceUnavailable, "not_available", "The books cannot be read just now."}
	}
	w.Header().Set("Content-Type", heads.ContentType)
	w.Header().Set("Cache-Control", "no-store")
	out := json.NewEncoder(w)
	for _, h := range list {
		if err := out.Encode(Kept(h)); err != nil {
			return nil // the reader has gone
		}
	}
	return nil
}

// asked returns whose heads a request wants, and from which number on.
func asked(r *http.Request, peer *trust.Peer) (whose pki.Identity, from uint64, no *refusal) {
	whose, query := peer.Identity, r.URL.Query()
	if text := query.Get("gateway"); text != "" {
		var err error
		if whose, err = pki.ParseIdentity(text); err != nil {
			return whose, 0, &refusal{http.StatusBadRequest, "bad_request", "gateway is no identity."}
		}
	}
	if whose != peer.Identity && peer.Identity.Role != pki.RoleAdmin {
		return whose, 0, &refusal{http.StatusForbidden, string(pki.WrongRole), "A gateway reads its own heads alone."}
	}
	if text := query.Get("from"); text != "" {
		var err error
		if from, err = strconv.ParseUint(text, 10, 63); err != nil {
			return whose, 0, &refusal{http.StatusBadRequest, "bad_request", "from is no number of a line."}
		}
	}
	return whose, from, nil
}

// Kept returns a head of the books as it is given to those who may read it.
func Kept(h store.Head) heads.Kept {
	return heads.Kept{Gateway: h.Gateway, Number: h.Number, Hash: h.Hash, Received: h.Received, Head: h.Signed,
		Certificate: h.Certificate}
}

// lateHeads raises the alarm, once for each silence, about gateways that sent heads and send none any more: whoever
// commands a gateway can silence its own alarm. told has what was said already.
func (s *Server) lateHeads(told map[string]time.Time) {
	all, err := s.cfg.CA.Heads.Newest()
	if err != nil {
		s.log.Error("heads cannot be read", "error", err)
		return
	}
	for _, h := range all {
		silent := time.Since(h.Received)
		if silent < s.cfg.LateHead || silent > s.cfg.LateHead+longGone || told[h.Gateway].Equal(h.Received) {
			continue
		}
		told[h.Gateway] = h.Received
		s.log.Error("a gateway has sent no head of its audit trace for long: it could be rewritten unseen",
			"peer", h.Gateway, "last", h.Received)
		if err := s.cfg.CA.Heads.Late(h, s.cfg.LateHead); err != nil {
			s.log.Error("a late head is not in the audit trace", "error", err)
		}
	}
}
