package officers

import (
	"crypto/x509"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"tlagate/audit"
	"tlagate/ca"
	"tlagate/internal/acts"
	"tlagate/pki"
	"tlagate/pki/listen"
	"tlagate/pki/trust"
)

// call is a request that may be made.
type call struct {
	officer  Officer
	cert     *x509.Certificate // by which they ask
	role     Role              // in which it is made
	right    Right
	ca       *ca.CA // whose trace names the officer
	query    url.Values
	body     []byte
	warnings []string
}

// ServeHTTP judges who asks, whether they may, and then does it.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	peer, _ := r.Context().Value(peerKey{}).(*trust.Peer)
	if peer == nil { // cannot happen: the connection was not accepted by us
		http.Error(w, "", http.StatusForbidden)
		return
	}
	acts.Guard(w.Header())
	done, err := s.look(r, peer)
	defer done()
	var out *answer
	if err == nil {
		out, err = s.respond(w, r, peer)
	}
	if err != nil {
		out = s.refused(w, r, peer, asProblem(err))
	}
	out.Write(w)
}

// asProblem returns an error as a problem: what the CA does not do is refused, with its own words.
func asProblem(err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	return &Problem{Code: Refused, Detail: err.Error()}
}

// refused logs and records a request that is not done, and returns the answer.
func (s *Server) refused(w http.ResponseWriter, r *http.Request, peer *trust.Peer, p *Problem) *answer {
	who, remote := peer.Identity.String(), named(r.RemoteAddr)
	s.trace.RequestRefused(peer, remote, s.nameOf(r), string(p.Code))
	s.ration.Log(listen.Line{Level: slog.LevelWarn, Message: "an officer's request is refused", Remote: remote,
		Reason: string(p.Code), Kind: who}, "peer", who, "request", s.nameOf(r))
	if p.Code == CertificateRefused || p.Code == NotAnOfficer {
		w.Header().Set("Connection", "close") // another request costs another handshake
	}
	return p.Answer()
}

// nameOf returns what we call a request: its path may hold anything.
func (s *Server) nameOf(r *http.Request) string {
	if right, ok := s.rightOf(r); ok {
		return right.Name
	}
	return "other"
}

func (s *Server) rightOf(r *http.Request) (Right, bool) {
	name, ok := strings.CutPrefix(r.URL.Path, Prefix)
	right, known := s.rights[r.Method+" "+name]
	return right, ok && known
}

func (s *Server) respond(w http.ResponseWriter, r *http.Request, peer *trust.Peer) (*answer, error) {
	c, err := s.admit(r, peer)
	if err != nil {
		return nil, err
	}
	if c.right.Method == http.MethodGet {
		return s.views()[c.right.Name](c)
	}
	if wait := s.recorded.Take(c.officer.Identity); wait > 0 {
		return nil, &Problem{Code: TooMany, Detail: "You have done too much in so short a time.", Wait: wait}
	}
	sent, p := acts.Receive(w, r, c.right.limit())
	if p != nil {
		return nil, p
	}
	c.body = sent.Body
	return s.again.Once(c.officer.Identity, sent, func() *answer {
		out, err := c.do(s.acts()[c.right.Name])
		if err != nil {
			out = s.refused(w, r, peer, asProblem(err))
		}
		return out
	}), nil
}

// look lets one officer have one answer at once that has all there is, until they have taken it: it is in memory.
func (s *Server) look(r *http.Request, peer *trust.Peer) (done func(), err error) {
	if !slices.Contains(long, s.nameOf(r)) {
		return func() {}, nil
	}
	who := peer.Identity.String()
	if !s.looking.Take(who) {
		return func() {}, &Problem{Code: TooMany, Detail: "You or others are looking at what takes long.",
			Wait: time.Second}
	}
	return func() { s.looking.Return(who) }, nil
}

// long has the views that read all there is.
var long = []string{"certificates", "invitations", "status", "inventory", "audit"}

