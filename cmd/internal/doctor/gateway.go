package doctor

import (
	"cmp"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"tlagate/dialer"
	"tlagate/internal/address"
	"tlagate/pki"
	"tlagate/pki/query"
	"tlagate/pki/trust"
)

// Gateway returns the check that a gateway is reached and knows us: GET /v1/whoami with our certificate. Only a program
// that dials by itself may use it (C4).
func (d Device) Gateway(gateway string, dial dialer.Func) Check {
	return Check{"gateway " + gateway, func(ctx context.Context) Finding {
		pair, err := d.Identities[d.Own].Open()
		if err != nil {
			return Cannot("run this as root, or in the unit's environment", "our key cannot be opened here: %v", err)
		}
		defer pair.Close()
		store, err := d.Store()
		if err != nil {
			return Cannot("", "see trust anchors")
		}
		party := &trust.Party{Trust: store, Certificate: pair.Certificate, Hybrids: d.Hybrids}
		a, err := askWhoami(ctx, gateway, dial, party)
		if err != nil {
			return Fail(remedy(err), "%s: %v", cmp.Or(string(pki.ReasonOf(err)), "not reached"), err)
		}
		return a.judge(time.Now(), store.Crypto())
	}}
}

// askWhoami asks a gateway as a start does: after two hellos without an answer, once without post-quantum groups.
func askWhoami(ctx context.Context, gateway string, dial dialer.Func, party *trust.Party) (a *answer, err error) {
	err = party.Hybrids.Retry(gateway, func() (err error) {
		ctx, cancel := context.WithTimeout(ctx, whoamiTime)
		defer cancel()
		a, err = whoami(ctx, gateway, dial, party)
		return err
	})
	if err == nil {
		a.small = !party.Hybrids.Until(gateway).IsZero()
	}
	return a, err
}

const (
	whoamiTime = 15 * time.Second
	maxWhoami  = 64 << 10 // octets, with the header
	maxSkew    = 30 * time.Second
)

// remedy returns what to do about a gateway that is not reached, refuses us, or is refused.
func remedy(err error) string {
	switch {
	case errors.As(err, new(*dialer.ProxyError)):
		return "see proxy and proxy_password in the configuration"
	case errors.As(err, new(*pki.Refusal)):
		return "docs/revocation.md says what the reason means; if it is about dates, look at the clock"
	case errors.As(err, new(*trust.Rejected)):
		return "ask the gateway's operator why our certificate does not pass"
	}
	return "check the name, the network, and the packet filter on the way"
}

// answer is what a gateway says of us.
type answer struct {
	Identity   string `json:"identity"`
	Gateway    string `json:"gateway"`
	Crypto     string `json:"crypto"` // absent from an older release
	Revocation struct {
		Status string `json:"status"`
		Source string `json:"source"`
	} `json:"revocation"`
	date  time.Time // of its answer
	small bool      // the gateway answers no hello with post-quantum groups
}

func whoami(ctx context.Context, gateway string, dial dialer.Func, party *trust.Party) (*answer, error) {
	at, err := address.Server(gateway)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequest(http.MethodGet, "https://gateway/v1/whoami", nil)
	if err != nil {
		return nil, err
	}
	got, err := query.Server{Address: at.String(), Party: party, Dial: dial,
		Want: trust.Want{Usage: x509.ExtKeyUsageServerAuth, Roles: []pki.Role{pki.RoleGateway}, DNSName: at.Name,
			Dialled: gateway}}.Once(ctx, req, maxWhoami)
	if err != nil {
		return nil, err
	}
	return readWhoami(got)
}

func readWhoami(got *query.Answer) (*answer, error) {
	if got.Status != http.StatusOK {
		return nil, fmt.Errorf("it answered HTTP %d", got.Status)
	}
	a := new(answer)
	a.date, _ = http.ParseTime(got.Header.Get("Date"))
	return a, json.Unmarshal(got.Body, a)
}

// judge returns the finding. The clocks are compared because a wrong one spoils consents and revocation data long
// before it spoils certificates. A gateway that demands crypto: rgs answers here without it, and refuses all else.
func (a *answer) judge(now time.Time, ours pki.Crypto) Finding {
	skew := now.Sub(a.date).Round(time.Second)
	switch {
	case a.Revocation.Status != "good":
		return Fail("ask the PKI's operator", "%s says that the certificate of %s is %q (%s)", a.Gateway, a.Identity,
			a.Revocation.Status, a.Revocation.Source)
	case a.Crypto == pki.CryptoRGS.String() && ours != pki.CryptoRGS:
		return Fail("put crypto: rgs into the configuration, or its bundle, and start the program again "+
			"(docs/crypto.md)", "%s demands crypto: rgs, which is not on here: it answers %s, and refuses it every "+
			"session (not_rgs)", a.Gateway, a.Identity)
	case a.date.IsZero():
		return Warn("", "%s takes us for %s, and does not say what time it is", a.Gateway, a.Identity)
	case a.small:
		return Warn("have the operator of the network on the way allow TLS hellos of more than one segment; "+
			"with hybrid: required, none is sent without these groups",
			"%s takes us for %s, but only a hello without post-quantum groups is answered",
			a.Gateway, a.Identity)
	case skew.Abs() > maxSkew:
		return Warn("set the clock of whichever is wrong", "%s takes us for %s; our clocks differ by %s", a.Gateway,
			a.Identity, skew)
	}
	return Good("%s takes us for %s, certificate %s by %s; our clocks differ by %s", a.Gateway, a.Identity,
		a.Revocation.Status, a.Revocation.Source, skew)
}
