package est

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"tlagate/internal/address"
)

// AnyName is the SNI of a device that does not know the PKI's name: a gateway pipes it to its own PKI (section 4).
const AnyName = "enrol.tlagate.invalid"

// Place is where an EST server is reached.
type Place struct {
	Address string // of what is dialled, as address.Reach reads it: behind a gateway an IP address needs no name
	Name    string // DNS name that the server must prove; "" = not known (through a gateway): its role must suffice
}

// DirectPlace returns the place of a PKI that is dialled directly and must prove its name; text is as address.Server
// reads it.
func DirectPlace(text string) (Place, error) {
	at, err := address.Server(text)
	return Place{Address: text, Name: at.Name}, err
}

func (p Place) sni() string { return cmp.Or(p.Name, AnyName) }

// dialled returns the name for trust.Hybrids. A gateway whose PKI is away hangs up on hellos for the PKI: that must not
// count against hellos for the gateway at the same address.
func (p Place) dialled() string { return "EST at " + p.Address }

// Dial is like net.Dialer's DialContext.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

const dialTime = 10 * time.Second

func (p Place) dial(ctx context.Context, dial Dial) (net.Conn, error) {
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	at, err := address.Reach(p.Address)
	if err != nil {
		return nil, &Unreachable{p, err}
	}
	c, err := dial(ctx, "tcp", at.String())
	if err != nil {
		return nil, &Unreachable{p, err}
	}
	return c, nil
}

// Paths of requests.
const (
	pathPrefix = "/.well-known/est"
	pathARL    = "/arl.der"
)

// exchange is one connection to an EST server, for one request after the other.
type exchange struct {
	conn    *tls.Conn
	in      *bufio.Reader
	bound   *io.LimitedReader
	host    string
	explain func(error) error // explains an alert of the server
	stop    func() bool
}

// newExchange bounds the connection by ctx, which must end.
func newExchange(ctx context.Context, conn *tls.Conn, place Place, explain func(error) error) *exchange {
	bound := &io.LimitedReader{R: conn}
	x := &exchange{conn: conn, in: bufio.NewReader(bound), bound: bound, host: place.sni(), explain: explain}
	x.stop = context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	return x
}

func (x *exchange) close() {
	x.stop()
	x.conn.Close()
}

// question is one request.
type question struct {
	path string
	code *Code  // shown, if there is one
	csr  []byte // DER; nil = a GET
}

// ask returns the body of the answer; another status than 200 is a *Problem.
func (x *exchange) ask(q question) ([]byte, error) {
	x.bound.N = maxMessage + 8<<10 // with the header
	res, body, err := x.roundTrip(q)
	switch {
	case err != nil && x.bound.N <= 0:
		return nil, &BadAnswer{q.path, errors.New("it is too long")}
	case err != nil:
		return nil, x.explain(err)
	case res.StatusCode != http.StatusOK:
		return nil, parseProblem(res.StatusCode, body)
	}
	return body, nil
}

func (x *exchange) roundTrip(q question) (*http.Response, []byte, error) {
	req, err := x.request(q)
	if err != nil {
		return nil, nil, err
	}
	sent := req.Write(x.conn) // not final: a server that refuses us may have answered already, and closed
	res, err := http.ReadResponse(x.in, req)
	if err != nil {
		return nil, nil, errors.Join(err, sent)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res, body, err
}

func (x *exchange) request(q question) (*http.Request, error) {
	url := "https://" + x.host + q.path
	if q.csr == nil {
		return http.NewRequest(http.MethodGet, url, nil)
	}
	req, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(base64Lines(q.csr)))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/pkcs10")
	req.Header.Set("Content-Transfer-Encoding", "base64")
	if q.code != nil {
		req.SetBasicAuth("code", q.code.Text())
	}
	return req, nil
}

// base64Lines returns base64 with at most 64 characters in a line, as every reader of PEM knows it.
func base64Lines(der []byte) []byte {
	text := base64.StdEncoding.EncodeToString(der)
	var out bytes.Buffer
	for ; len(text) > 64; text = text[64:] {
		out.WriteString(text[:64] + "\r\n")
	}
	out.WriteString(text + "\r\n")
	return out.Bytes()
}
