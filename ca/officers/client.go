package officers

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"tlagate/internal/acts"
	"tlagate/internal/address"
	"tlagate/pki"
	"tlagate/pki/query"
	"tlagate/pki/trust"
)

// ClientConfig says where an officer's server is, and who the officer is.
type ClientConfig struct {
	Server  string // unix:PATH, HOST:PORT, or NAME=HOST:PORT
	Party   *trust.Party
	Timeout time.Duration // of one request; 0 = 6 min
}

// Client asks an officers' server, each time on a connection of its own. It sends nothing before the server is proven.
type Client struct {
	server  query.Server
	timeout time.Duration
}

// maxAnswer bounds an answer, in octets: a list of all certificates.
const maxAnswer = 1 << 30

const unixPrefix = "unix:"

// NewClient returns a client; it connects when it asks.
func NewClient(cfg ClientConfig) (*Client, error) {
	c := &Client{timeout: cmp.Or(cfg.Timeout, actTime+readTime), server: query.Server{Network: "unix", Party: cfg.Party,
		Want: trust.Want{Usage: x509.ExtKeyUsageServerAuth, Roles: []pki.Role{pki.RolePKI}}}}
	if path, ok := strings.CutPrefix(cfg.Server, unixPrefix); ok {
		c.server.Address = path
		return c, nil
	}
	at, err := address.Server(cfg.Server)
	if err != nil {
		return nil, fmt.Errorf("cannot use the server's address %q: %w", address.Shown(cfg.Server), err)
	}
	c.server.Network, c.server.Address, c.server.Want.DNSName = "tcp", at.HostPort.String(), at.Name
	return c, nil
}

// Get asks for a view and decodes it; into a *[]byte it goes as it came.
func (c *Client) Get(ctx context.Context, name string, query url.Values, into any) error {
	target := url.URL{Path: Prefix + name, RawQuery: query.Encode()}
	return c.ask(ctx, http.MethodGet, target.String(), nil, into)
}

// hint returns what to do when nobody answers; "" = the error says it.
func hint(err error) string {
	if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist) {
		return "; does tla-pki serve run there, with this in its section officers?"
	}
	return ""
}

// Do asks for an act, once.
func (c *Client) Do(ctx context.Context, name string, request, into any) error {
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	return c.ask(ctx, http.MethodPost, Prefix+name, body, into)
}

func (c *Client) ask(ctx context.Context, method, path string, body []byte, into any) error {
	req, err := http.NewRequest(method, "https://"+cmp.Or(c.server.Want.DNSName, "pki")+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set(acts.HeaderKey, rand.Text())
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	a, err := c.server.Once(ctx, req, maxAnswer)
	switch {
	case a == nil:
		return fmt.Errorf("cannot reach the PKI's server: %w%s", err, hint(err))
	case err != nil:
		return fmt.Errorf("cannot read the PKI's answer: %w", err)
	}
	return decode(a.Status, a.Body, into)
}

func decode(status int, answer []byte, into any) error {
	if status != http.StatusOK {
		if p := acts.ReadProblem(answer); p != nil {
			return p
		}
		return fmt.Errorf("cannot read the server's answer: HTTP %d, which is no problem of this API", status)
	}
	if raw, ok := into.(*[]byte); ok {
		*raw = answer
		return nil
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return errors.New("cannot read the server's answer: it is not what this version knows")
	}
	return nil
}
