package gateway

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"tlagate/audit"
	"tlagate/audit/peers"
	"tlagate/gateway/fleet"
	"tlagate/gateway/state"
	"tlagate/pki"
	"tlagate/session/link"
)

// Signs of a clone, as log and trace have them.
const (
	signReturned = "returned" // A asked, then B, then A again
	signBeside   = "beside"   // both have links, and answer
)

// cloneLook is the time between two looks at who has links.
const cloneLook = 10 * time.Second

// Clones returns the identities that two programs seem to use, by name.
func (g *Gateway) Clones() []fleet.Clone { return g.fleet.Clones() }

// ForgetClone lets an identity in again, as if none of its programs had been seen, and reports whether it was taken for
// a clone.
func (g *Gateway) ForgetClone(id pki.Identity) bool {
	g.state.Saw(id, time.Now(), func(s *state.Seen) { s.Clone, s.Suspect = "", time.Time{} })
	g.programs.save()
	return g.fleet.Forget(id)
}

// SetLowest replaces the lowest versions for requests from now on; who is here stays.
func (g *Gateway) SetLowest(l fleet.Lowest) { g.lowest.Store(&l) }

// fleetWatch knows which programs its peers run, and refuses some.
type fleetWatch struct {
	g    *Gateway
	tell chan struct{} // has one when who was seen is to be written at once
}

func newFleetWatch(g *Gateway) fleetWatch { return fleetWatch{g, make(chan struct{}, 1)} }

// recall takes for clones' those identities that were before a restart: one that is refused stays so until an operator
// lets it in.
func (w fleetWatch) recall() {
	w.g.state.Each(func(s *state.Seen) {
		if !s.Suspect.IsZero() {
			w.g.fleet.Remember(s.Identity, s.Suspect)
		}
	})
}

// save has it written at once who was seen.
func (w fleetWatch) save() {
	select {
	case w.tell <- struct{}{}:
	default:
	}
}

// presence is what a device said of itself with its last request to park or to open.
type presence struct {
	software link.Software
	instance string
}

// check keeps what a device says of the program that asks, and refuses one that is too old, or a clone.
func (w fleetWatch) check(c *client, r *http.Request) *link.Problem {
	c.said.Store(&presence{link.SoftwareOf(r.Header), link.InstanceOf(r.Header)})
	w.g.lately.runs(c, r.Header)
	if p := w.software(c); p != nil {
		return p
	}
	return w.clone(c)
}

// software returns which program a client says it is; zero = it says nothing.
func (c *client) software() link.Software {
	if p := c.said.Load(); p != nil {
		return p.software
	}
	return link.Software{}
}

// instance returns which process a client says it is, 16 octets in hex; "" = it says nothing.
func (c *client) instance() string {
	if p := c.said.Load(); p != nil {
		return p.instance
	}
	return ""
}

// software refuses a program that is older than the lowest version of it.
func (w fleetWatch) software(c *client) *link.Problem {
	role, lowest := c.peer.Identity.Role, w.g.lowest.Load()
	late, unknown := lowest.Late(role, c.software())
	w.g.fleet.Version(c.peer.Identity, late || unknown)
	if !late && !unknown {
		return nil
	}
	have := strings.TrimSpace(c.software().Program + " " + c.software().Version)
	if have == "" {
		have = "a program that does not say its version"
	}
	return &link.Problem{Code: link.ProblemVersionOutdated,
		Detail: fmt.Sprintf("This device runs %s, at least %s is wanted.", have, lowest.Of(role)),
		Action: "Install the newer version of " + fleet.Programs[role] + " on this device."}
}

// clone keeps which process asks, and refuses it if its identity is taken for a clone and such are refused.
func (w fleetWatch) clone(c *client) *link.Problem {
	id := c.peer.Identity
	first, clone := w.g.fleet.Asked(id, c.instance(), c.since, time.Now())
	if first {
		w.suspected(id, c.instance(), c.remote, signReturned)
	}
	if !clone || !w.g.fleet.Refuses() {
		return nil
	}
	return &link.Problem{Code: link.ProblemCloneSuspected,
		Detail: "Two programs seem to use the certificate of " + id.String() + "; this gateway lets in neither.",
		Action: "Stop the one that should not be, or revoke the certificate; then the operator lets the other in."}
}

// watch looks for instances that have links beside each other until ctx ends.
func (w fleetWatch) watch(ctx context.Context) {
	tick := time.NewTicker(cloneLook)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			w.look(time.Now())
		case <-ctx.Done():
			return
		}
	}
}

// look looks once, at now.
func (w fleetWatch) look(now time.Time) {
	for _, id := range w.g.fleet.Look(w.heard(), now) {
		instance, _ := w.g.fleet.Came(id)
		w.suspected(id, instance, "", signBeside)
	}
}

// heard returns, of each identity, the instances that have links, and when each was last heard from.
func (w fleetWatch) heard() map[pki.Identity]map[string]time.Time {
	all := map[pki.Identity]map[string]time.Time{}
	for _, c := range w.g.clients.all() {
		e, id := c.end.Load(), c.peer.Identity
		if e == nil {
			continue
		}
		if all[id] == nil {
			all[id] = map[string]time.Time{}
		}
		if at := e.link.Heard(); at.After(all[id][c.instance()]) {
			all[id][c.instance()] = at
		}
	}
	return all
}

// suspected tells the operator of a clone, and ends what both take part in if such are refused. remote is whose request
// told; "" = none did.
func (w fleetWatch) suspected(id pki.Identity, instance, remote, sign string) {
	w.g.log.Warn("two programs seem to use one identity", "peer", id.String(), "reason", sign, "remote", remote,
		"instance", fleet.Short(instance), "refused", w.g.fleet.Refuses())
	with := []audit.Attr{audit.Identity(id.String()), audit.Reason(sign), audit.Instance(fleet.Short(instance))}
	if remote != "" {
		with = append(with, audit.Address(peers.AddressOf(remote)))
	}
	w.g.trace.log.Later(audit.CloneSuspected, with...)
	now := time.Now().UTC().Truncate(time.Second)
	w.g.state.Saw(id, now, func(s *state.Seen) { s.Clone, s.Suspect = sign, now })
	w.save()
	if w.g.fleet.Refuses() {
		w.endAll(id)
	}
}

var cloneNotice = link.Notice{Code: link.CodeEndedByOperator,
	Text: "Two programs seem to use one certificate; the operator lets in neither."}

// endAll ends the sessions and parked links of an identity.
func (w fleetWatch) endAll(id pki.Identity) {
	for _, c := range w.g.clients.all() {
		if e := c.end.Load(); e != nil && c.peer.Identity == id {
			e.end(numbered(cloneNotice, string(cloneNotice.Code)), string(cloneNotice.Code))
		}
	}
}
