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
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"tlagate/internal/address"
	"tlagate/pki"
	"tlagate/pki/trust"
)

// ClientConfig says where an officer's server is, and who the officer is.
type ClientConfig struct {
	Server  string // unix:PATH, HOST:PORT, or NAME=HOST:PORT
	Party   *trust.Party
	Timeout time.Duration // of one request; 0 = 6 min
}

// Client asks an officers' server. It sends nothing before the server is proven.
type Client struct {
	party   *trust.Party
	timeout time.Duration
	network string
	address string
	want    trust.Want
	http    *http.Client
}

// maxAnswer bounds an answer, in octets: a list of all certificates.
const maxAnswer = 1 << 30

const unixPrefix = "unix:"

// NewClient returns a client; it connects when it is first asked. Close it.
func NewClient(cfg ClientConfig) (*Client, error) {
	c := &Client{party: cfg.Party, timeout: cmp.Or(cfg.Timeout, actTime+readTime), network: "unix",
		want: trust.Want{Usage: x509.ExtKeyUsageServerAuth, Roles: []pki.Role{pki.RolePKI}}}
	if path, ok := strings.CutPrefix(cfg.Server, unixPrefix); ok {
		c.address = path
	} else {
		at, err := address.Server(cfg.Server)
		if err != nil {
			return nil, fmt.Errorf("cannot use the server's address %q: %w", address.Shown(cfg.Server), err)
		}
		c.network, c.address, c.want.DNSName = "tcp", at.HostPort.String(), at.Name
	}
	c.http = &http.Client{
		Transport:     &http.Transport{DialTLSContext: c.dial},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c, nil
}

// Close closes what is open.
func (c *Client) Close() { c.http.CloseIdleConnections() }

func (c *Client) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	raw, err := new(net.Dialer).DialContext(ctx, c.network, c.address)
	if err != nil {
		return nil, fmt.Errorf("cannot reach the PKI's server: %w", err)
	}
	conn, _, err := c.party.Client(ctx, raw, trust.ALPNOuter, c.want)
	if err != nil {
		return nil, err
	}
	return conn, nil
}

// Get asks for a view and decodes it; into a *[]byte it goes as it came.
func (c *Client) Get(ctx context.Context, name string, query url.Values, into any) error {
	target := url.URL{Scheme: "https", Host: "pki", Path: Prefix + name, RawQuery: query.Encode()}
	return c.ask(ctx, http.MethodGet, target.String(), nil, into)
}

// Do asks for an act, once.
func (c *Client) Do(ctx context.Context, name string, request, into any) error {
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	return c.ask(ctx, http.MethodPost, "https://pki"+Prefix+name, body, into)
}

func (c *Client) ask(ctx context.Context, method, target string, body []byte, into any) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Idempotency-Key", rand.Text())
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if wrapped, ok := errors.AsType[*url.Error](err); ok {
			err = wrapped.Err
		}
		return c.party.Explain(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("cannot read the answer: %w", c.party.Explain(err))
	}
	if resp.StatusCode != http.StatusOK {
		return readProblem(resp.StatusCode, answer)
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
