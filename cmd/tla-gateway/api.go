package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os/user"
	"reflect"
	"strconv"
	"time"

	"tlagate/audit"
	"tlagate/audit/index"
	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/story"
	"tlagate/cmd/internal/trail"
	"tlagate/gateway"
	"tlagate/gateway/api"
	"tlagate/internal/local"
	"tlagate/internal/stamp"
	"tlagate/internal/tcp"
	"tlagate/metrics"
	"tlagate/pki/trust"
	"tlagate/push"
	"tlagate/session/incident"
)

// apiSection says where the API is served, and for whom (docs/api.md).
type apiSection struct {
	Socket    cli.Path    `yaml:"socket"`     // Unix socket, plain HTTP: the role read; "" = none
	Group     string      `yaml:"group"`      // that may connect to both sockets; "" = that of the program
	Listen    string      `yaml:"listen"`     // for certificates of role admin; "" = not served there
	TLSSocket cli.Path    `yaml:"tls_socket"` // likewise, a Unix socket
	Admins    []adminLine `yaml:"admins"`
}

// adminLine gives a certificate its roles.
type adminLine struct {
	Identity string   `yaml:"identity"`
	Roles    []string `yaml:"roles"`
}

// check reports what is wrong with the section itself.
func (s *apiSection) check() error {
	if s == nil {
		return nil
	}
	var errs []error
	if s.Listen != "" {
		errs = append(errs, cli.CheckListen("api.listen", s.Listen))
	}
	if s.Socket == "" && s.Listen == "" && s.TLSSocket == "" {
		errs = append(errs, errors.New("api: it is served nowhere: name socket, tls_socket or listen"))
	}
	if s.Socket != "" && s.Socket == s.TLSSocket {
		errs = append(errs, errors.New("api.tls_socket is api.socket: they must be two"))
	}
	if _, err := s.group(); err != nil {
		errs = append(errs, err)
	}
	_, err := s.admins()
	return errors.Join(append(errs, err)...)
}

// lines returns who is named; nobody, if there is no section.
func (s *apiSection) lines() []adminLine {
	if s == nil {
		return nil
	}
	return s.Admins
}

func (s *apiSection) admins() (all []api.Admin, err error) {
	var errs []error
	for i, line := range s.lines() {
		admin, err := api.ParseAdmin(line.Identity, line.Roles)
		if err != nil {
			errs = append(errs, fmt.Errorf("api.admins[%d].%w", i, err))
			continue
		}
		all = append(all, admin)
	}
	return all, errors.Join(errs...)
}

// group returns the number of the group that may connect to sockets; -1 = that of the program.
func (s *apiSection) group() (int, error) {
	if s.Group == "" {
		return -1, nil
	}
	g, err := user.LookupGroup(s.Group)
	if err != nil {
		return 0, fmt.Errorf("cannot use api.group %q: there is no such group; make it: groupadd --system", s.Group)
	}
	return strconv.Atoi(g.Gid)
}

// apiServer is the API and where it is served; nil = it is not.
type apiServer struct {
	*api.Server
	plain, mutual []net.Listener
}

// openAPI listens where the configuration says.
func (c config) openAPI(ctx context.Context, g *gateway.Gateway, party *trust.Party, trace *trail.Trail,
	pushed func() []*push.Subscriber, log *slog.Logger) (*apiServer, error) {
	if c.API == nil {
		return nil, nil
	}
	admins, err := c.API.admins()
	if err != nil {
		return nil, err
	}
	s := &apiServer{Server: api.New(api.Config{Gateway: g, Party: party, Admins: admins, Log: log,
		Version: cli.BuildVersion(), Push: pushed, Trace: trace.Log, File: string(c.Audit.File),
		Incident: stories(string(c.Audit.File))})}
	return s, s.listen(ctx, c.API, log)
}

