package vpcd

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"time"

	"tlagate/internal/retry"
	"tlagate/pdt"
	"tlagate/session"
)

const (
	firstRetry  = 100 * time.Millisecond // pause after the first failed dial
	dialTimeout = 2 * time.Second
)

// reader is one slot of the driver. It shows a card as long as it keeps a connection open.
type reader struct {
	cfg  Config
	addr string
	log  *slog.Logger
	left time.Time // when programs lost the last card; Show's own

	mu    sync.Mutex // protects state
	state pdt.DriverState
}

func newReader(cfg Config, slot session.Slot) *reader {
	addr := net.JoinHostPort(cfg.Address, strconv.Itoa(cfg.Port+int(slot)))
	return &reader{cfg: cfg, addr: addr, state: pdt.DriverState{Address: addr},
		log: cfg.Log.With("slot", slot.String(), "driver", addr)}
}

// Show keeps the card plugged until ctx ends. When the driver goes away (pcscd restarted), the card is reset before it
// is shown again: no program may find the security state of another's session.
func (r *reader) Show(ctx context.Context, card *pdt.Card) {
	for {
		conn, err := r.dial(ctx)
		if err != nil {
			return
		}
		err = r.serve(ctx, conn, card)
		if ctx.Err() != nil {
			return
		}
		r.explain(err)
		if !card.Recover(ctx, err, r.cfg.Gap) {
			return
		}
	}
}

// serve shows the card on one connection and returns why that ended.
func (r *reader) serve(ctx context.Context, conn *net.TCPConn, card *pdt.Card) error {
	r.set(false, "")
	err := newPlug(r.cfg, conn, card, func() { r.seen(card) }).serve(ctx)
	r.left = time.Now()
	r.set(false, "")
	return err
}

// seen tells the status and the terminal that programs see the card.
func (r *reader) seen(card *pdt.Card) {
	r.set(true, "")
	card.Seen()
}

// explain logs why programs do not see the card any more, if it may still be there.
func (r *reader) explain(err error) {
	switch {
	case errors.Is(err, session.StaleEpoch), errors.Is(err, session.NoCard): // news of the slot is on its way
	case errors.Is(err, errDropped):
		r.log.Info("virtual reader driver closed the connection; the card is reset before it is shown again")
	default:
		r.log.Warn("card is shown as removed", "error", err)
	}
}

// dial connects to the driver once the gap is over, and retries until ctx ends. It logs what is wrong once. It does not
// interrupt a dial: the driver would see a connection that is reset.
func (r *reader) dial(ctx context.Context) (*net.TCPConn, error) {
	if !retry.Sleep(ctx, time.Until(r.left.Add(r.cfg.Gap))) {
		return nil, ctx.Err()
	}
	missing := false
	for again := (retry.Backoff{First: firstRetry, Most: r.cfg.Retry}); ; {
		conn, err := net.DialTimeout("tcp", r.addr, dialTimeout)
		if err == nil {
			if missing {
				r.log.Info("virtual reader driver found")
			}
			return conn.(*net.TCPConn), nil
		}
		if ctx.Err() == nil && !missing {
			missing = true
			r.set(false, err.Error())
			r.log.Warn("cannot reach the virtual reader driver: is it installed, and pcscd running? Retrying",
				"error", err)
		}
		if !retry.Sleep(ctx, retry.Jitter(again.Next())) {
			r.set(false, "")
			return nil, ctx.Err()
		}
	}
}

func (r *reader) set(shown bool, problem string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state.Shown, r.state.Error = shown, problem
}

// State returns how the slot stands with the driver, for the status.
func (r *reader) State() pdt.DriverState {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state
}
