// Package gateway is the meeting point of TLAs and PdTs: it accepts their
// outer links, decides who may reach whom, joins one with the other, and can
// neither read nor alter what they say (docs/protocol.md, sections 1 and 2; C1, C2, DL1).
//
// It fails closed: a peer is cut when its certificate no longer passes, and
// also when its certificate can no longer be checked.
//
// A connection's way through the files: accept, http, then park or open; from
// then on end passes its data on, and watch cuts it. clients, parked and sessions
// are the tables of who is there.
package gateway

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tlagate/audit"
	"tlagate/audit/home"
	"tlagate/audit/peers"
	"tlagate/bundle"
	"tlagate/gateway/enrolment"
	"tlagate/gateway/fleet"
	"tlagate/gateway/rates"
	"tlagate/gateway/state"
	"tlagate/pki"
	"tlagate/pki/listen"
	"tlagate/pki/trust"
	"tlagate/push"
)

// Config configures a Gateway. It must not be changed after New.
type Config struct {
	Party     *trust.Party // our server certificate, and whom we trust
	Access    []Rule       // pairs beyond "a TLA may open the PdTs of its own practice"
	Users     Users        // who may use TLAs, and how they prove who they are; zero = nobody is asked to
	Limits    Limits       // zero = defaults
	Enrolment *Enrolment   // where devices without a certificate are piped to; nil = nowhere
	Log       *slog.Logger // nil = discard

	// Push returns the subscribers through which the PKI tells us of revocations now, for whoami and metrics.
	// The caller runs them. nil = none.
	Push func() []*push.Subscriber

	Balancers []netip.Prefix // whose connections begin with a PROXY header (listen.Config); nil = none

	// Heads returns what has become of the heads of our audit trace, for metrics. nil = none are sent.
	Heads func() []TraceHead

	Bundles       *bundle.Shelf // the bundles that devices are sent; nil = none. The caller runs it
	RequireBundle bool          // refuse devices that name no bundle

	Lowest       fleet.Lowest // versions of devices' programs that are let in; zero = all
	RefuseClones bool         // refuse an identity that two programs seem to use; else it is only told of

	// Trace is where what happens is recorded (SA2): while it cannot be written no session begins, and those that run
	// go on. nil = nowhere. The caller closes it.
	Trace *audit.Log

	// Denials are whom operators deny, Roll is who was seen when; nil = both are kept in memory alone.
	Denials *state.Denials
	Roll    *state.Roll

	// Home takes the lines that devices send of their traces (SA2); nil = none are taken. The caller runs it.
	Home *home.Receiver
}

// Enrolment is the way of devices without a certificate to the PKI.
type Enrolment = enrolment.Config

// TraceHead is what has become of the heads of our audit trace at one PKI server (docs/heads.md).
type TraceHead struct {
	URL      string
	Accepted time.Time // when it last took one; zero = never since the start
	Refused  bool      // it refused the last one: somebody rewrote the trace, or went back in it
}

// Gateway joins links. It serves once. It is a prometheus.Collector: register it to have its metrics.
type Gateway struct {
	party     *trust.Party
	limits    Limits
	log       *slog.Logger
	ration    *listen.Ration // logs what peers could fill the log with
	rates     rates.Rates
	meters    *meters
	trace     *trace
	access    atomic.Pointer[access]
	lowest    atomic.Pointer[fleet.Lowest]
	push      func() []*push.Subscriber // nil = none
	heads     func() []TraceHead        // nil = none
	balancers []netip.Prefix

	enrolment *enrolment.Pipe // nil = none
	clients   *clientTable
	parked    *parkedTable
	sessions  *sessionTable
	consents  *consents
	users     atomic.Pointer[users]
	tickets   *tickets
	bundles   *bundles
	home      *home.Receiver
	fleet     *fleet.Table
	programs  fleetWatch
	status    *statusSender
	state     knowledge
	lately    *lately
	drains    drains
	watcher   *watcher

	accepted chan net.Conn                   // proven connections, for net/http
	incoming atomic.Pointer[listen.Listener] // set by Serve
	serving  chan struct{}                   // closed by Serve
	links    sync.WaitGroup                  // pumps that run, or are about to
}

// New returns a gateway that serves nobody yet.
func New(cfg Config) *Gateway {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	limits := cfg.Limits.WithDefaults()
	g := &Gateway{limits: limits, log: cfg.Log, push: cfg.Push, heads: cfg.Heads, balancers: cfg.Balancers,
		meters: newMeters(), ration: listen.NewRation(cfg.Log),
		accepted: make(chan net.Conn), serving: make(chan struct{})}
	g.rates = rates.New(limits.PerPractice.Handshakes, limits.PerPractice.Opens, limits.Connections)
	party := *cfg.Party
	party.Denied = func(id pki.Identity) bool { return g.state.Denies(id) }
	g.party = &party
	g.trace = &trace{log: cfg.Trace, peers: peers.New(cfg.Trace, "", limits.Connections), meters: g.meters,
		ration: g.ration}
	g.enrolment = enrolment.New(cfg.Enrolment, g.log)
	g.clients = newClientTable(limits)
	g.fleet, g.programs = fleet.New(limits.Connections, cfg.RefuseClones), newFleetWatch(g)
	g.parked = newParkedTable(limits, &g.links, g.fleet.Came)
	g.sessions = newSessionTable(limits, &g.links)
	g.drains.g = g
	g.state = newLocal(cfg, g.sessions)
	g.programs.recall()
	g.lately = newLately(g.state)
	g.consents = &consents{life: limits.Nonce, log: g.log}
	g.tickets = &tickets{party: g.party, life: limits.Ticket, log: g.log}
	g.bundles = &bundles{shelf: cfg.Bundles, required: cfg.RequireBundle, log: g.log}
	g.home = cfg.Home
	g.status = &statusSender{party: g.party, users: g.users.Load, bundles: g.bundles, log: g.log}
	g.watcher = newWatcher(g)
	g.SetAccess(cfg.Access)
	g.SetUsers(cfg.Users)
	g.SetLowest(cfg.Lowest)
	return g
}

