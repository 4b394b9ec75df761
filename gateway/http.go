package gateway

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"tlagate/pki"
	"tlagate/session/link"
)

func pdtRole(id pki.Identity) error {
	if id.Role != pki.RolePdT {
		return fmt.Errorf("cannot open %s: its role is %s, not pdt", id, id.Role)
	}
	return nil
}

// ServeHTTP answers the requests of docs/protocol.md, section 1.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, _ := r.Context().Value(clientKey{}).(*client)
	if c == nil { // a connection that was not accepted by us: never
		http.Error(w, "", http.StatusForbidden)
		return
	}
	if p := g.route(c, w, r); p != nil {
		g.log.Warn("request refused", "remote", c.remote, "peer", c.peer.Identity.String(),
			"request", strings.TrimPrefix(r.URL.Path, "/v1/"), "reason", string(p.Code), "detail", p.Detail)
		p.WriteTo(w)
	}
}

// route performs a request; a problem it returns is still to be answered.
func (g *Gateway) route(c *client, w http.ResponseWriter, r *http.Request) *link.Problem {
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		return &link.Problem{Code: link.ProblemMethodNotAllowed, Detail: "Only GET is understood."}
	}
	switch r.URL.Path {
	case link.PathWhoami:
		g.whoami(c, w)
		return nil
	case link.PathPark:
		return g.park(c, w, r)
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
}

func (g *Gateway) whoami(c *client, w http.ResponseWriter) {
	id := c.peer.Identity
	answer := whoamiAnswer{Identity: id.String(), Role: id.Role, Practice: id.Practice, NotAfter: c.peer.NotAfter.UTC(),
		Revocation: revocationAnswer{Status: "good", Source: "crl"}, Gateway: g.identity()}
	if known := c.peer.Verdict.Revocation; len(known) > 0 {
		answer.Revocation.NextUpdate = known[0].NextUpdate.UTC()
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(answer)
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
	if strings.EqualFold(r.Header.Get("Upgrade"), link.Protocol) && strings.Contains(strings.ToLower(r.Header.Get("Connection")), "upgrade") {
		return nil
	}
	w.Header().Set("Upgrade", link.Protocol)
	w.Header().Set("Connection", "Upgrade")
	return &link.Problem{Code: link.ProblemUpgradeRequired, Detail: "This request must upgrade the connection.",
		Action: "Send Connection: Upgrade and Upgrade: " + link.Protocol + "."}
}

const switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " + link.Protocol + "\r\n\r\n"

// upgrade takes the connection from net/http, answers 101 and gives the link's end here.
func (g *Gateway) upgrade(c *client, w http.ResponseWriter, declared *declaration) (*end, error) {
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, err
	}
	if err := g.switchProtocols(conn, buffered.Reader.Buffered()); err != nil {
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

func (g *Gateway) switchProtocols(conn net.Conn, early int) error {
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
