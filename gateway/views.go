package gateway

import (
	"cmp"
	"encoding/csv"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"tlagate/audit/peers"
	"tlagate/gateway/state"
	"tlagate/internal/stamp"
	"tlagate/pki"
)

// Filter says what a view has; the zero Filter lets everything through.
type Filter struct {
	Identity pki.Identity // of a session, either end
	Practice string       // of a session, that of either end
	Role     pki.Role     // no matter for sessions
	PdT      pki.Identity // of a session; no matter otherwise
	Since    time.Time    // opened, seen or refused then or later
}

// mostOnPage is the longest page of a view.
const mostOnPage = 500

// SessionInfo is a session as operators see it. Nothing in it is the card's.
type SessionInfo struct {
	ID         string    `json:"id"`
	TLA        string    `json:"tla"`      // URN
	PdT        string    `json:"pdt"`      // URN
	Practice   string    `json:"practice"` // of the TLA
	Generation uint32    `json:"generation"`
	Opened     time.Time `json:"opened"`
	Length     int64     `json:"length"` // seconds since then
	FromTLA    int64     `json:"from_tla"`
	FromPdT    int64     `json:"from_pdt"` // octets over this link, encrypted
	TLAAddress string    `json:"tla_address"`
	PdTAddress string    `json:"pdt_address"`
	TLATLS     string    `json:"tla_tls"`
	PdTTLS     string    `json:"pdt_tls"`
	LastData   time.Time `json:"last_data,omitzero"` // when an end last sent data; zero = over this link none did
}

// PeerInfo is a peer, whether it is here or away.
type PeerInfo struct {
	Identity       string    `json:"identity"`
	Role           pki.Role  `json:"role"`
	Practice       string    `json:"practice"`
	Address        string    `json:"address"`           // IP address that it last came from
	Version        string    `json:"version,omitempty"` // what it says of itself, like the next three
	OS             string    `json:"os,omitempty"`
	Arch           string    `json:"arch,omitempty"`
	Bundle         uint64    `json:"bundle,omitempty"`
	LastSeen       time.Time `json:"last_seen"`
	CertificateEnd time.Time `json:"certificate_end"`
	RenewalLate    bool      `json:"renewal_late"`
	Connected      bool      `json:"connected"`
	Denied         bool      `json:"denied"`
	Outdated       bool      `json:"outdated"`        // refused for its version when it last asked, since the start
	Clone          string    `json:"clone,omitempty"` // why two machines seem to have its certificate
}

// ParkedInfo is a link that waits for a TLA.
type ParkedInfo struct {
	PdT     string    `json:"pdt"`
	Address string    `json:"address"`
	TLS     string    `json:"tls"`
	Since   time.Time `json:"since"`
	Heard   time.Time `json:"heard"` // when the last sign of life came
}

// Sessions returns a page of the sessions that run, those opened first at the front, and the cursor of the next page;
// "" = there is none. cursor is "" for the first page; limit is at most, and for 0 it is, 500.
func (g *Gateway) Sessions(f Filter, cursor string, limit int) (page []SessionInfo, next string) {
	after, _ := parsePlace(cursor)
	limit = pageOf(limit)
	list, more := cut(g.state.Sessions(f, after, limit+1), limit)
	page = make([]SessionInfo, 0, len(list))
	for _, s := range list {
		page = append(page, s.info())
	}
	if more {
		next = list[len(list)-1].place().String()
	}
	return page, next
}

// place orders sessions; as text it is a cursor. The zero place is before all.
type place struct {
	at int64 // when it was opened, ns
	id string
}

func (s *session) place() place { return place{s.began.UnixNano(), s.id} }

func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(p.at, q.at), strings.Compare(p.id, q.id))
}

func (p place) String() string { return strconv.FormatInt(p.at, 10) + "-" + p.id }

// IsCursor reports whether a text can be a cursor of Sessions.
func IsCursor(text string) bool {
	_, ok := parsePlace(text)
	return ok
}

// parsePlace reads a cursor; what is none stands for the first page.
func parsePlace(cursor string) (place, bool) {
	at, id, _ := strings.Cut(cursor, "-")
	n, err := strconv.ParseInt(at, 10, 64)
	return place{n, id}, err == nil
}

// pageOf returns how many items a page has at most.
func pageOf(limit int) int {
	if limit <= 0 || limit > mostOnPage {
		return mostOnPage
	}
	return limit
}

// cut returns the first of a list, at most limit, and reports whether there are more.
func cut[T any](list []T, limit int) (page []T, more bool) {
	if len(list) > limit {
		return list[:limit], true
	}
	return list, false
}

// Session returns a session that runs.
func (g *Gateway) Session(id string) (SessionInfo, bool) {
	if s := g.state.Session(id); s != nil {
		return s.info(), true
	}
	return SessionInfo{}, false
}

