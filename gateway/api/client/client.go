// Package client asks a gateway's API (docs/api.md): over its Unix socket, or with a certificate of role admin.
package client

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"tlagate/gateway/api"
	"tlagate/pki"
	"tlagate/pki/trust"
)

// Client asks one gateway.
type Client struct {
	http  *http.Client
	base  string
	where string // for people
	glass string // why root breaks the glass; "" = it does not
}

// Bounds of an answer.
const (
	maxAnswer  = 64 << 20 // octets
	maxLine    = 1 << 20  // octets of a line of an event stream
	answerTime = 2 * time.Minute
	dialTime   = 10 * time.Second
)

// Local returns a client of a Unix socket, which gives the role read. With a reason, root breaks the glass.
func Local(socket, breakGlass string) *Client {
	return &Client{http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: dialTime}).DialContext(ctx, "unix", socket)
		}}}, base: "http://gateway", where: socket, glass: breakGlass}
}

// Remote is where a gateway's API is that wants a certificate.
type Remote struct {
	Network string // "tcp" or "unix"
	Address string // host:port, or the path of a socket
	Name    string // DNS name that the gateway's certificate must have; "" = any gateway's will do
	Party   *trust.Party
}

// ParseRemote reads where a gateway is: https://HOST:PORT, or unix:/PATH for the socket that takes certificates.
func ParseRemote(text string) (Remote, error) {
	if path, ok := strings.CutPrefix(text, "unix:"); ok && strings.HasPrefix(path, "/") {
		return Remote{Network: "unix", Address: path}, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Port() == "" || u.Hostname() == "" || strings.Trim(u.Path, "/") != "" ||
		u.User != nil || u.RawQuery != "" {
		return Remote{}, fmt.Errorf("cannot use %q: want https://HOST:PORT or unix:/PATH", text)
	}
	return Remote{Network: "tcp", Address: u.Host, Name: u.Hostname()}, nil
}

// Mutual returns a client with a certificate.
func Mutual(r Remote) *Client {
	return &Client{http: &http.Client{Transport: &http.Transport{DialTLSContext: r.dial}}, base: "https://gateway",
		where: r.Address}
}

func (r Remote) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	c, err := (&net.Dialer{Timeout: dialTime}).DialContext(ctx, r.Network, r.Address)
	if err != nil {
		return nil, err
	}
	over, _, err := r.Party.Client(ctx, c, trust.ALPNOuter, trust.Want{Usage: x509.ExtKeyUsageServerAuth,
		Roles: []pki.Role{pki.RoleGateway}, DNSName: r.Name})
	if err != nil {
		return nil, err
	}
	return &explained{Conn: over, party: r.Party}, nil
}

// explained is a connection whose first error says why the gateway refused us.
type explained struct {
	net.Conn
	party *trust.Party
}

// Read reads from the connection beneath.
func (c *explained) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = c.party.Explain(err)
	}
	return n, err
}

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Get asks for what is at a path below /api/v1/.
func (c *Client) Get(ctx context.Context, path string, query url.Values, into any) error {
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return c.ask(ctx, http.MethodGet, path, nil, into)
}

// Act performs an act. It is sent once: whoever gets no answer looks whether it is done.
func (c *Client) Act(ctx context.Context, path string, body any) (done api.Done, err error) {
	text, err := json.Marshal(body)
	if err != nil {
		return done, err
	}
	return done, c.ask(ctx, http.MethodPost, path, text, &done)
}

func (c *Client) ask(ctx context.Context, method, path string, body []byte, into any) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	res, err := c.send(ctx, method, path, body, "")
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err == nil && len(text) > maxAnswer {
		err = errors.New("the answer is too long")
	}
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		return fmt.Errorf("cannot read the answer of the gateway at %s: %w", c.where, err)
	}
	return nil
}

// send sends a request and returns the answer, if it is none of a problem.
func (c *Client) send(ctx context.Context, method, path string, body []byte, last string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, c.base+api.Prefix+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.glass != "" {
		r.Header.Set(api.HeaderBreakGlass, c.glass)
	}
	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	res, err := c.http.Do(r)
	if err != nil {
		if inner, ok := errors.AsType[*url.Error](err); ok {
			err = inner.Err
		}
		return nil, fmt.Errorf("cannot ask the gateway at %s: %w%s", c.where, err, hint(err))
	}
	if res.StatusCode == http.StatusOK {
		return res, nil
	}
	defer res.Body.Close()
	return nil, problemIn(res)
}

// hint returns what to do when nobody answers, or the one who does cannot be judged; "" = the error says it.
func hint(err error) string {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist):
		return "; does tla-gateway run there, with this in its section api?"
	case pki.ReasonOf(err) == pki.CRLMissing:
		return "; name that CA's lists: --crl, or crls in the operator's file"
	}
	return ""
}

// Problem is what the gateway answered instead.
type Problem struct{ api.ProblemAnswer }

// Error returns the gateway's sentences.
func (p *Problem) Error() string {
	return fmt.Sprintf("cannot do this: %s (%s)", strings.TrimSpace(p.Detail+" "+p.Action), p.Code())
}

// Code returns the stable word.
func (p *Problem) Code() api.Code {
	return api.Code(p.Type[strings.LastIndexByte(p.Type, ':')+1:])
}

func problemIn(res *http.Response) error {
	var p Problem
	text, _ := io.ReadAll(io.LimitReader(res.Body, maxLine))
	if json.Unmarshal(text, &p.ProblemAnswer) != nil || p.Type == "" {
		return fmt.Errorf("cannot do this: the gateway answered %s", res.Status)
	}
	return &p
}

// Export has lines of the trace exported, and calls take with what the gateway says of them, and with the encrypted
// file, which is whole when reading it ends with io.EOF.
func (c *Client) Export(ctx context.Context, order api.ExportOrder, take func(api.Exported, io.Reader) error) error {
	body, err := json.Marshal(order)
	if err != nil {
		return err
	}
	res, err := c.send(ctx, http.MethodPost, "audit/export", body, "")
	if err != nil {
		return err
	}
	defer res.Body.Close()
	var about api.Exported
	if err := json.Unmarshal([]byte(res.Header.Get(api.HeaderExported)), &about); err != nil {
		return fmt.Errorf("cannot read the answer of the gateway at %s: %w", c.where, err)
	}
	return take(about, res.Body)
}

// Event is an event as it came.
type Event struct {
	ID   string
	Kind string
	Data []byte // JSON
}

// Events calls f with each event after the one with the id last, "" = from now on, until f returns false, the gateway
// ends the stream, or ctx ends.
func (c *Client) Events(ctx context.Context, last string, f func(Event) bool) error {
	res, err := c.send(ctx, http.MethodGet, "events", nil, last)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, maxLine)
	var e Event
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch name {
		case "id":
			e.ID = value
		case "event":
			e.Kind = value
		case "data":
			e.Data = []byte(value)
		case "":
			if e.Data != nil && !f(e) {
				return nil
			}
			e = Event{}
		}
	}
	return lines.Err()
}
