package cli

import (
	"context"
	"log/slog"
	"time"

	"tlagate/internal/retry"
	"tlagate/internal/stamp"
)

const (
	lookEvery = time.Hour
	tellEvery = 24 * time.Hour
)

// WarnOfEnd logs, once a day until ctx ends, that a certificate which is not renewed automatically has less than a
// third of its life left.
func (k *Keys) WarnOfEnd(ctx context.Context, log *slog.Logger) {
	var told time.Time
	for {
		if now := time.Now(); now.Sub(told) >= tellEvery && k.warnOfEnd(now, log) {
			told = now
		}
		if !retry.Sleep(ctx, lookEvery) {
			return
		}
	}
}

func (k *Keys) warnOfEnd(now time.Time, log *slog.Logger) bool {
	leaf := k.Certificate().Leaf
	ends := leaf.NotAfter
	if now.Before(ends.Add(-ends.Sub(leaf.NotBefore) / 3)) {
		return false
	}
	log.Warn("our certificate ends, and nothing here renews it", "cert", string(k.from.Cert),
		"until", stamp.Instant(ends))
	return true
}
