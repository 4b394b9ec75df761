package heads

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tlagate/internal/address"
	"tlagate/pki"
	"tlagate/pki/query"
	"tlagate/pki/trust"
	"tlagate/push"
)

// Server is a PKI server that keeps heads. It must not be changed once given.
type Server struct {
	URL   string       // https://host:port
	Name  string       // that its certificate must have; "" = the host of URL
	Party *trust.Party // our client certificate, and whom we trust
}

const (
	askTime   = 30 * time.Second // for one request, connection included
	maxAnswer = Page*maxLine + 8<<10
)

// ErrRefused says that the server knows another line of that number, or a higher one: the trace was rewritten, or the
// gateway has gone back in it.
var ErrRefused = errors.New("the PKI knows another line of that number, or a later one")

// send sends a head, and returns who took or refused it.
func (s Server) send(ctx context.Context, head string) (peer pki.Identity, err error) {
	status, body, peer, err := s.ask(ctx, http.MethodPost, Path, head)
	switch {
	case err != nil:
		return peer, err
	case status == http.StatusConflict:
		return peer, ErrRefused
	case status != http.StatusOK:
		return peer, unexpected(status, body)
	}
	return peer, nil
}

// Fetch returns all heads of our own that the server keeps, lowest number first, as Read does.
func (s Server) Fetch(ctx context.Context, check Check) (known Known, err error) {
	known.check = check
	for from := uint64(0); ; {
		status, body, _, err := s.ask(ctx, http.MethodGet, Path+"?from="+strconv.FormatUint(from, 10), "")
		if err == nil && status != http.StatusOK {
			err = unexpected(status, body)
		}
		if err != nil {
			return Known{}, fmt.Errorf("cannot fetch the heads that %s keeps: %w", s.URL, err)
		}
		n, err := known.add(bytes.NewReader(body))
		if err != nil {
			return Known{}, fmt.Errorf("cannot use the heads that %s keeps: %w", s.URL, err)
		}
		if n < Page {
			return known, nil
		}
		from = known.list[len(known.list)-1].number + 1
	}
}

// unexpected returns what to say of an answer; of what the server wrote, only the type of the problem.
func unexpected(status int, body []byte) error {
	var p struct{ Type string }
	_ = json.Unmarshal(body, &p)
	code, known := strings.CutPrefix(p.Type, "urn:tlagate:problem:")
	if !known || strings.Trim(code, "abcdefghijklmnopqrstuvwxyz_") != "" || len(code) > 40 {
		code = "no reason given"
	}
	return fmt.Errorf("the server answered %d (%s)", status, code)
}

// ask sends one request on a connection of its own.
func (s Server) ask(ctx context.Context, method, path, body string) (status int, answer []byte, peer pki.Identity,
	err error) {
	at, err := s.place()
	if err != nil {
		return 0, nil, peer, err
	}
	req, err := http.NewRequest(method, "https://"+at.Name+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, peer, err
	}
	if body != "" {
		req.Header.Set("Content-Type", "text/plain")
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	a, err := query.Server{Address: at.String(), Party: s.Party, Want: trust.Want{Usage: x509.ExtKeyUsageServerAuth,
		Roles: []pki.Role{pki.RolePKI}, DNSName: at.Name}}.Once(ctx, req, maxAnswer)
	if a == nil {
		return 0, nil, peer, fmt.Errorf("cannot reach the PKI: %w", err)
	}
	return a.Status, a.Body, a.Peer.Identity, err
}

func (s Server) place() (address.Peer, error) { return push.CheckURL(s.URL, s.Name) }