// SetAccess replaces the access table for sessions opened from now on; open sessions go on.
func (g *Gateway) SetAccess(rules []Rule) {
	table := access(slices.Clone(rules))
	g.access.Store(&table)
}

// SetUsers replaces what is demanded of the users of sessions that are opened from now on, and of those that go on over
// another link. Open sessions go on by the rule that they began with; the persons' certificates are judged by the new
// store, which the caller runs.
func (g *Gateway) SetUsers(u Users) { g.users.Store(&users{Users: u, g: g, log: g.log}) }

// Persons returns the trust store by which users of TLAs are verified now; nil = there is none.
func (g *Gateway) Persons() *trust.Trust { return g.users.Load().Persons }

// Serve accepts links on l until ctx ends; then it lets sessions end for Limits.Drain and returns nil.
func (g *Gateway) Serve(ctx context.Context, l net.Listener) error {
	accepting, stopAccepting := context.WithCancel(ctx)
	watching, stopWatching := context.WithCancel(context.WithoutCancel(ctx)) // as long as there are links
	defer stopAccepting()
	defer stopWatching()
	proven := listen.New(l, g.listening())
	g.incoming.Store(proven)
	server := g.httpServer()
	failed := make(chan error, 1)
	var running sync.WaitGroup
	running.Go(func() { failed <- g.accept(accepting, proven) })
	running.Go(func() { _ = server.Serve(&handover{g.accepted, accepting, l.Addr()}) })
	running.Go(func() { g.watcher.run(watching) })
	running.Go(func() { g.watcher.runDenials(watching) })
	running.Go(func() { g.renew(watching) })
	running.Go(func() { keepRoll(watching, g) })
	running.Go(func() { g.programs.watch(watching) })
	close(g.serving)
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	proven.Close()
	stopAccepting()
	g.drains.stop()
	shutDown(server)
	g.links.Wait()
	stopWatching()
	running.Wait()
	g.trace.peers.Close()
	return err
}

// Serving returns a channel that is closed once Serve serves.
func (g *Gateway) Serving() <-chan struct{} { return g.serving }

// Alive returns once Serve serves, and its accept loop and its tables have answered. It hangs as long as one does.
func (g *Gateway) Alive() {
	<-g.serving
	g.incoming.Load().Alive()
	g.sessions.count()
	g.parked.count()
	g.clients.roles()
}

func (g *Gateway) listening() listen.Config {
	cfg := listen.Config{Party: g.party, Handshakes: g.limits.Handshakes,
		PerAddress: g.limits.HandshakesPerIP, Log: g.log,
		Observe: g.meters.handshaken, Refused: func(remote string, err error) {
			g.trace.peers.Refused(remote, err)
			g.lately.stranger(remote, err)
		}, Balancers: g.balancers}
	if g.enrolment != nil {
		cfg.Divert = g.enrolment.Divert
	}
	return cfg
}

// drains is what becomes of Drain and Resume, and of the last draining.
type drains struct {
	g       *Gateway
	running sync.WaitGroup // waits for sessions to move

	mu      sync.Mutex         // protects the rest; held while the tables close and open
	resumed context.CancelFunc // ends the waiting; nil = no operator drains
	stopped bool               // for good
}

// begin drains until somebody resumes.
func (d *drains) begin() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.resumed != nil || d.stopped {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	d.resumed = cancel
	sessions := d.askToMove()
	d.running.Go(func() { d.endLate(ctx, sessions) })
}

// stop asks everybody to move, waits until the sessions have ended, and ends those that have not in time.
func (d *drains) stop() {
	d.mu.Lock()
	d.stopped = true
	if d.resumed != nil {
		d.resumed()
	}
	sessions := d.askToMove()
	d.mu.Unlock()
	d.endLate(context.Background(), sessions)
	d.running.Wait()
}

// askToMove takes no more links and sessions, and returns those sessions that are asked to move. The caller holds d.mu.
func (d *drains) askToMove() []*session {
	sessions, parked := d.g.sessions.close(), d.g.parked.close()
	d.g.log.Info("draining", "sessions", len(sessions), "parked", len(parked), "drain", d.g.limits.Drain)
	for _, e := range parked {
		e.link.Part(drainNotice)
	}
	for _, s := range sessions {
		s.notify(drainNotice)
	}
	return sessions
}

// endLate ends the sessions that have not ended when the drain time is over, unless ctx ends before.
func (d *drains) endLate(ctx context.Context, sessions []*session) {
	deadline := time.NewTimer(d.g.limits.Drain)
	defer deadline.Stop()
	for _, s := range sessions {
		select {
		case <-s.done:
		case <-ctx.Done():
			return
		case <-deadline.C:
			deadline.Reset(0)
			s.drained()
		}
	}
}

// rollEvery is how often it is written who was seen.
const rollEvery = time.Minute

// keepRoll writes each minute, when a clone is suspected, and at the end, who was seen.
func keepRoll(ctx context.Context, g *Gateway) {
	tick := time.NewTicker(rollEvery)
	defer tick.Stop()
	for more := true; more; {
		select {
		case <-tick.C:
		case <-g.programs.tell:
		case <-ctx.Done():
			more = false
		}
		for id := range g.clients.peers() {
			g.state.Saw(id, time.Now(), nil)
		}
		if err := g.state.Save(); err != nil {
			g.log.Error("it is not kept over restarts who was seen", "error", err)
		}
	}
}
