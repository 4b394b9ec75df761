package link

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"tlagate/session/proof"
	"tlagate/session/ticket"
)

// Paths and names of the outer link.
const (
	PathWhoami = "/v1/whoami"
	PathPark   = "/v1/park"
	PathOpen   = "/v1/open"
	Protocol   = "tla-session/1" // of Upgrade
	scheme     = "Tlagate"       // of Authorization

	HeaderServerCert      = "Server-Cert"       // in the encoding of RFC 9440
	HeaderServerCertChain = "Server-Cert-Chain" // likewise
	HeaderBundle          = "Tlagate-Bundle"    // the version of the asking device's bundle (docs/bundle.md)
	HeaderIncident        = "Tlagate-Incident"  // the number that the user is told if the request comes to nothing
	HeaderClient          = "Tlagate-Client"    // Software
	HeaderInstance        = "Tlagate-Instance"  // the process that asks: 16 random octets in hex
	HeaderTrace           = "Tlagate-Trace"     // of the 101: TakesTrace
	TakesTrace            = "1"                 // the gateway takes trace records
	HeaderProof           = "Tlagate-Proof"     // of an open: MakesProof
	MakesProof            = "1"                 // the TLA can send a proof of its user
)

// maxAnswer is the most that a gateway may say before the upgrade, in octets.
const maxAnswer = 64 << 10

// Authorization is what allows an open: the user's consent over the gateway's nonce, or a ticket for a session that has
// begun.
type Authorization struct {
	Session string // 16 octets in hex
	Nonce   string // of the gateway's challenge
	Consent string // the signed statement of package consent
	Proof   string // of package proof; "" = there is none
	Ticket  string // of package ticket; with it there is none of nonce, consent, proof
}

// String returns the value of the Authorization header field.
func (a Authorization) String() string {
	if a.Ticket != "" {
		return fmt.Sprintf(`%s session="%s", ticket="%s"`, scheme, a.Session, a.Ticket)
	}
	s := fmt.Sprintf(`%s nonce="%s", session="%s", consent="%s"`, scheme, a.Nonce, a.Session, a.Consent)
	if a.Proof != "" {
		s += fmt.Sprintf(`, proof="%s"`, a.Proof)
	}
	return s
}

var (
	authorization = regexp.MustCompile(`^` + scheme +
		` nonce="([A-Za-z0-9_-]{43})", session="([0-9a-f]{32})", consent="([A-Za-z0-9_.-]+)"(?:, proof="([A-Za-z0-9_.-]+)")?$`)
	resumption = regexp.MustCompile(`^` + scheme + ` session="([0-9a-f]{32})", ticket="([A-Za-z0-9_.-]+)"$`)
	challenge  = regexp.MustCompile(`^` + scheme + ` nonce="([A-Za-z0-9_-]{43})"(, proof="1")?$`)
)

// ParseAuthorization reads the Authorization header field of an open.
func ParseAuthorization(s string) (Authorization, error) {
	if m := resumption.FindStringSubmatch(s); m != nil && len(m[2]) <= ticket.MaxText {
		return Authorization{Session: m[1], Ticket: m[2]}, nil
	}
	m := authorization.FindStringSubmatch(s)
	if m == nil || len(m[3]) > maxConsent || len(m[4]) > proof.MaxText {
		return Authorization{}, errors.New(`cannot read Authorization: want ` + scheme +
			` nonce="…", session="…", consent="…", perhaps proof="…", or session="…", ticket="…"`)
	}
	return Authorization{Nonce: m[1], Session: m[2], Consent: m[3], Proof: m[4]}, nil
}

// Challenge returns the WWW-Authenticate header field with a nonce of 32 octets; prove says that a proof of the user is
// wanted, which is for a TLA that can make one ([CanProve]).
func Challenge(nonce string, prove bool) string {
	s := fmt.Sprintf(`%s nonce="%s"`, scheme, nonce)
	if prove {
		s += `, proof="1"`
	}
	return s
}

// CanProve reports whether the TLA that asks to open can send a proof of its user.
func CanProve(h http.Header) bool {
	v := h.Values(HeaderProof)
	return len(v) == 1 && v[0] == MakesProof
}

