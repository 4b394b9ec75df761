package pdt

import (
	"context"
	"errors"

	"tlagate/session/link"
)

// bundle returns the version of the signed configuration that we work with; 0 = there is none.
func (c Config) bundle() uint64 {
	if c.Bundle == nil {
		return 0
	}
	return c.Bundle()
}

// renewed fetches the bundle that a gateway demands if err says that ours is too old, and reports whether it did.
func (g *gateway) renewed(ctx context.Context, err error) bool {
	var p *link.Problem
	if !errors.As(err, &p) || p.Code != link.ProblemBundleOutdated || g.s.cfg.Outdated == nil {
		return false
	}
	if err := g.s.cfg.Outdated(ctx, g.address); err != nil {
		g.log.Warn("cannot fetch the bundle that the gateway demands", "error", err)
		return false
	}
	return true
}
