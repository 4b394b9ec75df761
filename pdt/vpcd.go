package pdt

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"time"

	"tlagate/internal/retry"
	"tlagate/session"
)

const (
	firstRetry  = 100 * time.Millisecond // pause after the first failed dial
	dialTimeout = 2 * time.Second
)

// vpcd is one slot of the driver. It shows a card as long as it keeps a connection open.
type vpcd struct {
	cfg  DriverConfig
	addr string
	log  *slog.Logger
	left time.Time // when programs lost the last card; Show's own

	mu    sync.Mutex // protects state
	state DriverState
}

func newVPCD(cfg DriverConfig, slot session.Slot) *vpcd {
	addr := net.JoinHostPort(cfg.Address, strconv.Itoa(cfg.Port+int(slot)))
	return &vpcd{cfg: cfg, addr: addr, state: DriverState{Address: addr},
		log: cfg.Log.With("slot", slot.String(), "driver", addr)}
}

// Show keeps the card plugged until ctx ends. When the driver goes away (pcscd restarted), the card is reset before it
// is shown again: no program may find the security state of another's session.
func (v *vpcd) Show(ctx context.Context, card *Card) {
	for {
		conn, err := v.dial(ctx)
		if err != nil {
			return
		}
		err = v.serve(ctx, conn, card)
		if ctx.Err() != nil {
			return
		}
		v.explain(err)
		if !card.Recover(ctx, err, v.cfg.Gap) {
			return
		}
	}
}

// serve shows the card on one connection and returns why that ended.
func (v *vpcd) serve(ctx context.Context, conn *net.TCPConn, card *Card) error {
	v.set(false, "")
	err := newPlug(v.cfg, conn, card, func() { v.seen(card) }).serve(ctx)
	v.left = time.Now()
	v.set(false, "")
	return err
}

// seen tells the status and the terminal that programs see the card.
func (v *vpcd) seen(card *Card) {
	v.set(true, "")
	card.Seen()
}

// explain logs why programs do not see the card any more, if it may still be there.
func (v *vpcd) explain(err error) {
	switch {
	case isGone(err):
	case errors.Is(err, errDropped):
		v.log.Info("virtual reader driver closed the connection; the card is reset before it is shown again")
	default:
		v.log.Warn("card is shown as removed", "error", err)
	}
}

// dial connects to the driver once the gap is over, and retries until ctx ends. It logs what is wrong once. It does not
// interrupt a dial: the driver would see a connection that is reset.
func (v *vpcd) dial(ctx context.Context) (*net.TCPConn, error) {
	if !retry.Sleep(ctx, time.Until(v.left.Add(v.cfg.Gap))) {
		return nil, ctx.Err()
	}
	missing := false
	for again := (retry.Backoff{First: firstRetry, Most: v.cfg.Retry}); ; {
		conn, err := net.DialTimeout("tcp", v.addr, dialTimeout)
		if err == nil {
			if missing {
				v.log.Info("virtual reader driver found")
			}
			return conn.(*net.TCPConn), nil
		}
		if ctx.Err() == nil && !missing {
			missing = true
			v.set(false, err.Error())
			v.log.Warn("cannot reach the virtual reader driver: is it installed, and pcscd running? Retrying",
				"error", err)
		}
		if !retry.Sleep(ctx, retry.Jitter(again.Next())) {
			v.set(false, "")
			return nil, ctx.Err()
		}
	}
}

func (v *vpcd) set(shown bool, problem string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.state.Shown, v.state.Error = shown, problem
}

// State returns how the slot stands with the driver, for the status.
func (v *vpcd) State() DriverState {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.state
}