// Park asks a gateway to park c, an authenticated connection to it; chain is the certificate (DER, leaf first) that
// this PdT will show in card sessions. The error may be a *Problem. Park closes c on error.
func Park(ctx context.Context, c net.Conn, chain [][]byte, cfg Config) (*Conn, error) {
	if len(chain) == 0 {
		c.Close()
		return nil, errors.New("cannot park: no server certificate to declare")
	}
	header := upgradeHeader()
	cfg.describe(header)
	header.Set(HeaderServerCert, encodeCert(chain[0]))
	for _, der := range chain[1:] {
		header.Add(HeaderServerCertChain, encodeCert(der))
	}
	return request(ctx, c, cfg, func(r *bufio.Reader) (*http.Response, error) {
		return roundTrip(c, r, PathPark, header)
	})
}

// Open asks a gateway to join c, an authenticated connection to it, with the PdT named pdt, for the given session (16
// octets in hex), to which cfg.Consent signs the consent, and cfg.Prover, where the gateway wants that, has the user
// prove who they are. The error may be a *Problem. Open closes c on error.
func Open(ctx context.Context, c net.Conn, pdt, session string, cfg Config) (*Conn, error) {
	cfg.opened = true
	path := openPath(pdt)
	return request(ctx, c, cfg, func(r *bufio.Reader) (*http.Response, error) {
		auth, err := authorize(ctx, c, r, path, session, cfg)
		if err != nil {
			return nil, err
		}
		return roundTrip(c, r, path, cfg.openHeader(auth))
	})
}

// authorize asks for a nonce, and has the user's consent signed over it, and their proof if the gateway wants one. A
// user who took long gets another nonce.
func authorize(ctx context.Context, c net.Conn, r *bufio.Reader, path, session string, cfg Config) (Authorization,
	error) {
	auth := Authorization{Session: session}
	nonce, prove, err := askNonce(c, r, path, cfg)
	if err == nil && prove {
		began := time.Now()
		able, failed := proofOr(cfg.Prover.Ready(ctx))
		if err = failed; err == nil && time.Since(began) > freshNonce {
			nonce, prove, err = askNonce(c, r, path, cfg)
		}
		prove = prove && able
	}
	if err != nil {
		return auth, err
	}
	auth.Nonce = nonce
	if auth.Consent, err = cfg.Consent(nonce); err == nil && prove {
		auth.Proof, err = cfg.Prover.Prove(ctx, nonce, auth.Consent)
		_, err = proofOr(err)
	}
	return auth, err
}

// proofOr reports whether there is a proof, by the error of a Prover.
func proofOr(err error) (bool, error) {
	if errors.Is(err, ErrNoProof) {
		return false, nil
	}
	return err == nil, err
}

// ErrNoProof is what a Prover returns that has no proof to give, for want of a card for instance: the gateway is asked
// without, and decides by its own rule.
var ErrNoProof = errors.New("there is no proof of the user")

// freshNonce is how old a nonce may be when consent and proof are made; a gateway may keep one for less than 180 s.
const freshNonce = 20 * time.Second

// Prover has the user of the TLA prove who they are.
type Prover interface {
	// Ready asks the user for what their card wants before it signs, such as a code, and returns when it is ready to.
	Ready(ctx context.Context) error
	// Prove returns the text of the proof over a gateway's nonce and a consent; it is called after Ready.
	Prove(ctx context.Context, nonce, consent string) (string, error)
}

// Reopen asks a gateway for a further link of a session, by the ticket that came on a link before; otherwise it is like
// Open.
func Reopen(ctx context.Context, c net.Conn, pdt, session, ticket string, cfg Config) (*Conn, error) {
	cfg.opened = true
	return request(ctx, c, cfg, func(r *bufio.Reader) (*http.Response, error) {
		return roundTrip(c, r, openPath(pdt), cfg.openHeader(Authorization{Session: session, Ticket: ticket}))
	})
}

func openPath(pdt string) string { return PathOpen + "?pdt=" + url.QueryEscape(pdt) }

func (c Config) openHeader(auth Authorization) http.Header {
	header := upgradeHeader()
	c.describe(header)
	header.Set("Authorization", auth.String())
	return header
}

