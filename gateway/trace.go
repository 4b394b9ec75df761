package gateway

import (
	"errors"
	"log/slog"
	"slices"
	"time"

	"tlagate/audit"
	"tlagate/audit/peers"
	"tlagate/bundle"
	"tlagate/pki"
	"tlagate/pki/listen"
	"tlagate/session/consent"
	"tlagate/session/link"
)

// trace records who was there, who was refused, and what sessions did (SA2; docs/audit.md). Only begin waits for the
// disk: what it records is there before the session begins. No table's mu is held meanwhile.
type trace struct {
	log    *audit.Log // nil = none is kept
	peers  *peers.Trace
	meters *meters
	ration *listen.Ration // of the log
}

// requestRefused records that a request of a proven peer was answered with a problem.
func (t *trace) requestRefused(c *client, path, incident string, p *link.Problem) {
	t.peers.RequestRefused(c.peer, c.remote, known(path), string(p.Code), audit.Incident(incident),
		audit.Reason(p.Reason))
}

// known returns the name of a request; a path that is none of ours may hold anything.
func known(path string) string {
	if slices.Contains([]string{link.PathWhoami, link.PathPark, link.PathOpen, bundle.Path}, path) {
		return short(path)
	}
	return "other"
}

// consented returns the event that a user's consent was verified, and its proof (C4).
func consented(s consent.Statement, text string, tla *client) audit.Event {
	return audit.Event{Kind: audit.ConsentAccepted, Attrs: audit.Consent(tla.peer.Chain[0], s.Session, s.PdT,
		string(s.Act), s.By, text)}
}

// begin records a session before it begins, with the consent to it in the same commit; the caller refuses what cannot
// be recorded. A further link is never refused for that: its line follows.
func (t *trace) begin(s *session, tla *client, pdt pki.Identity) *link.Problem {
	with := []audit.Attr{audit.Identity(tla.identity()), audit.PdT(pdt.String()), audit.Session(s.id),
		audit.Address(peers.AddressOf(tla.remote))}
	if s.generation > 1 {
		t.peers.Record(tla.identity(), "", audit.SessionResumed, with...)
		return nil
	}
	with = append(with, s.g.users.Load().mark(s.user)...)
	err := t.log.RecordAll(append(slices.Clip(s.consent), audit.Event{Kind: audit.SessionOpened, Attrs: with})...)
	if err != nil {
		t.complain("no session begins: the audit trace cannot be written", s, tla, err.Error())
		return traceFull()
	}
	if why := t.log.Failing(); why != "" {
		t.meters.untraced.Inc()
		t.complain("a session begins, and the audit trace cannot be written", s, tla, why)
	}
	return nil
}

func (t *trace) complain(message string, s *session, tla *client, why string) {
	t.ration.Log(listen.Line{Level: slog.LevelError, Message: message, Remote: tla.remote,
		Reason: string(link.ProblemTraceFull)}, "session", s.id, "error", why)
}

func traceFull() *link.Problem {
	return &link.Problem{Code: link.ProblemTraceFull,
		Detail: "The gateway cannot record the session in its audit trace.",
		Action: "Use another gateway; at this one, see to the disk that its audit trace is on."}
}

// notBegun records the consent to a session that does not begin.
func (t *trace) notBegun(s *session, tla *client) {
	for _, e := range s.consent {
		t.peers.Record(tla.identity(), "", e.Kind, e.Attrs...)
	}
}

// ended records that a link of a session is over; its ends are told the incident number.
func (t *trace) ended(s *session, reason, by, incident string, more ...audit.Attr) {
	tla := s.tla.client.identity()
	with := append(more, audit.Identity(tla), audit.PdT(s.pdt.client.identity()),
		audit.Session(s.id), audit.Reason(endReason(reason)), audit.Role(by), audit.Length(time.Since(s.joined)),
		audit.FromTLA(s.tla.octets.Load()), audit.FromPdT(s.pdt.octets.Load()), audit.Incident(incident))
	if s.generation > 1 && by != byOperator { // a ticket costs nobody an act
		t.peers.Record(tla, "", audit.SessionEnded, with...)
		return
	}
	t.log.Later(audit.SessionEnded, with...)
}

// neverBegan records the end of a session that was recorded and then did not begin.
func (t *trace) neverBegan(s *session, tla *client, pdt pki.Identity) {
	t.log.Later(audit.SessionEnded, audit.Identity(tla.identity()), audit.PdT(pdt.String()), audit.Session(s.id),
		audit.Reason("network"), audit.Role(string(pki.RoleTLA)), audit.Length(0), audit.FromTLA(0), audit.FromPdT(0))
}

// cut records that a proven peer is cut, and because of which certificate.
func (t *trace) cut(c *client, err error, incident string) {
	serial := c.peer.Chain[0].SerialNumber
	if r, ok := errors.AsType[*pki.Refusal](err); ok && r.Serial != nil {
		serial = r.Serial
	}
	with := []audit.Attr{audit.Identity(c.identity()), audit.Reason(string(pki.ReasonOf(err))), audit.Serial(serial),
		audit.Address(peers.AddressOf(c.remote)), audit.Incident(incident)}
	if e := c.end.Load(); e != nil {
		if s := e.session.Load(); s != nil {
			with = append(with, audit.Session(s.id))
		}
	}
	t.log.Later(audit.LinkCut, with...)
}

// cutUser records that a session is cut because of the certificate of its user.
func (t *trace) cutUser(s *session, reason pki.Reason, incident string) {
	c := s.tla.client
	with := append([]audit.Attr{audit.Identity(c.identity()), audit.Reason(string(reason)),
		audit.Address(peers.AddressOf(c.remote)), audit.Incident(incident), audit.Session(s.id)},
		s.g.users.Load().mark(sessionUser{person: s.user.person})...)
	t.log.Later(audit.LinkCut, append(with, audit.Use("user"))...)
}
