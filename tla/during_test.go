package tla

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestC4WhatRunsBesideASessionEndsWithIt: it never runs without a session or before it is up, and has returned when
// Stop returns.
func TestC4WhatRunsBesideASessionEndsWithIt(t *testing.T) {
	g := newRig(t)
	began, running := make(chan string, 9), atomic.Int32{}
	g.cfg.During = []func(context.Context, string){func(ctx context.Context, gateway string) {
		running.Add(1)
		defer running.Add(-1)
		began <- gateway
		c, err := g.dial(ctx, "tcp", gateway)
		if err == nil {
			<-ctx.Done()
			c.Close()
		}
	}}
	r := g.run()
	require.Never(t, func() bool { return len(began) > 0 || g.dials.Load() > 0 }, 100*time.Millisecond,
		10*time.Millisecond)
	require.NoError(t, r.Start(t.Context(), byHand))
	require.Equal(t, g.cfg.Gateways[0], <-began)
	require.True(t, r.Stop())
	require.Zero(t, running.Load())
	require.Zero(t, g.open.Load(), "its socket is closed, too")
	require.Empty(t, began)
}

func TestC4NothingRunsBesideAFailedStart(t *testing.T) {
	g := newRig(t)
	g.cfg.PdTs = []string{"another"}
	g.cfg.During = []func(context.Context, string){func(context.Context, string) { t.Error("there is no session") }}
	r := g.run()
	require.Error(t, r.Start(t.Context(), byHand))
}

func TestStatusTellsOfRenewal(t *testing.T) {
	g := newRig(t)
	require.Nil(t, g.run().Status().Renewal)
	due := time.Now().Add(time.Hour)
	g.relay.cfg.Renewal = func() Renewal { return Renewal{Due: due, Warn: true, Reason: "unreachable"} }
	require.Equal(t, &Renewal{Due: due, Warn: true, Reason: "unreachable"}, g.relay.Status().Renewal)
}

func TestStatusTellsOfStorage(t *testing.T) {
	g := newRig(t)
	require.Empty(t, g.run().Status().Storage)
	g.relay.cfg.Storage = func() string { return "full" }
	require.Equal(t, "full", g.relay.Status().Storage)
}
