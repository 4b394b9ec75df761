package bundle

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tlagate/internal/address"
	"tlagate/pki"
	"tlagate/pki/query"
	"tlagate/pki/trust"
)

// Way is how a device reaches a gateway.
type Way struct {
	Gateway string       // as address.Server reads it
	Party   *trust.Party // our client certificate, and whom we trust; nil = the pinned root
	// Dial connects; nil = net.Dialer's.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Hybrids says where hellos go without post-quantum groups, when Party is nil; nil = nowhere.
	Hybrids *trust.Hybrids
}

// errNone says that a gateway has no bundle for us.
var errNone = errors.New("the gateway has no bundle for this device")

const (
	fetchTime  = 20 * time.Second
	maxAnswers = 16       // OCSP answers
	maxHead    = 64 << 10 // octets of an answer beside the bundle
)

// Fetch fetches the first bundle of a device, after enrolment, or another one when the seal is broken, as a local act
// of repair, and stores it with its state. A state that is there and whole still counts: versions do not go back. The
// gateway is judged by the pinned root, the ARL that there is, and what it staples.
func Fetch(ctx context.Context, cfg Config, w Way) (*Content, error) {
	k, err := prepare(cfg)
	if err != nil {
		return nil, err
	}
	if err := k.readState(); err != nil {
		k.cfg.Log.Info("no state of a bundle counts", "error", err)
	}
	if _, err := k.Refresh(ctx, w); err != nil {
		return nil, err
	}
	return k.Content(), nil
}

// Refresh asks a gateway whether there is another bundle and takes it in, and verifies the signer of the present one
// again. The error is a *Broken when the present one must no longer be used; see [Kept.Usable].
func (k *Kept) Refresh(ctx context.Context, w Way) (changed bool, err error) {
	var a *answer
	err = k.party(w).Hybrids.Retry(w.Gateway, func() (err error) {
		a, err = k.ask(ctx, w)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("cannot fetch the bundle from %s: %w", w.Gateway, err)
	}
	switch {
	case a.der != nil:
		changed, err = k.Take(a.der, a.answers)
		if changed {
			return true, nil
		}
	case !a.same:
		err = errNone
	}
	if k.Version() == 0 {
		return false, err
	}
	if again := k.Recheck(a.answers); again != nil {
		return false, again
	}
	return false, err
}

// Usable returns nil when the present bundle may be used, otherwise a *Broken.
func (k *Kept) Usable() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.state.Revoked {
		return broken(k.cfg.File, Revoked, "its signer was found revoked; fetch another bundle")
	}
	return k.checkDates()
}

// answer is what a gateway answered.
type answer struct {
	der     []byte // a bundle; nil = none
	same    bool   // it is the present one
	answers [][]byte
}

// ask makes the request on a connection of its own.
func (k *Kept) ask(ctx context.Context, w Way) (*answer, error) {
	at, err := address.Server(w.Gateway)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequest(http.MethodGet, "https://gateway"+Path, nil)
	if err != nil {
		return nil, err
	}
	k.describe(req.Header)
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	a, err := query.Server{Address: at.String(), Party: k.party(w), Dial: w.Dial,
		Want: trust.Want{Usage: x509.ExtKeyUsageServerAuth, Roles: []pki.Role{pki.RoleGateway}, DNSName: at.Name,
			Dialled: w.Gateway}}.Once(ctx, req, MaxSigned+maxHead)
	if err != nil {
		return nil, err
	}
	return readAnswer(a)
}

func (k *Kept) party(w Way) *trust.Party {
	if w.Party != nil {
		return w.Party
	}
	return &trust.Party{Trust: k.trust, Certificate: k.cfg.Certificate, Hybrids: w.Hybrids}
}

// describe tells the gateway what we have.
func (k *Kept) describe(h http.Header) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.bundle != nil {
		h.Set(HeaderBundle, strconv.FormatUint(k.bundle.Version, 10))
		h.Set("If-None-Match", k.bundle.ETag())
	}
}

func readAnswer(from *query.Answer) (*answer, error) {
	a := new(answer)
	for i, field := range from.Header.Values(HeaderOCSP) {
		der, ok := decodeField(field)
		if !ok || i == maxAnswers {
			return nil, fmt.Errorf("cannot read its header %s", HeaderOCSP)
		}
		a.answers = append(a.answers, der)
	}
	switch from.Status {
	case http.StatusNotModified:
		a.same = true
	case http.StatusNotFound:
	case http.StatusOK:
		a.der = from.Body
	default:
		return nil, fmt.Errorf("it answered HTTP %d", from.Status)
	}
	return a, nil
}

// EncodeField returns octets as a byte sequence of RFC 8941.
func EncodeField(der []byte) string { return ":" + base64.StdEncoding.EncodeToString(der) + ":" }

func decodeField(s string) ([]byte, bool) {
	s, begins := strings.CutPrefix(s, ":")
	s, ends := strings.CutSuffix(s, ":")
	der, err := base64.StdEncoding.DecodeString(s)
	return der, begins && ends && err == nil
}
