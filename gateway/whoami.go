package gateway

import (
	"crypto/x509"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"tlagate/pki/trust"

	"tlagate/pki"
	"tlagate/push"
	"tlagate/session/link"
)

// whoamiAnswer tells a peer how the gateway sees it.
type whoamiAnswer struct {
	Identity   string           `json:"identity"`
	Role       pki.Role         `json:"role"`
	Practice   string           `json:"practice"`
	NotAfter   time.Time        `json:"not_after"`
	Revocation revocationAnswer `json:"revocation"`
	Gateway    string           `json:"gateway"`
	Crypto     string           `json:"crypto"` // what the gateway's links take, and what it demands of devices
	TLS        pki.Negotiated   `json:"tls"`    // of the connection that the question came by
}

type revocationAnswer struct {
	Status     string    `json:"status"`
	Source     string    `json:"source"`
	NextUpdate time.Time `json:"next_update"`

	// Pushed reports whether revocations reach the gateway at once; absent = only by lists and OCSP.
	Pushed *bool `json:"pushed,omitempty"`
}

// whoami verifies the peer again, so that the answer is true at this moment.
func (g *Gateway) whoami(c *client, w http.ResponseWriter) *link.Problem {
	verdict, err := g.party.Trust.Verify(c.peer.Chain, trust.Want{Usage: x509.ExtKeyUsageClientAuth})
	if err != nil {
		g.watcher.cut(c, err)
		panic(http.ErrAbortHandler) // the connection is being closed
	}
	id := c.peer.Identity
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(whoamiAnswer{
		Identity: id.String(), Role: id.Role, Practice: id.Practice, NotAfter: verdict.NotAfter.UTC(),
		Revocation: revocationAnswer{"good", verdict.Revocation[0].Kind, nextUpdate(verdict), allUp(g.subscribers())},
		Gateway:    g.identity(), Crypto: g.party.Trust.Crypto().String(), TLS: c.peer.TLS,
	})
	return nil
}

// subscribers returns the streams of revocations that there are now.
func (g *Gateway) subscribers() []*push.Subscriber {
	if g.push == nil {
		return nil
	}
	return g.push()
}

// allUp reports whether every stream tells us of revocations right now; nil when there is none.
func allUp(streams []*push.Subscriber) *bool {
	if len(streams) == 0 {
		return nil
	}
	up := !slices.ContainsFunc(streams, func(s *push.Subscriber) bool { return !s.State().Up })
	return &up
}

// nextUpdate returns until when the revocation data of the whole path are good.
func nextUpdate(v *trust.Verdict) time.Time {
	var next time.Time
	for _, r := range v.Revocation {
		if next.IsZero() || r.NextUpdate.Before(next) {
			next = r.NextUpdate
		}
	}
	return next.UTC()
}

// identity returns our own identity; "" when our certificate names none.
func (g *Gateway) identity() string {
	if own := g.party.Certificate(); own != nil && own.Leaf != nil {
		if id, err := pki.IdentityOf(own.Leaf); err == nil {
			return id.String()
		}
	}
	return ""
}
