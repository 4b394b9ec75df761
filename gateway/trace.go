package gateway

import (
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"tlagate/audit"
	"tlagate/bundle"
	"tlagate/pki"
	"tlagate/pki/listen"
	"tlagate/pki/trust"
	"tlagate/session/consent"
	"tlagate/session/link"
)

// trace records who was there, who was refused, and what sessions did (SA2; docs/audit.md). Only begin waits for the
// disk: what it records is there before the session begins. No table's mu is held meanwhile.
type trace struct {
	log     *audit.Log // nil = none is kept
	repeats *repeats
	meters  *meters
	ration  *listen.Ration // of the log
}

// accepted records that a peer is proven and let in.
func (t *trace) accepted(c *client) {
	id, agreed := c.peer.Identity, c.peer.TLS
	with := []audit.Attr{audit.Identity(id.String()), audit.Role(string(id.Role)), audit.Practice(id.Practice),
		audit.Serial(c.peer.Chain[0].SerialNumber), audit.Address(addressOf(c.remote)), audit.Group(agreed.Group),
		audit.Suite(agreed.Suite)}
	t.repeats.record(id.String(), "", audit.AccessAccepted, append(with, knownFrom(c.peer.Verdict)...)...)
}

// knownFrom returns from what it is known that a peer's certificate is not revoked, and how old that is.
func knownFrom(v *trust.Verdict) []audit.Attr {
	if v == nil || len(v.Revocation) == 0 {
		return nil
	}
	leaf := v.Revocation[0]
	return []audit.Attr{audit.Source(leaf.Kind), audit.Age(time.Since(leaf.ThisUpdate))}
}

// refused records that a peer was not proven. It fits listen.Config.Refused.
func (t *trace) refused(remote string, err error) {
	address := addressOf(remote)
	with := []audit.Attr{audit.Reason(listen.ReasonOf(err)), audit.Address(address)}
	if r, ok := errors.AsType[*pki.Refusal](err); ok {
		with = append(with, audit.Peer(r.Claimed.String()), audit.Serial(r.Serial))
	}
	t.log.Stranger(address, audit.AccessRefused, with...)
}

// full records that a proven peer was turned away, because of a limit.
func (t *trace) full(c *client) {
	t.repeats.record(c.identity(), listen.TooMany, audit.AccessRefused, audit.Reason(listen.TooMany),
		audit.Peer(c.identity()), audit.Serial(c.peer.Chain[0].SerialNumber), audit.Address(addressOf(c.remote)))
}

// requestRefused records that a request of a proven peer was answered with a problem.
func (t *trace) requestRefused(c *client, path, incident string, p *link.Problem) {
	t.repeats.record(c.identity(), string(p.Code), audit.RequestRefused, audit.Identity(c.identity()),
		audit.Request(known(path)), audit.Code(string(p.Code)), audit.Address(addressOf(c.remote)),
		audit.Incident(incident))
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
		audit.Address(addressOf(tla.remote))}
	if s.generation > 1 {
		t.log.Later(audit.SessionResumed, with...)
		return nil
	}
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
		t.repeats.record(tla.identity(), "", e.Kind, e.Attrs...)
	}
}

// ended records that a link of a session is over; its ends are told the incident number.
func (t *trace) ended(s *session, reason, by, incident string) {
	t.log.Later(audit.SessionEnded, audit.Identity(s.tla.client.identity()), audit.PdT(s.pdt.client.identity()),
		audit.Session(s.id), audit.Reason(endReason(reason)), audit.Role(by), audit.Length(time.Since(s.joined)),
		audit.FromTLA(s.tla.octets.Load()), audit.FromPdT(s.pdt.octets.Load()), audit.Incident(incident))
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
		audit.Address(addressOf(c.remote)), audit.Incident(incident)}
	if e := c.end.Load(); e != nil {
		if s := e.session.Load(); s != nil {
			with = append(with, audit.Session(s.id))
		}
	}
	t.log.Later(audit.LinkCut, with...)
}

// addressOf returns the IP address of a peer, without port and zone; what is none stays as it is.
func addressOf(remote string) string {
	at, err := netip.ParseAddrPort(remote)
	if err != nil {
		return remote
	}
	return at.Addr().Unmap().WithZone("").String()
}
