package gateway

import (
	"crypto/x509"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"tlagate/bundle"
	"tlagate/pki"
	"tlagate/pki/listen"
	"tlagate/pki/trust"
	"tlagate/push"
	"tlagate/session/link"
)

// ServeHTTP answers the requests of docs/protocol.md, section 1.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, _ := r.Context().Value(clientKey{}).(*client)
	if c == nil { // a connection that was not accepted by us: never
		http.Error(w, "", http.StatusForbidden)
		return
	}
	if p := g.route(c, w, r); p != nil {
		g.meters.requestsRefused.WithLabelValues(string(p.Code)).Inc()
		g.logRefused(c, r.URL.Path, p)
		p.WriteTo(w)
	}
}

// logRefused logs a line for each request, but of those that are too many the first ones only.
func (g *Gateway) logRefused(c *client, path string, p *link.Problem) {
	args := []any{"peer", c.identity(), "request", short(path), "detail", p.Detail}
	if p.Code == link.ProblemTooMany {
		g.told.Log(listen.Line{Level: slog.LevelWarn, Message: "request refused", Remote: c.remote, Reason: string(p.Code)},
			args...)
		return
	}
	g.log.Warn("request refused", append([]any{"remote", c.remote, "reason", string(p.Code)}, args...)...)
}

// short is a path fit for a log.
func short(path string) string { return strings.TrimPrefix(path[:min(len(path), 40)], "/v1/") }

// route performs a request; a problem it returns is still to be answered.
func (g *Gateway) route(c *client, w http.ResponseWriter, r *http.Request) *link.Problem {
	if wait := g.requests.Take(c.identity()); wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(wait/time.Second)+1))
		return &link.Problem{Code: link.ProblemTooMany, Detail: "This peer has asked for more than it may in so short a time.",
			Action: "Wait; if it comes back, look for a second program with the same certificate."}
	}
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		return &link.Problem{Code: link.ProblemMethodNotAllowed, Detail: "Only GET is understood."}
	}
	switch r.URL.Path {
	case link.PathWhoami:
		return g.whoami(c, w)
	case link.PathPark:
		return g.park(c, w, r)
	case bundle.Path:
		return g.giveBundle(c, w, r)
	case link.PathOpen:
		return g.open(c, w, r)
	}
	return &link.Problem{Code: link.ProblemNotFound, Detail: "There is nothing at this path.",
		Action: "Ask for " + link.PathWhoami + " to see who you are to this gateway."}
}

// whoamiAnswer tells a peer how the gateway sees it.
type whoamiAnswer struct {
	Identity   string           `json:"identity"`
	Role       pki.Role         `json:"role"`
	Practice   string           `json:"practice"`
	NotAfter   time.Time        `json:"not_after"`
	Revocation revocationAnswer `json:"revocation"`
	Gateway    string           `json:"gateway"`
}

type revocationAnswer struct {
	Status     string    `json:"status"`
	Source     string    `json:"source"`
	NextUpdate time.Time `json:"next_update"`
	Pushed     *bool     `json:"pushed,omitempty"` // whether revocations reach the gateway at once; absent = only by lists and OCSP
}

// isPushed says whether every source tells us of revocations right now; nil = none is configured.
func (g *Gateway) isPushed() *bool {
	sources := g.sources()
	if len(sources) == 0 {
		return nil
	}
	up := !slices.ContainsFunc(sources, func(s *push.Subscriber) bool { return !s.State().Up })
	return &up
}

// whoami verifies the peer again, so that the answer is that of this moment.
func (g *Gateway) whoami(c *client, w http.ResponseWriter) *link.Problem {
	verdict, err := g.party.Trust.Verify(c.peer.Chain, trust.Want{Usage: x509.ExtKeyUsageClientAuth})
	if err != nil {
		g.cut(c, err)
		panic(http.ErrAbortHandler) // the connection is being closed
	}
	id := c.peer.Identity
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(whoamiAnswer{
		Identity: id.String(), Role: id.Role, Practice: id.Practice, NotAfter: verdict.NotAfter.UTC(),
		Revocation: revocationAnswer{"good", verdict.Revocation[0].Kind, nextUpdate(verdict), g.isPushed()}, Gateway: g.identity(),
	})
	return nil
}

// nextUpdate is until when the revocation data of the whole path are good.
func nextUpdate(v *trust.Verdict) time.Time {
	var next time.Time
	for _, r := range v.Revocation {
		if next.IsZero() || r.NextUpdate.Before(next) {
			next = r.NextUpdate
		}
	}
	return next.UTC()
}

// identity is our own.
func (g *Gateway) identity() string {
	if own := g.party.Certificate(); own != nil && own.Leaf != nil {
		if id, err := pki.IdentityOf(own.Leaf); err == nil {
			return id.String()
		}
	}
	return ""
}

// checkUpgrade wants Upgrade: tla-session/1.
func checkUpgrade(w http.ResponseWriter, r *http.Request) *link.Problem {
	if hasToken(r.Header, "Connection", "upgrade") && hasToken(r.Header, "Upgrade", link.Protocol) {
		return nil
	}
	w.Header().Set("Connection", "Upgrade")
	w.Header().Set("Upgrade", link.Protocol)
	return &link.Problem{Code: link.ProblemUpgradeRequired, Detail: "This request must upgrade the connection.",
		Action: "Send Connection: Upgrade and Upgrade: " + link.Protocol + "."}
}

// hasToken looks for a word in a header field that is a list (RFC 9110 section 5.6.1).
func hasToken(h http.Header, field, word string) bool {
	for _, value := range h.Values(field) {
		for item := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(strings.TrimSpace(item), word) {
				return true
			}
		}
	}
	return false
}

const switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " + link.Protocol + "\r\n\r\n"

// upgrade takes the connection from net/http, answers 101 and gives the link's end here, whose pump is to be started.
func (g *Gateway) upgrade(c *client, w http.ResponseWriter, declared *declaration) (*end, error) {
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, err
	}
	if err := switchProtocols(conn, buffered.Reader.Buffered()); err != nil {
		g.forget(conn)
		conn.Close()
		return nil, err
	}
	e := &end{g: g, client: c, link: link.New(conn, nil, link.Config{Heartbeat: g.limits.Heartbeat}), declared: declared}
	g.mu.Lock()
	defer g.mu.Unlock()
	c.end = e
	return e, nil
}

func switchProtocols(conn net.Conn, early int) error {
	if early > 0 {
		return &link.ProtocolError{Detail: "records before the upgrade"}
	}
	if err := conn.SetDeadline(time.Now().Add(link.DefaultWriteTimeout)); err != nil {
		return err
	}
	if _, err := conn.Write([]byte(switching)); err != nil {
		return err
	}
	return conn.SetDeadline(time.Time{})
}
