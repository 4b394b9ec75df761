package officers

import (
	"bufio"
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

// Client asks an officers' server, each time on a connection of its own. It sends nothing before the server is proven.
type Client struct {
	party   *trust.Party
	timeout time.Duration
	network string
	address string
	want    trust.Want
}

// maxAnswer bounds an answer, in octets: a list of all certificates.
const maxAnswer = 1 << 30

const unixPrefix = "unix:"

// NewClient returns a client; it connects when it asks.
func NewClient(cfg ClientConfig) (*Client, error) {
	c := &Client{party: cfg.Party, timeout: cmp.Or(cfg.Timeout, actTime+readTime), network: "unix",
		want: trust.Want{Usage: x509.ExtKeyUsageServerAuth, Roles: []pki.Role{pki.RolePKI}}}
	if path, ok := strings.CutPrefix(cfg.Server, unixPrefix); ok {
		c.address = path
		return c, nil
	}
	at, err := address.Server(cfg.Server)
	if err != nil {
		return nil, fmt.Errorf("cannot use the server's address %q: %w", address.Shown(cfg.Server), err)
	}
	c.network, c.address, c.want.DNSName = "tcp", at.HostPort.String(), at.Name
	return c, nil
}

// Get asks for a view and decodes it; into a *[]byte it goes as it came.
func (c *Client) Get(ctx context.Context, name string, query url.Values, into any) error {
	target := url.URL{Path: Prefix + name, RawQuery: query.Encode()}
	return c.ask(ctx, http.MethodGet, target.String(), nil, into)
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
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := http.NewRequest(method, "https://"+cmp.Or(c.want.DNSName, "pki")+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Close = true
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Idempotency-Key", rand.Text())
	}
	conn, err := c.dial(ctx)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	defer conn.Close()
	status, answer, err := exchange(conn, req)
	if err != nil {
		return fmt.Errorf("cannot read the PKI's answer: %w", c.party.Explain(err))
	}
	return decode(status, answer, into)
}

// dial connects, and has the server prove its identity.
func (c *Client) dial(ctx context.Context) (net.Conn, error) {
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

func exchange(conn net.Conn, req *http.Request) (status int, answer []byte, err error) {
	sent := req.Write(conn) // not final: a server that refuses us may have answered already, and closed
	resp, err := http.ReadResponse(bufio.NewReader(io.LimitReader(conn, maxAnswer)), req)
	if err != nil {
		return 0, nil, errors.Join(err, sent)
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}

func decode(status int, answer []byte, into any) error {
	if status != http.StatusOK {
		return readProblem(status, answer)
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
