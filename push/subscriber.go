package push

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"tlagate/internal/address"
	"tlagate/internal/retry"
	"tlagate/pki"
	"tlagate/pki/revocation"
	"tlagate/pki/trust"
)

// Config configures a Subscriber. It must not be changed once given.
type Config struct {
	URL   string       // of the server: https://host:port
	Name  string       // that its certificate must have; "" = the host of URL
	Party *trust.Party // our client certificate, and the trust store that learns
	// without a line for so long the stream is dead; 0 = 15 s (the server says something every 5 s)
	Silence  time.Duration
	Retry    time.Duration // first wait before another try, doubled up to MaxRetry; 0 = 500 ms
	MaxRetry time.Duration // 0 = 30 s
	// CRL URLs are asked up to so long after a new list is told, so that not all gateways come at once; 0 = 2 s
	Spread time.Duration
	Log    *slog.Logger // nil = discard
}

// Subscriber listens to one server for as long as Run runs.
type Subscriber struct {
	cfg   Config
	host  string // host:port
	name  string // that must be in the server's certificate
	since int64  // the last event seen, owned by Run; the trust store keeps it with what was sent, over a restart too
	fetch chan struct{}

	mu    sync.Mutex // protects the rest
	state State
}

// State is the state of a Subscriber.
type State struct {
	URL   string    `json:"url"`
	Up    bool      `json:"up"`    // connected, and sent everything that was missed
	Since time.Time `json:"since"` // of the last change of Up; zero = never connected
	Why   string    `json:"why,omitempty"`
}

// New checks the configuration.
func New(cfg Config) (*Subscriber, error) {
	at, err := CheckURL(cfg.URL, cfg.Name)
	if err != nil {
		return nil, err
	}
	cfg.Silence = cmp.Or(cfg.Silence, 15*time.Second)
	cfg.Retry = cmp.Or(cfg.Retry, 500*time.Millisecond)
	cfg.MaxRetry = cmp.Or(cfg.MaxRetry, 30*time.Second)
	cfg.Spread = cmp.Or(cfg.Spread, 2*time.Second)
	cfg.Log = cmp.Or(cfg.Log, slog.New(slog.DiscardHandler)).With("push", cfg.URL)
	return &Subscriber{cfg: cfg, host: at.String(), name: at.Name, fetch: make(chan struct{}, 1),
		state: State{URL: cfg.URL, Why: "not connected yet"}}, nil
}

// CheckURL reads the URL of a source of revocations, https://HOST[:PORT]. The source's certificate must have name, or
// HOST when that is "".
func CheckURL(text, name string) (address.Peer, error) {
	u, err := address.URL(text, "https")
	if err == nil && (u.RawQuery != "" || u.User != nil || u.Path != "" && u.Path != "/") {
		err = errors.New("want https://HOST:PORT and nothing else in it")
	}
	if err != nil {
		return address.Peer{}, fmt.Errorf("cannot listen to %q for revocations: %w", address.Shown(text), err)
	}
	where := address.OfURL(u).String()
	if name != "" {
		where = address.Beside(name, where)
	}
	at, err := address.Server(where)
	if err != nil {
		err = fmt.Errorf("cannot listen to %q for revocations: %w", address.Shown(text), err)
	}
	return at, err
}

// State returns its state.
func (s *Subscriber) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// Certificate returns our client certificate.
func (s *Subscriber) Certificate() *tls.Certificate { return s.cfg.Party.Certificate() }

// Run listens, and connects again whenever the stream is lost, until ctx ends; it returns ctx's error.
func (s *Subscriber) Run(ctx context.Context) error {
	var fetching sync.WaitGroup
	fetching.Go(func() { s.fetchLists(ctx) })
	defer fetching.Wait()
	wait := retry.Backoff{First: s.cfg.Retry, Most: s.cfg.MaxRetry}
	s.since = s.cfg.Party.Trust.Heard(s.cfg.URL)
	for ctx.Err() == nil {
		heard, err := s.listen(ctx)
		if ctx.Err() != nil {
			break
		}
		s.lost(err)
		if heard {
			wait.Reset()
		}
		retry.Sleep(ctx, retry.Jitter(wait.Next()))
	}
	return ctx.Err()
}

