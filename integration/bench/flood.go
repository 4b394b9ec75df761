package main

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// The flood: silent connections from a few addresses, opened again as soon as they are closed, more of them than the
// gateway's rooms have places for strangers.
const (
	floodAddresses = 16
	newcomers      = 10
)

var (
	floodConns = 3000
	floodAPDUs = 1500
)

// flooded is what was measured under the flood, and just before it.
type flooded struct {
	quiet, under []time.Duration // of the APDUs of a session, before and under the flood
	admitted     int             // of the newcomers
	opened       int64           // connections of the flood
}

func (s *site) measureFlood(r *report) (err error) {
	progress("a session, and newcomers, under a flood of %d silent connections …", floodConns)
	if _, err := s.lab.Relay("start"); err != nil {
		return err
	}
	way := s.ways(false)[2]
	p, err := startProgram([]string{"PCSCLITE_CSOCK_NAME=" + way.socket})
	if err != nil {
		return err
	}
	defer p.stop()
	if _, err := p.do(order{Do: doOpen, Readers: []string{way.reader}}); err != nil {
		return err
	}
	if r.flood, err = s.floodWhile(p); err != nil {
		return err
	}
	if _, err := p.do(order{Do: doClose}); err != nil {
		return err
	}
	_, err = s.lab.Relay("stop")
	return err
}

func (s *site) floodWhile(p *process) (f flooded, err error) {
	if f.quiet, err = reads(p); err != nil {
		return f, err
	}
	flood := newFlood(s.lab.GatewayAddr)
	defer flood.stop()
	flood.wait()
	if f.under, err = reads(p); err != nil {
		return f, err
	}
	for range newcomers {
		if s.newcomer() {
			f.admitted++
		}
	}
	f.opened = flood.opened.Load()
	return f, nil
}

// reads returns the times of many APDUs, after some to warm up.
func reads(p *process) ([]time.Duration, error) {
	if _, err := p.do(order{Do: doRead, N: floodAPDUs / 10}); err != nil {
		return nil, err
	}
	a, err := p.do(order{Do: doRead, N: floodAPDUs})
	return a.Times, err
}

// newcomer reports whether a new, honest client is served.
func (s *site) newcomer() bool {
	keys := s.lab.TLAKeys
	out, err := exec.Command("curl", "--silent", "--show-error", "--max-time", "10", "--cacert", s.lab.TLATrust.Anchor,
		"--cert", keys.Cert, "--key", keys.Key, "https://"+s.lab.Named(s.lab.GatewayAddr)+"/v1/whoami").CombinedOutput()
	if err != nil {
		progress("a newcomer was not served: %s", out)
	}
	return err == nil && strings.Contains(string(out), `"role":"tla"`)
}

// flood keeps connections open on which nothing is said.
type flood struct {
	to     string
	stop   func()
	opened atomic.Int64
	full   sync.WaitGroup // done when each connection has been open once
}

func newFlood(to string) *flood {
	ctx, cancel := context.WithCancel(context.Background())
	f := &flood{to: to}
	var running sync.WaitGroup
	f.stop = func() { cancel(); running.Wait() }
	f.full.Add(floodConns)
	for i := range floodConns {
		running.Go(func() { f.keep(ctx, net.IPv4(127, 0, 1, byte(1+i%floodAddresses))) })
	}
	return f
}

func (f *flood) wait() { f.full.Wait() }

// keep keeps one connection open, opening it again and again. Like any attacker's machine, it waits a moment in
// between.
func (f *flood) keep(ctx context.Context, from net.IP) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: from}}
	once := sync.OnceFunc(f.full.Done)
	defer once()
	for ctx.Err() == nil {
		c, err := d.DialContext(ctx, "tcp", f.to)
		once()
		if err == nil {
			f.opened.Add(1)
			stop := context.AfterFunc(ctx, func() { c.Close() })
			_, _ = c.Read(make([]byte, 1))
			stop()
			c.Close()
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

func (f flooded) cells() []string {
	quiet, under := quantile(f.quiet, 0.99), quantile(f.under, 0.99)
	return []string{show(quiet), show(under), fmt.Sprintf("%.2f", float64(under)/float64(quiet)),
		fmt.Sprintf("%d of %d", f.admitted, newcomers)}
}
