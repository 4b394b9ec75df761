package gateway

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/gateway/rates"
	"tlagate/pki/listen"
	"tlagate/session/link"
)

// atOnce is how many terminals open a session at the same moment.
const atOnce = 20

// BenchmarkSA2Open times opens, the consent's two requests over real TLS, 20 at once: at a gateway that keeps a trace
// on the disk, and at one that keeps none. Both take turns, so that whatever else the machine does hits both alike.
func BenchmarkSA2Open(b *testing.B) {
	bounds := limited(Limits{ParkedPerPdT: atOnce, ConnectionsPerPeer: 4 * atOnce, JoinWait: patience})
	plain, recorded := newOpens(b, bounds), newOpens(b, bounds, traced(nil))
	for first, second := plain, recorded; b.Loop(); first, second = second, first {
		first.round()
		second.round()
	}
	for name, o := range map[string]*opens{"plain": plain, "traced": recorded} {
		b.ReportMetric(o.rate(), name+"-opens/s")
		b.ReportMetric(o.median().Seconds()*1000, name+"-p50-ms")
	}
	b.ReportMetric(recorded.median().Seconds()/plain.median().Seconds(), "p50-ratio")
	b.ReportMetric(float64(recorded.r.g.trace.log.Stats().Syncs)/float64(len(recorded.took)), "syncs/open")
}

// opens times opens at one gateway.
type opens struct {
	r    *rig
	pdt  pdt
	took []time.Duration // each
	all  time.Duration   // of the rounds
}

// newOpens returns a gateway at which nobody opens too often.
func newOpens(b *testing.B, opts ...option) *opens {
	r := begin(b, opts...)
	often := rates.Rate{Peer: listen.NewBudget(1<<30, time.Nanosecond, 4*atOnce)}
	r.g.rates = rates.Rates{Handshakes: often, Requests: often, Opens: often, Begins: often}
	return &opens{r: r, pdt: r.pdt(pdt1)}
}

// round has some terminals open a session at once, on connections that are there, and ends these sessions.
func (o *opens) round() {
	var far []*link.Conn
	var ask []func(context.Context) (*link.Conn, error)
	for i := range atOnce {
		far = append(far, o.r.park(o.pdt))
		ask = append(ask, o.r.asking(fmt.Sprintf("urn:tlagate:cab1:tla:t%d", i)))
	}
	near, took := make([]*link.Conn, atOnce), make([]time.Duration, atOnce)
	var running sync.WaitGroup
	began := time.Now()
	for i := range atOnce {
		running.Go(func() {
			var err error
			near[i], err = ask[i](context.Background())
			took[i] = time.Since(began)
			require.NoError(o.r.t, err)
		})
	}
	running.Wait()
	o.all += time.Since(began)
	o.took = append(o.took, took...)
	for i := range atOnce {
		near[i].Close()
		far[i].Close()
	}
	o.r.eventually("all sessions over", func() bool { return o.r.reserved() == 0 && o.r.connections() == 0 })
}

func (o *opens) rate() float64 { return float64(len(o.took)) / o.all.Seconds() }

func (o *opens) median() time.Duration {
	slices.Sort(o.took)
	return o.took[len(o.took)/2]
}