// listen opens the listeners; after an error there are none.
func (s *apiServer) listen(ctx context.Context, where *apiSection, log *slog.Logger) (err error) {
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	group, err := where.group()
	if err != nil {
		return err
	}
	for path, list := range map[cli.Path]*[]net.Listener{where.Socket: &s.plain, where.TLSSocket: &s.mutual} {
		if path == "" {
			continue
		}
		l, err := local.Listen(string(path), group)
		if err != nil {
			return fmt.Errorf("cannot serve the API on the socket %s: %w", path, err)
		}
		*list = append(*list, l)
		log.Info("the API is served", "socket", string(path))
	}
	if where.Listen == "" {
		return nil
	}
	l, err := tcp.Listen(ctx, where.Listen, false)
	if err != nil {
		return fmt.Errorf("cannot serve the API on %s: %w", where.Listen, err)
	}
	s.mutual = append(s.mutual, l)
	log.Info("the API is served", "address", l.Addr().String())
	return nil
}

func (s *apiServer) close() {
	for _, l := range append(s.plain, s.mutual...) {
		l.Close()
	}
}

// run serves until ctx ends.
func (s *apiServer) run(ctx context.Context) {
	if s != nil {
		s.Serve(ctx, s.plain, s.mutual)
	}
}

// collectors returns what has the API's metrics.
func (s *apiServer) collectors() []metrics.Collector {
	if s == nil {
		return nil
	}
	return []metrics.Collector{s.Server}
}

// follow puts into force what administrators may do now: nothing, if the section is gone. A running gateway changes
// nothing else of the API.
func (s *apiServer) follow(now, before *apiSection, log *slog.Logger) error {
	if s == nil || reflect.DeepEqual(now.lines(), before.lines()) {
		return nil
	}
	admins, err := now.admins()
	if err != nil {
		return err
	}
	s.SetAdmins(admins)
	log.Info("roles of administrators read again", "lines", len(admins))
	return nil
}

// stories returns a function that tells incidents from a trace, as api.Config.Incident wants it.
func stories(file string) func(context.Context, string, string, time.Time) (any, error) {
	return func(ctx context.Context, number, terminal string, since time.Time) (any, error) {
		trace, err := index.Open(file, index.Unwritten)
		if err != nil {
			return nil, err
		}
		defer trace.Close()
		s, err := tell(ctx, trace, story.Question{Number: incident.Of(number), Terminal: terminal, Since: since})
		if s == nil {
			return nil, err
		}
		return s, err
	}
}

// api says where the API is served, who may act, and whether root broke the glass lately.
func (r *report) api(ctx context.Context, c config) {
	if c.API == nil {
		r.line("api", "not served")
		return
	}
	for _, at := range []struct{ where, what string }{
		{string(c.API.Socket), "for its group, to read; root may break the glass"},
		{string(c.API.TLSSocket), "for certificates of role admin"}, {c.API.Listen, "for certificates of role admin"}} {
		if at.where != "" {
			r.line("api", "%s, %s", at.where, at.what)
		}
	}
	if admins, err := c.API.admins(); err == nil {
		for _, a := range admins {
			r.line("api", "%s has the roles %v", a.Identity, a.Roles)
		}
	}
	r.glass(ctx, string(c.Audit.File))
}

// glassShown is for how long a broken glass is shown.
const glassShown = 30 * 24 * time.Hour

// glass warns of each time that root broke the glass.
func (r *report) glass(ctx context.Context, file string) {
	if file == "" {
		return
	}
	trace, err := index.Open(file, index.Unwritten)
	if err != nil {
		return // there is none yet, or `audit verify` says what is wrong
	}
	defer trace.Close()
	times, last := 0, audit.Entry{}
	for line, err := range trace.Search(ctx, index.Query{Since: r.now.Add(-glassShown), Identity: api.BreakGlass,
		Events: []string{string(audit.OperatorAct)}}) {
		if err != nil {
			return
		}
		if line.Err == nil {
			times, last = times+1, line.Entry
		}
	}
	if times > 0 {
		r.warning("root broke the glass, %d times in the last 30 days; the last time at %s: %s, for %q", times,
			stamped(last.At), last.With["act"], last.With["reason"])
	}
}

func stamped(at string) string {
	if t, err := time.Parse(time.RFC3339, at); err == nil {
		return stamp.Minute(t)
	}
	return at
}
