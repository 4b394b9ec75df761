// Package peers records who came to a server and who was refused (annex codes C2, SA2). What one of them does again and
// again is counted, not written: neither a stranger nor a broken device fills a trace.
package peers

import (
	"errors"
	"net/netip"
	"time"

	"tlagate/audit"
	"tlagate/pki"
	"tlagate/pki/listen"
	"tlagate/pki/trust"
)

// Trace records the accesses to one server. It is safe for concurrent use, and never makes its caller wait.
type Trace struct {
	use     string
	log     *audit.Log
	repeats *repeats
}

// New returns a Trace in a log; nil records nothing. use says which server it is, "" = the program's only one. So many
// peers are told apart; when there are more, they share what one may have recorded.
func New(log *audit.Log, use string, most int) *Trace {
	return &Trace{use, log, newRepeats(log, most)}
}

// Close records how many events were only counted.
func (t *Trace) Close() { t.repeats.counts.Close() }

// Record records what a proven peer did, or only counts it if it does so again and again, for the same reason.
func (t *Trace) Record(who, reason string, kind audit.Kind, with ...audit.Attr) {
	t.repeats.record(who, reason, kind, with...)
}

// Accepted records that a peer is proven and let in.
func (t *Trace) Accepted(peer *trust.Peer, remote string) {
	id, agreed := peer.Identity, peer.TLS
	with := []audit.Attr{audit.Use(t.use), audit.Identity(id.String()), audit.Role(string(id.Role)),
		audit.Practice(id.Practice), audit.Serial(peer.Chain[0].SerialNumber), audit.Address(AddressOf(remote)),
		audit.Group(agreed.Group), audit.Suite(agreed.Suite)}
	t.Record(id.String(), "", audit.AccessAccepted, append(with, knownFrom(peer.Verdict)...)...)
}

// knownFrom returns from what it is known that a peer's certificate is not revoked, and how old that is.
func knownFrom(v *trust.Verdict) []audit.Attr {
	if v == nil || len(v.Revocation) == 0 {
		return nil
	}
	leaf := v.Revocation[0]
	return []audit.Attr{audit.Source(leaf.Kind), audit.Age(time.Since(leaf.ThisUpdate))}
}

// Refused records that somebody was not proven. It fits listen.Config.Refused.
func (t *Trace) Refused(remote string, err error) {
	address := AddressOf(remote)
	with := []audit.Attr{audit.Use(t.use), audit.Reason(listen.ReasonOf(err)), audit.Address(address)}
	if r, ok := errors.AsType[*pki.Refusal](err); ok {
		with = append(with, audit.Peer(r.Claimed.String()), audit.Serial(r.Serial))
	}
	t.log.Stranger(address, audit.AccessRefused, with...)
}

// Full records that a proven peer was turned away, because of a limit.
func (t *Trace) Full(peer *trust.Peer, remote string) {
	who := peer.Identity.String()
	t.Record(who, listen.TooMany, audit.AccessRefused, audit.Use(t.use), audit.Reason(listen.TooMany), audit.Peer(who),
		audit.Serial(peer.Chain[0].SerialNumber), audit.Address(AddressOf(remote)))
}

// RequestRefused records that a request was answered with a problem. request is one of the server's own names for it,
// never what the peer wrote. Whoever shows no certificate is a stranger.
func (t *Trace) RequestRefused(peer *trust.Peer, remote, request, code string, more ...audit.Attr) {
	address := AddressOf(remote)
	with := append(more, audit.Use(t.use), audit.Request(request), audit.Code(code), audit.Address(address))
	if peer.Anonymous() {
		t.log.Stranger(address, audit.RequestRefused, append(with, audit.Reason(code))...)
		return
	}
	who := peer.Identity.String()
	t.Record(who, code, audit.RequestRefused, append(with, audit.Identity(who))...)
}

// AddressOf returns the IP address of a peer, without port and zone; what is none stays as it is.
func AddressOf(remote string) string {
	at, err := netip.ParseAddrPort(remote)
	if err != nil {
		return remote
	}
	return at.Addr().Unmap().WithZone("").String()
}
