package main

import (
	"fmt"
	"os/exec"
	"strings"
	"time"

	"tlagate/integration/crowd"
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
	flood := crowd.StartFlood(s.lab.GatewayAddr, floodConns, floodAddresses)
	defer flood.Stop()
	flood.Wait()
	if f.under, err = reads(p); err != nil {
		return f, err
	}
	for range newcomers {
		if s.newcomer() {
			f.admitted++
		}
	}
	f.opened = flood.Opened()
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

func (f flooded) cells() []string {
	quiet, under := quantile(f.quiet, 0.99), quantile(f.under, 0.99)
	return []string{show(quiet), show(under), fmt.Sprintf("%.2f", float64(under)/float64(quiet)),
		fmt.Sprintf("%d of %d", f.admitted, newcomers)}
}