// request calls ask within ctx and makes a Conn of its upgrade.
func request(ctx context.Context, c net.Conn, cfg Config,
	ask func(*bufio.Reader) (*http.Response, error)) (*Conn, error) {
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	bounded := &io.LimitedReader{R: c, N: maxAnswer}
	r := bufio.NewReaderSize(bounded, 4096)
	resp, err := ask(r)
	if err == nil {
		err = upgraded(resp) // reads the problem, also within ctx
		cfg.traced = resp.Header.Get(HeaderTrace) == TakesTrace
	}
	if !stop() && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	bounded.N = math.MaxInt64
	return New(c, r, cfg), nil
}

func upgradeHeader() http.Header {
	return http.Header{"Connection": {"Upgrade"}, "Upgrade": {Protocol}}
}

// describe adds who asks: program and process, the version of the bundle that we work with, and the number of the
// start.
func (c Config) describe(h http.Header) {
	if c.Incident != "" {
		h.Set(HeaderIncident, c.Incident)
	}
	if c.Client != (Software{}) {
		h.Set(HeaderClient, c.Client.String())
	}
	if c.Instance != "" {
		h.Set(HeaderInstance, c.Instance)
	}
	if c.Bundle > 0 {
		h.Set(HeaderBundle, strconv.FormatUint(c.Bundle, 10))
	}
}

// askNonce asks for a nonce; prove reports whether the gateway also wants a proof of the user.
func askNonce(c net.Conn, r *bufio.Reader, path string, cfg Config) (nonce string, prove bool, err error) {
	header := http.Header{}
	cfg.describe(header)
	if cfg.Prover != nil {
		header.Set(HeaderProof, MakesProof)
	}
	resp, err := roundTrip(c, r, path, header)
	if err != nil {
		return "", false, err
	}
	defer resp.Body.Close()
	problem := readProblem(resp)
	if p := (*Problem)(nil); !errors.As(problem, &p) || p.Code != ProblemConsentRequired {
		return "", false, problem
	}
	m := challenge.FindStringSubmatch(resp.Header.Get("WWW-Authenticate"))
	if m == nil || m[2] != "" && cfg.Prover == nil {
		return "", false, protocolErrorf("challenge without a nonce, or that wants a proof although we can make none")
	}
	return m[1], m[2] != "", nil
}

func roundTrip(c net.Conn, r *bufio.Reader, path string, header http.Header) (*http.Response, error) {
	req, err := http.NewRequest(http.MethodGet, "https://gateway"+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header = header
	if err := req.Write(c); err != nil {
		return nil, err
	}
	return http.ReadResponse(r, req)
}

func upgraded(resp *http.Response) error {
	if resp.StatusCode != http.StatusSwitchingProtocols {
		defer resp.Body.Close()
		return readProblem(resp)
	}
	if !strings.EqualFold(resp.Header.Get("Upgrade"), Protocol) {
		return protocolErrorf("upgrade to another protocol than %s", Protocol)
	}
	return nil
}

// encodeCert returns DER as a byte sequence (RFC 9440, RFC 8941).
func encodeCert(der []byte) string { return ":" + base64.StdEncoding.EncodeToString(der) + ":" }

// ServerCert reads the certificate chain (DER, leaf first) that a park declares.
func ServerCert(header http.Header) ([][]byte, error) {
	leaf, err := decodeCert(header.Get(HeaderServerCert))
	if err != nil {
		return nil, err
	}
	chain := [][]byte{leaf}
	for _, field := range header.Values(HeaderServerCertChain) {
		for _, item := range strings.Split(field, ",") {
			der, err := decodeCert(strings.TrimSpace(item))
			if err != nil {
				return nil, err
			}
			chain = append(chain, der)
		}
	}
	return chain, nil
}

func decodeCert(s string) ([]byte, error) {
	if len(s) < 2 || s[0] != ':' || s[len(s)-1] != ':' {
		return nil, fmt.Errorf("cannot read %s: want :BASE64: (RFC 9440)", HeaderServerCert)
	}
	der, err := base64.StdEncoding.DecodeString(s[1 : len(s)-1])
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", HeaderServerCert, err)
	}
	return der, nil
}
