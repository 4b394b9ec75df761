package main

import (
	"fmt"
	"time"

	"tlagate/audit"
	"tlagate/cmd/internal/cli"
	"tlagate/gateway"
	"tlagate/internal/stamp"
	"tlagate/pki"
	"tlagate/pki/trust"
)

// readiness is what GET /readyz judges by (docs/metrics.md).
type readiness struct {
	gateway *gateway.Gateway
	trust   *trust.Trust
	keys    *cli.Keys
	trace   *audit.Log
}

// unready returns why new sessions had better go to another gateway, one line each; nil when there is no reason. It
// names no peer.
func (r readiness) unready() (why []string) {
	select {
	case <-r.gateway.Serving():
	default:
		why = append(why, "it does not serve yet")
	}
	if r.gateway.Draining() {
		why = append(why, "it is draining: it takes no new sessions")
	}
	if r.trace.Refuses() {
		why = append(why, "the audit trace cannot be written: no session begins")
	}
	if end := r.trust.Outlook().End; !time.Now().Before(end) {
		why = append(why, outdated(end))
	}
	if err := r.verifyOurs(); err != nil {
		why = append(why, fmt.Sprintf("peers would refuse our certificate: %s", pki.ReasonOf(err)))
	}
	return why
}

// outdated says since when peers are refused because revocation data have ended; zero = there never were any.
func outdated(end time.Time) string {
	if end.IsZero() {
		return "there are no revocation data: peers are refused"
	}
	return "revocation data ended at " + stamp.Second(end) + ": peers are refused"
}

// verifyOurs verifies our own certificate as peers do, with the revocation data at hand.
func (r readiness) verifyOurs() error {
	chain, err := pki.ParseChain(r.keys.Certificate().Certificate)
	if err == nil {
		_, err = r.trust.VerifyKnown(chain, ourUse)
	}
	return err
}
