package gateway

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"tlagate/bundle"
	"tlagate/pki/listen"
	"tlagate/session/incident"
	"tlagate/session/link"
)

func (g *Gateway) httpServer() *http.Server {
	return &http.Server{
		Handler:           http.HandlerFunc(g.serveHTTP),
		ReadHeaderTimeout: g.limits.Request,
		ReadTimeout:       g.limits.Request, // nobody needs to send a body
		WriteTimeout:      g.limits.Request + g.limits.JoinWait,
		IdleTimeout:       g.limits.Idle,
		MaxHeaderBytes:    16 << 10,
		ConnContext:       g.clients.withClient,
		ConnState:         g.clients.connState,
		ErrorLog:          slog.NewLogLogger(g.log.Handler(), slog.LevelDebug),
	}
}

// shutDown lets requests under way have their answers.
func shutDown(server *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), lastAnswers)
	defer cancel()
	_ = server.Shutdown(ctx)
	_ = server.Close()
}

const lastAnswers = time.Second

// serveHTTP answers the requests of docs/protocol.md, section 1.
func (g *Gateway) serveHTTP(w http.ResponseWriter, r *http.Request) {
	c, _ := r.Context().Value(clientKey{}).(*client)
	if c == nil { // a connection that we did not accept: never
		http.Error(w, "", http.StatusForbidden)
		return
	}
	if p := g.route(c, w, r); p != nil {
		g.meters.requestsRefused.WithLabelValues(string(p.Code)).Inc()
		g.logRefused(c, r.URL.Path, incidentOf(r), p)
		g.trace.requestRefused(c, r.URL.Path, incidentOf(r), p)
		g.lately.request(c, r.URL.Path, incidentOf(r), p)
		p.WriteTo(w)
	}
}

// logRefused logs every refused request, except that of requests that are too many it logs only the first ones.
func (g *Gateway) logRefused(c *client, path, incident string, p *link.Problem) {
	args := []any{"peer", c.identity(), "request", short(path), "detail", p.Detail, "incident", incident}
	if p.Code == link.ProblemTooMany {
		g.ration.Log(listen.Line{Level: slog.LevelWarn, Message: "request refused", Remote: c.remote,
			Reason: string(p.Code)},
			args...)
		return
	}
	g.log.Warn("request refused", append([]any{"remote", c.remote, "reason", string(p.Code)}, args...)...)
}

// short returns a path as the log has it.
func short(path string) string { return strings.TrimPrefix(path[:min(len(path), 40)], "/v1/") }

// route performs a request. The caller answers with the problem that it returns, if any.
func (g *Gateway) route(c *client, w http.ResponseWriter, r *http.Request) *link.Problem {
	if c.hasty != nil {
		w.Header().Set("Connection", "close")
		return c.hasty
	}
	if p := g.rates.Requests.Take(c.peer.Identity); p != nil {
		return p
	}
	if strings.HasPrefix(r.URL.Path, "/api/") {
		return &link.Problem{Code: link.ProblemNotFound, Detail: "Devices connect to this port, not operators.",
			Action: "Name the address that the gateway's configuration has under api.listen."}
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
		return g.bundles.send(c, w, r)
	case link.PathOpen:
		return g.open(c, w, r)
	}
	return &link.Problem{Code: link.ProblemNotFound, Detail: "There is nothing at this path.",
		Action: "Ask for " + link.PathWhoami + " to see who you are to this gateway."}
}

// incidentOf returns the number that the user of a request is told if it is refused; "" = it names none.
func incidentOf(r *http.Request) string { return incident.Of(r.Header.Get(link.HeaderIncident)) }

// numbered returns the last notice of a session with an incident number, unless it has one, or nobody will ask: the
// session goes on over another link, or an end has closed its own in good order, and has told the other why.
func numbered(n link.Notice, reason string) link.Notice {
	if n.Incident == "" && reason != reasonResumed && reason != reasonClosed {
		n.Incident = incident.New()
	}
	return n
}