// listen follows one stream until it ends; heard reports whether anything came.
func (s *Subscriber) listen(ctx context.Context) (heard bool, err error) {
	stream, err := s.connect(ctx)
	if err != nil {
		return false, err
	}
	defer stream.Close()
	lines := bufio.NewScanner(stream.body)
	lines.Buffer(make([]byte, 4096), maxLine)
	for lines.Scan() {
		var e Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return heard, fmt.Errorf("cannot read an event: %w", err)
		}
		if err := s.take(e, stream.peer); err != nil {
			return heard, err
		}
		heard = true
	}
	return heard, s.cfg.Party.Explain(cmp.Or(lines.Err(), errEnded))
}

const maxLine = 8 << 10

var errEnded = errors.New("the server ended the stream")

// take acts on an event.
func (s *Subscriber) take(e Event, from *trust.Peer) error {
	switch e.Type {
	case Revoked, Released:
		if err := s.judge(e, from); err != nil {
			return err
		}
	case CRL:
		select {
		case s.fetch <- struct{}{}:
		default: // already asked for
		}
	case Alive:
		s.up(from)
	}
	if e.ID > 0 { // below since only when the server's books are others, and it sends all from their beginning
		s.since = e.ID
		s.cfg.Party.Trust.SetHeard(s.cfg.URL, e.ID)
	}
	return nil
}

// judge accepts events of a server about the CAs of its own path alone.
func (s *Subscriber) judge(e Event, from *trust.Peer) error {
	d, err := e.Denied()
	if err != nil {
		return err
	}
	if !speaksFor(from, d) {
		s.cfg.Log.Warn("event passed over: the server does not speak for that CA", "peer", from.Identity.String(),
			"reason", string(pki.CRLWrongIssuer), "issuer", e.Issuer)
		return nil
	}
	store := s.cfg.Party.Trust
	if e.Type == Released {
		s.cfg.Log.Info("told of a release", "identity", e.Identity, "serial", e.Serial)
		store.Allow(d.IssuerKeyID, d.Serial)
		return nil
	}
	s.cfg.Log.Warn("told of a revocation", "identity", e.Identity, "serial", e.Serial, "why", e.Reason)
	store.Deny(d)
	return nil
}

func speaksFor(p *trust.Peer, d revocation.Denied) bool {
	for _, ca := range p.Verdict.Path[1:] {
		if string(ca.SubjectKeyId) == string(d.IssuerKeyID) {
			return true
		}
	}
	return false
}

func (s *Subscriber) up(from *trust.Peer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.Up {
		return
	}
	s.state = State{URL: s.cfg.URL, Up: true, Since: time.Now().UTC()}
	s.cfg.Log.Info("revocations are pushed", "peer", from.Identity.String())
}

// lost logs each cause once.
func (s *Subscriber) lost(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := !s.state.Up && s.state.Why == err.Error()
	if s.state.Up {
		s.state.Since = time.Now().UTC()
	}
	s.state.Up, s.state.Why = false, err.Error()
	if !known {
		s.cfg.Log.Warn("revocations are not pushed; CRL and OCSP remain", "peer", "claimed pki",
			"reason", reasonOf(err), "error", err)
	}
}

func reasonOf(err error) string {
	if _, ok := errors.AsType[*trust.Rejected](err); ok {
		return "rejected"
	}
	return cmp.Or(string(pki.ReasonOf(err)), "unreachable")
}

// fetchLists has CRL URLs asked soon after a new list was announced.
func (s *Subscriber) fetchLists(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.fetch:
			if retry.Sleep(ctx, retry.Between(0, s.cfg.Spread)) {
				s.cfg.Party.Trust.Reload()
			}
		}
	}
}
