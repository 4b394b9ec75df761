package integration

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/integration/crowd"
	"tlagate/integration/lab"
	"tlagate/integration/world"
)

// The sessions of TestSoakCrowd, with SOAK and without.
const (
	soakSessions  = 1000
	soakSessions0 = 40
)

// TestSoakCrowd: at one gateway with many joined sessions, sessions end and others begin, certificates are renewed and
// revoked, and the configuration is read again. At the end it holds no more memory, goroutines and files than after a
// tenth of the time.
func TestSoakCrowd(t *testing.T) {
	length, sessions := 5*time.Second, soakSessions0
	if text := os.Getenv(soakEnv); text != "" && !testing.Short() {
		var err error
		length, err = time.ParseDuration(text)
		require.NoError(t, err)
		sessions = soakSessions
	}
	s := newSoakCrowd(t, sessions)
	s.run(length / 10)
	tenth := s.footprint()
	s.run(length - length/10)
	end := s.footprint()
	t.Logf("%d sessions: %d ended and begun, %d of them with renewed certificates; %d revocations, %d reloads; "+
		"after a tenth of %v %s; at the end %s", sessions, s.moved.Load(), s.renewed.Load(), s.revoked.Load(),
		s.reloads.Load(), length, shown(tenth), shown(end))
	require.LessOrEqual(t, end.Files, tenth.Files+soakSlack)
	require.LessOrEqual(t, end.Goroutines, tenth.Goroutines+soakSlack)
	if length >= soakSettles {
		require.LessOrEqual(t, end.Live, tenth.Live+tenth.Live/10, "memory in use")
		require.LessOrEqual(t, end.Resident, tenth.Resident+tenth.Resident/10, "resident memory")
	}
}

// soakSlack is how many files and goroutines a gateway may have besides: what one scrape, one look at a file, one write
// to the trace, or one question to a name server takes. A leak in one of a hundred sessions is more.
const soakSlack = 10

func shown(f crowd.Footprint) string {
	return fmt.Sprintf("%.1f MiB in use, %.1f MiB resident, %d goroutines, %d files", float64(f.Live)/(1<<20),
		float64(f.Resident)/(1<<20), f.Goroutines, f.Files)
}

// soakSettles is how long it takes at least until a tenth of it has settled what memory a gateway needs.
const soakSettles = 3 * time.Minute

// soakHeartbeat is long enough that a machine with other work takes no link for dead.
const soakHeartbeat = 30 * time.Second

// soakCrowd is a gateway that many use at once.
type soakCrowd struct {
	*crowd.Crowd
	t       *testing.T
	lab     *lab.Lab
	metrics string
	seed    uint64

	rounds                           int
	moved, renewed, revoked, reloads atomic.Int64
}

func newSoakCrowd(t *testing.T, sessions int) *soakCrowd {
	l := layLab(t)
	port, err := world.Port()
	require.NoError(t, err)
	s := &soakCrowd{t: t, lab: l, metrics: world.Addr(port), seed: rand.Uint64()}
	t.Logf("seed %d", s.seed)
	require.NoError(t, l.StartGateway("metrics: "+s.metrics, "audit: "+l.Path("audit.jsonl"),
		fmt.Sprintf("limits: {heartbeat: %v}", soakHeartbeat)))
	s.Crowd, err = crowd.New(l)
	require.NoError(t, err)
	s.Heartbeat = soakHeartbeat
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	require.NoError(t, s.Begin(0, sessions))
	require.NoError(t, s.Talk())
	return s
}

const soakWorkers = 4

// run does what a day brings, for so long; each worker has pairs of its own.
func (s *soakCrowd) run(length time.Duration) {
	s.t.Helper()
	s.rounds++
	end, all, errs := time.Now().Add(length), s.Pairs(), make([]error, soakWorkers+1)
	var workers sync.WaitGroup
	for w := range soakWorkers {
		random := rand.New(rand.NewPCG(s.seed, uint64(s.rounds*soakWorkers+w)))
		workers.Go(func() {
			for errs[w] == nil && time.Now().Before(end) {
				at := random.IntN(len(all)/soakWorkers)*soakWorkers + w
				errs[w] = s.disturb(all[at], random.IntN(20))
			}
		})
	}
	workers.Go(func() {
		for errs[soakWorkers] == nil && time.Now().Before(end) {
			errs[soakWorkers] = s.reload()
		}
	})
	workers.Wait()
	for _, err := range errs {
		require.NoError(s.t, err)
	}
}

// disturb ends a session, for one of several reasons, and begins another.
func (s *soakCrowd) disturb(p *crowd.Pair, how int) (err error) {
	s.moved.Add(1)
	if how == 0 {
		s.revoked.Add(1)
		err = p.Revoke()
	} else {
		err = p.End()
	}
	if err == nil && how < 4 {
		s.renewed.Add(1)
		err = p.Renew()
	}
	if err == nil {
		err = p.Begin()
	}
	return err
}

// reload has the gateway read another access table and another certificate of its own.
func (s *soakCrowd) reload() error {
	n, mark := s.reloads.Add(1), s.lab.GatewayProc.Mark()
	text, err := os.ReadFile(s.lab.Path("gateway.yaml"))
	if err != nil {
		return err
	}
	before, _, _ := strings.Cut(string(text), "access:")
	line := fmt.Sprintf("access: [{tla: \"urn:tlagate:other%d:tla:t\", pdt: %q}]\n", n, lab.PdT)
	if err := os.WriteFile(s.lab.Path("gateway.yaml"), []byte(before+line), 0o600); err != nil {
		return err
	}
	if _, err := s.lab.GatewayProc.WaitLineFrom(mark, patience, "access table read again"); err != nil {
		return err
	}
	return s.renewGateway(s.lab.GatewayProc.Mark())
}

func (s *soakCrowd) renewGateway(mark int) error {
	cert, err := s.Issue("gateway-server", lab.Gateway, "localhost")
	if err == nil {
		err = crowd.WriteKeys(cert, s.lab.GatewayKeys)
	}
	if err == nil {
		_, err = s.lab.GatewayProc.WaitLineFrom(mark, patience, "certificate and key read again")
	}
	return err
}

// footprint waits until all have their session again, and nobody else is there, and returns what the gateway holds.
func (s *soakCrowd) footprint() crowd.Footprint {
	s.t.Helper()
	require.NoError(s.t, world.Poll(patience, "all sessions, and nothing else", func() error {
		v, err := crowd.Scrape(s.metrics)
		if n := len(s.Pairs()); err == nil && (v["tlagate_sessions"] != float64(n) || v["tlagate_parked_links"] != 0) {
			err = fmt.Errorf("%v sessions of %d, %v links parked", v["tlagate_sessions"], n, v["tlagate_parked_links"])
		}
		return err
	}))
	require.Zero(s.t, s.Lost())
	f, err := crowd.Settled(s.metrics)
	require.NoError(s.t, err)
	return f
}
