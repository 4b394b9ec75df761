package gateway

import (
	"net"
	"net/http"
	"strings"
	"time"

	"tlagate/session/link"
)

// checkUpgrade refuses a request without Upgrade: tla-session/1.
func checkUpgrade(w http.ResponseWriter, r *http.Request) *link.Problem {
	if hasToken(r.Header, "Connection", "upgrade") && hasToken(r.Header, "Upgrade", link.Protocol) {
		return nil
	}
	w.Header().Set("Connection", "Upgrade")
	w.Header().Set("Upgrade", link.Protocol)
	return &link.Problem{Code: link.ProblemUpgradeRequired, Detail: "This request must upgrade the connection.",
		Action: "Send Connection: Upgrade and Upgrade: " + link.Protocol + "."}
}

// hasToken reports whether a header field that is a list contains a word (RFC 9110 section 5.6.1).
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

const switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " + link.Protocol + "\r\n"

// switchingAnswer returns the head of the 101.
func (g *Gateway) switchingAnswer() string {
	if g.home == nil {
		return switching + "\r\n"
	}
	return switching + link.HeaderTrace + ": " + link.TakesTrace + "\r\n\r\n"
}

// upgrade takes the connection from net/http, answers 101 and returns our end of the link, whose pump the caller
// starts.
func (g *Gateway) upgrade(c *client, w http.ResponseWriter, declared *declaration) (*end, error) {
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, err
	}
	if err := switchProtocols(conn, g.switchingAnswer(), buffered.Reader.Buffered()); err != nil {
		g.clients.remove(conn)
		conn.Close()
		return nil, err
	}
	e := &end{g: g, client: c, link: link.New(conn, nil, link.Config{Heartbeat: g.limits.Heartbeat}),
		declared: declared, at: time.Now()}
	c.end.Store(e)
	return e, nil
}

func switchProtocols(conn net.Conn, answer string, early int) error {
	if early > 0 {
		return &link.ProtocolError{Detail: "records before the upgrade"}
	}
	if err := conn.SetDeadline(time.Now().Add(link.DefaultWriteTimeout)); err != nil {
		return err
	}
	if _, err := conn.Write([]byte(answer)); err != nil {
		return err
	}
	return conn.SetDeadline(time.Time{})
}