// info describes a session that has begun.
func (s *session) info() SessionInfo {
	tla, pdt := s.tla.client, s.pdt.client
	i := SessionInfo{ID: s.id, TLA: tla.identity(), PdT: pdt.identity(), Practice: tla.peer.Identity.Practice,
		Generation: s.generation, Opened: s.began.UTC(), Length: int64(time.Since(s.began) / time.Second),
		FromTLA: s.tla.octets.Load(), FromPdT: s.pdt.octets.Load(), TLAAddress: peers.AddressOf(tla.remote),
		PdTAddress: peers.AddressOf(pdt.remote), TLATLS: tla.peer.TLS.String(), PdTTLS: pdt.peer.TLS.String()}
	if last := max(s.tla.dataAt.Load(), s.pdt.dataAt.Load()); last > 0 {
		i.LastData = time.Unix(0, last).UTC()
	}
	return i
}

// Joined returns how many sessions run.
func (g *Gateway) Joined() int { return g.sessions.count() }

// takes reports whether a filter lets a session through that has begun.
func (f Filter) takes(s *session) bool {
	tla, pdt := s.tla.client.peer.Identity, s.pdt.client.peer.Identity
	return (f.Identity == pki.Identity{} || f.Identity == tla || f.Identity == pdt) &&
		(f.Practice == "" || f.Practice == tla.Practice || f.Practice == pdt.Practice) &&
		(f.PdT == pki.Identity{} || f.PdT == pdt) && !s.began.Before(f.Since)
}

// takesPeer reports whether a filter lets a peer through that was there at that time.
func (f Filter) takesPeer(id pki.Identity, at time.Time) bool {
	return (f.Identity == pki.Identity{} || f.Identity == id) && (f.Practice == "" || f.Practice == id.Practice) &&
		(f.Role == "" || f.Role == id.Role) && !at.Before(f.Since)
}

// Peers returns a page of the peers that are here or were, sorted by identity, and the cursor of the next page, as
// Sessions does.
func (g *Gateway) Peers(f Filter, cursor string, limit int) (page []PeerInfo, next string) {
	here, now := g.clients.peers(), time.Now().UTC().Truncate(time.Second)
	limit = pageOf(limit)
	seen, more := cut(g.state.Seen(cursor, limit+1, func(s *state.Seen) bool {
		at := s.At
		if here[s.Identity] {
			at = now
		}
		return f.takesPeer(s.Identity, at)
	}), limit)
	page = make([]PeerInfo, 0, len(seen))
	for _, s := range seen {
		i := peerInfo(s, here[s.Identity], g.state.Denies(s.Identity), now)
		i.Outdated = g.fleet.Late(s.Identity)
		page = append(page, i)
	}
	if more {
		next = seen[len(seen)-1].URN
	}
	return page, next
}

func peerInfo(s state.Seen, here, denied bool, now time.Time) PeerInfo {
	i := PeerInfo{Identity: s.URN, Role: s.Identity.Role, Practice: s.Identity.Practice, Address: s.Address,
		Version: s.Version, OS: s.OS, Arch: s.Arch, Bundle: s.Bundle, LastSeen: s.At, CertificateEnd: s.Until,
		RenewalLate: s.RenewalLate(now), Connected: here, Denied: denied, Clone: s.Clone}
	if here {
		i.LastSeen = now
	}
	return i
}

// WritePeersCSV writes a list of peers as comma-separated values (RFC 4180), with a line of names first.
func WritePeersCSV(w io.Writer, list []PeerInfo) error {
	out := csv.NewWriter(w)
	_ = out.Write([]string{"identity", "role", "practice", "address", "version", "os", "arch", "bundle", "last_seen",
		"certificate_end", "renewal_late", "connected", "denied", "clone", "outdated"})
	for _, p := range list {
		_ = out.Write([]string{p.Identity, string(p.Role), p.Practice, cell(p.Address), cell(p.Version), cell(p.OS),
			cell(p.Arch), strconv.FormatUint(p.Bundle, 10), stamp.Instant(p.LastSeen), stamp.Instant(p.CertificateEnd),
			strconv.FormatBool(p.RenewalLate), strconv.FormatBool(p.Connected), strconv.FormatBool(p.Denied),
			cell(p.Clone), strconv.FormatBool(p.Outdated)})
	}
	out.Flush()
	return out.Error()
}

// cell keeps what a peer said of itself from being a formula in a spreadsheet.
func cell(text string) string {
	if strings.ContainsAny(text[:min(1, len(text))], "=+-@\t\r") {
		return "'" + text
	}
	return text
}

// Parked returns the links that wait for a TLA, sorted by PdT, then by when they came.
func (g *Gateway) Parked() []ParkedInfo {
	list := []ParkedInfo{}
	for _, e := range g.parked.list() {
		list = append(list, ParkedInfo{PdT: e.client.identity(), Address: peers.AddressOf(e.client.remote),
			TLS: e.client.peer.TLS.String(), Since: e.at.UTC(), Heard: e.link.Heard().UTC()})
	}
	slices.SortFunc(list, func(a, b ParkedInfo) int {
		return cmp.Or(strings.Compare(a.PdT, b.PdT), a.Since.Compare(b.Since))
	})
	return list
}