// admit judges who asks, by the lists and by the books, and whether they may. It costs little, and reads no body.
func (s *Server) admit(r *http.Request, peer *trust.Peer) (*call, error) {
	err := s.cfg.Party.Trust.Recheck(peer)
	if err == nil {
		err = s.cfg.CA.Holds(peer.Chain[0])
	}
	if err != nil {
		return nil, problemf(CertificateRefused, "Your certificate is no longer good: %v.", err)
	}
	who := peer.Identity.String()
	officer, known := s.officer(who)
	if !known || peer.Identity.Role != pki.RoleAdmin {
		return nil, problemf(NotAnOfficer, "%s is no officer of this CA: the configuration of tla-pki serve names "+
			"them under admins.", who)
	}
	if p := acts.SameSite(r); p != nil {
		return nil, p
	}
	if wait := s.requests.Take(who); wait > 0 {
		return nil, &Problem{Code: TooMany, Detail: "Too many requests in so short a time.", Wait: wait}
	}
	right, found := s.rightOf(r)
	if !found {
		return nil, s.unknown(r)
	}
	role := right.as(officer)
	if role == "" {
		return nil, problemf(MissingRole, "%s needs the role %s, and %s has %s.", right.Name, roles(right.Roles), who,
			roles(officer.Roles))
	}
	return &call{officer: officer, cert: peer.Chain[0], role: role, right: right, ca: s.cfg.CA.For(who),
		query: r.URL.Query()}, nil
}

func (s *Server) unknown(r *http.Request) *Problem {
	for _, right := range s.rights {
		if r.URL.Path == Prefix+right.Name {
			return problemf(MethodNotAllowed, "Want %s.", right.Method)
		}
	}
	return problemf(NotFound, "There is nothing at this path.")
}

func roles(list []Role) string {
	var words []string
	for _, r := range list {
		words = append(words, string(r))
	}
	return strings.Join(words, " or ")
}

// Bounds of an act's body, in octets: an invitation may be of a fleet.
const (
	maxBody  = 256 << 10
	maxFleet = 32 << 20
)

// limit returns the bound of its body.
func (r Right) limit() int64 {
	if r.Name == "invite" {
		return maxFleet
	}
	return maxBody
}

// do does an act, and makes its answer.
func (c *call) do(act func(*call) (any, error)) (*answer, error) {
	done, err := act(c)
	if err != nil {
		return nil, err
	}
	return jsonAnswer(done)
}

func jsonAnswer(v any) (*answer, error) { return acts.JSON(http.StatusOK, v), nil }

// read decodes the request, which has nothing that is not known.
func (c *call) read(into any) error {
	if p := acts.Decode(c.body, into); p != nil {
		return p
	}
	return nil
}

// maxWhy bounds, in characters, the reason that an officer gives.
const maxWhy = 200

// Sensible reports whether a reason can be recorded.
func Sensible(why string) bool { return utf8.RuneCountInString(why) <= maxWhy && acts.Sensible(why) }

// checkWhy accepts an officer's reason.
func checkWhy(why string, wanted bool) error {
	switch {
	case wanted && strings.TrimSpace(why) == "":
		return problemf(BadRequest, "Say why: the trace keeps it.")
	case why != "" && !Sensible(why):
		return problemf(BadRequest, "The reason is longer than %d characters, or has some that cannot be printed.",
			maxWhy)
	}
	return nil
}

// record records the act, which comes next. An act that only takes trust away is done all the same when that fails, and
// the answer says so.
func (c *call) record(act, why string, about ...audit.Attr) error {
	err := c.ca.Record(audit.OperatorAct, append(about, audit.Role(string(c.role)), audit.Act(act),
		audit.Reason(why))...)
	if err == nil {
		return nil
	}
	if !c.right.Takes {
		return problemf(TraceFailed, "Nothing is done: it cannot be recorded. %v", err)
	}
	c.warnings = append(c.warnings, "it is not in the trace: "+err.Error())
	return nil
}
