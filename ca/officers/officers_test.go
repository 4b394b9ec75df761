package officers

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/audit"
	"tlagate/ca"
	"tlagate/ca/store"
	"tlagate/internal/acts"
	"tlagate/pki"
	"tlagate/pki/revocation"
	"tlagate/pki/trust"
)

// patience is for what must happen, on however slow a machine.
const patience = 2 * time.Minute

const operator = "urn:tlagate:op:admin:"

// bed is a CA whose officers are those of one role each, another for two roles, and one that is none.
type bed struct {
	t      *testing.T
	dir    string
	ca     *ca.CA
	server *Server
	socket string
	tcp    string // address of the same server
	trust  *trust.Trust
	log    *safeBuffer
	certs  map[string]*tls.Certificate
	slow   chan chan struct{} // the view inventory sends on it, and waits for what it sent to be closed
	stop   func()             // ends the server
	next   *ca.CA             // the CA that comes after it; nil = none is made
}

// safeBuffer is a log that goroutines share.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func officersOf() []Officer {
	list := []Officer{{operator + "both", []Role{Enrol, Security}}}
	for _, r := range Roles() {
		list = append(list, Officer{operator + string(r), []Role{r}})
	}
	return list
}

func newBed(t *testing.T) *bed { return newBedWith(t, func(*Server) {}) }

// newBedWith is newBed with another server than New returns.
func newBedWith(t *testing.T, change func(*Server)) *bed {
	t.Helper()
	base, err := os.MkdirTemp("", "officers") // a socket's name must be short
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(base) })
	b := &bed{t: t, dir: filepath.Join(base, "ca"), socket: filepath.Join(base, "s"), log: &safeBuffer{},
		certs: map[string]*tls.Certificate{}, slow: make(chan chan struct{})}
	require.NoError(t, ca.Init(b.dir, ca.InitConfig{}))
	b.ca, err = ca.Open(b.dir, ca.Options{By: "tla-pki serve"})
	require.NoError(t, err)
	t.Cleanup(func() { b.ca.Close() })
	b.trust, err = trust.Open(trust.Config{
		Anchors:    []trust.AnchorFile{{File: b.ca.Public("root.crt"), Practices: []string{"*"}}},
		Revocation: revocation.Config{CRLs: []string{b.ca.Public("crl.der"), b.ca.Public("arl.der")}},
	})
	require.NoError(t, err)
	for _, o := range append(officersOf(), Officer{Identity: operator + "nobody"}) {
		b.certs[o.Identity] = b.issue("admin", o.Identity)
	}
	b.serve(change)
	return b
}

func (b *bed) csr() (csr []byte, key any) {
	k, err := ca.GenerateKey(ca.P256)
	require.NoError(b.t, err)
	csr, err = ca.NewCSR(k)
	require.NoError(b.t, err)
	return csr, k
}

// issue issues a certificate past the officers.
func (b *bed) issue(profile, urn string, dns ...string) *tls.Certificate {
	return b.issueBy(b.ca, profile, urn, dns...)
}

func (b *bed) issueBy(by *ca.CA, profile, urn string, dns ...string) *tls.Certificate {
	id, err := pki.ParseIdentity(urn)
	require.NoError(b.t, err)
	csr, key := b.csr()
	issued, err := by.Certificates.Issue(ca.Request{Profile: profile, Identity: id, DNS: dns, CSR: csr})
	require.NoError(b.t, err)
	out := &tls.Certificate{PrivateKey: key, Leaf: issued.Certificate}
	for block, rest := pem.Decode(issued.Chain); block != nil; block, rest = pem.Decode(rest) {
		out.Certificate = append(out.Certificate, block.Bytes)
	}
	return out
}

func (b *bed) party(cert *tls.Certificate) *trust.Party {
	return &trust.Party{Trust: b.trust, Certificate: func() *tls.Certificate { return cert }, Timeout: patience}
}

func (b *bed) serve(change func(*Server)) {
	own := b.issue("pki", "urn:tlagate:op:pki:p1", "localhost")
	log, err := audit.Open(audit.Config{File: ca.AuditFile(b.dir), By: "tla-pki serve"})
	require.NoError(b.t, err)
	s, err := New(Config{CA: b.ca, Dir: b.dir, Party: b.party(own), Officers: officersOf(), Trace: log,
		Log: slog.New(slog.NewTextHandler(b.log, nil)), Poll: 5 * time.Millisecond,
		Status: func(*ca.CA) (any, error) {
			return []map[string]string{{"what": "CRL", "about": "x", "state": "ok"}}, nil
		},
		Inventory: func(*ca.CA) (any, error) {
			wait := make(chan struct{})
			b.slow <- wait
			<-wait
			return []string{"fine"}, nil
		}})
	require.NoError(b.t, err)
	b.server = s
	change(s)
	l, err := net.Listen("unix", b.socket)
	require.NoError(b.t, err)
	over, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b.t, err)
	b.tcp = over.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l, over) }()
	b.stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(b.t, <-done)
		s.Close()
	})
	b.t.Cleanup(b.stop)
}

// as returns a client of an officer, by the last part of their name.
func (b *bed) as(name string) *Client {
	c, err := NewClient(ClientConfig{Server: "unix:" + b.socket, Party: b.party(b.certs[operator+name]),
		Timeout: patience})
	require.NoError(b.t, err)
	return c
}

// do asks for an act, and returns the code of the problem; "" = it is done.
func (b *bed) do(name, act string, request, into any) Code {
	return codeOf(b.t, b.as(name).Do(b.t.Context(), act, request, into))
}

func codeOf(t *testing.T, err error) Code {
	if err == nil {
		return ""
	}
	require.IsType(t, &Problem{}, err, err)
	return err.(*Problem).Code
}

// send sends a request as no client of ours does.
func (b *bed) send(name, method, path, body string, header ...string) (int, string) {
	req, err := http.NewRequest(method, "https://pki"+path, strings.NewReader(body))
	require.NoError(b.t, err)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := b.http(name).Do(req)
	require.NoError(b.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(b.t, err)
	return resp.StatusCode, string(text)
}

// http returns a client of an officer that is none of ours.
func (b *bed) http(name string) *http.Client {
	client := b.as(name)
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true,
		DialTLSContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			conn, _, err := client.server.Connect(ctx)
			return conn, err
		}}}
}

// acts returns the trace's lines about officers' acts.
func (b *bed) acts() (list []audit.Entry) {
	for line, err := range audit.Read(ca.AuditFile(b.dir)) {
		require.NoError(b.t, err)
		require.NoError(b.t, line.Err)
		if line.Entry.Event == audit.OperatorAct {
			list = append(list, line.Entry)
		}
	}
	return list
}

func (b *bed) issueOf(urn string) Issue {
	csr, _ := b.csr()
	id, err := pki.ParseIdentity(urn)
	require.NoError(b.t, err)
	return Issue{Profile: string(id.Role), Identity: urn, CSR: string(csr)}
}

// TestSP3WhoMayWhat: each role, at each line of the table; and whoever is no officer, nowhere.
func TestSP3WhoMayWhat(t *testing.T) {
	b := newBed(t)
	go func() {
		for wait := range b.slow {
			close(wait)
		}
	}()
	defer close(b.slow)
	for _, right := range Rights() {
		for _, role := range Roles() {
			_, text := b.send(string(role), right.Method, Prefix+right.Name, "{}", "Content-Type", "application/json")
			may := right.Roles == nil || slices.Contains(right.Roles, role)
			refused := strings.Contains(text, acts.Prefix+string(MissingRole))
			require.Equal(t, may, !refused, "%s %s: %s", role, right.Name, text)
			require.NotContains(t, text, acts.Prefix+string(NotAnOfficer))
		}
		status, text := b.send("nobody", right.Method, Prefix+right.Name, "{}", "Content-Type", "application/json")
		require.Equal(t, http.StatusForbidden, status)
		require.Contains(t, text, NotAnOfficer)
	}
	for _, e := range b.acts() {
		require.NotEqual(t, operator+"nobody", e.By)
	}
}

// TestSP3TheTableIsDocumented: docs/ca.md has the same table.
func TestSP3TheTableIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/ca.md")
	require.NoError(t, err)
	for _, r := range Rights() {
		who := "every officer"
		if r.Roles != nil {
			who = roles(r.Roles)
		}
		row := "| `" + r.Method + " " + r.Name + "` | " + who + " |"
		require.True(t, strings.Contains(string(text), row), row)
	}
	require.Equal(t, len(Rights()), strings.Count(string(text), "\n| `GET ")+strings.Count(string(text), "\n| `POST "))
}

func TestSP3OfficersAreChecked(t *testing.T) {
	require.NoError(t, Check(officersOf()))
	for want, o := range map[string]Officer{
		"is tla":            {"urn:tlagate:cab1:tla:t1", []Role{Read}},
		"no roles":          {operator + "x", nil},
		"nothing else":      {operator + "x", []Role{Audit, Read}},
		`no role "root"`:    {operator + "x", []Role{"root"}},
		"cannot take \"x\"": {"x", []Role{Read}},
	} {
		require.ErrorContains(t, Check([]Officer{o}), want)
	}
	require.ErrorContains(t, Check([]Officer{officersOf()[0], officersOf()[0]}), "twice")
}

// TestSP3FormOfRequests: what a browser could be made to send, and what is no act.
func TestSP3FormOfRequests(t *testing.T) {
	b := newBed(t)
	typed := []string{"Content-Type", "application/json"}
	why := func(text string) string { return `{"serial":"aa","reason":"superseded","why":"` + text + `"}` }
	for name, c := range map[string]struct {
		method, path, body string
		header             []string
		want               Code
	}{
		"another site":   {"GET", "whoami", "", []string{"Sec-Fetch-Site", "cross-site"}, CrossSite},
		"the same site":  {"GET", "whoami", "", []string{"Sec-Fetch-Site", "same-site"}, CrossSite},
		"a form":         {"POST", "revoke", "a=b", []string{"Content-Type", "text/plain"}, WrongType},
		"no type":        {"POST", "revoke", "{}", nil, WrongType},
		"a get":          {"GET", "revoke", "", nil, MethodNotAllowed},
		"nothing":        {"GET", "passwd", "", nil, NotFound},
		"a field":        {"POST", "revoke", `{"uid":0}`, typed, BadRequest},
		"two objects":    {"POST", "revoke", `{}{}`, typed, BadRequest},
		"no reason":      {"POST", "revoke", `{"serial":"aa"}`, typed, BadRequest},
		"too large":      {"POST", "revoke", strings.Repeat(" ", maxBody+1), typed, TooLarge},
		"no such serial": {"POST", "revoke", why("x"), typed, Refused},
		"a control":      {"POST", "revoke", why(`a\u001bb`), typed, BadRequest},
		"a long reason":  {"POST", "revoke", why(strings.Repeat("é", 201)), typed, BadRequest},
		"a long key": {"POST", "revoke", "{}", append(slices.Clone(typed), "Idempotency-Key", strings.Repeat("k", 65)),
			BadRequest},
		"same origin":     {"GET", "whoami", "", []string{"Sec-Fetch-Site", "same-origin"}, ""},
		"typed by a user": {"GET", "whoami", "", []string{"Sec-Fetch-Site", "none"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			status, text := b.send("both", c.method, Prefix+c.path, c.body, c.header...)
			if c.want == "" {
				require.Equal(t, http.StatusOK, status, text)
				return
			}
			require.Equal(t, acts.Statuses[c.want], status, text)
			require.Contains(t, text, `"type":"urn:tlagate:problem:`+string(c.want)+`"`)
			require.Contains(t, text, `"status":`)
		})
	}
	require.Len(t, b.acts(), 1, "no such serial")
}

// TestSP3ARevokedOfficerIsRefusedAtOnce: the books have it before any list does.
func TestSP3ARevokedOfficerIsRefusedAtOnce(t *testing.T) {
	b := newBed(t)
	conn, _, err := b.as("read").server.Connect(t.Context())
	require.NoError(t, err)
	defer conn.Close()
	in := bufio.NewReader(conn)
	whoami := func() int {
		req, err := http.NewRequest(http.MethodGet, "https://pki"+Prefix+"whoami", nil)
		require.NoError(t, err)
		require.NoError(t, req.Write(conn))
		resp, err := http.ReadResponse(in, req)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, resp.Body)
		require.NoError(t, err)
		return resp.StatusCode
	}
	require.Equal(t, http.StatusOK, whoami())
	_, err = b.ca.Revocations.Revoke(ca.Selection{Identity: operator + "read"}, store.Hold)
	require.NoError(t, err)
	require.Equal(t, http.StatusForbidden, whoami(), "on the connection that it has")
	require.Equal(t, CertificateRefused, codeOf(t, b.as("read").Get(t.Context(), "whoami", nil, &Whoami{})))
}

// TestSA2ActsAreRecordedBeforeTheyAreDone: who, role and reason; what cannot be recorded is not done, unless it takes
// trust away.
func TestSA2ActsAreRecordedBeforeTheyAreDone(t *testing.T) {
	b := newBed(t)
	wish := b.issueOf("urn:tlagate:cab1:tla:t1")
	wish.Why = "ticket 12"
	require.Empty(t, b.do("enrol", "issue", wish, &Issued{}))
	acts := b.acts()
	require.Len(t, acts, 1)
	require.Equal(t, operator+"enrol", acts[0].By)
	require.Equal(t, map[string]string{"act": "issue", "role": "enrol", "reason": "ticket 12", "profile": "tla",
		"identity": "urn:tlagate:cab1:tla:t1"}, acts[0].With)

	require.NoError(t, os.Chmod(ca.AuditFile(b.dir), 0o666))
	require.Equal(t, TraceFailed, b.do("enrol", "issue", b.issueOf("urn:tlagate:cab1:tla:t2"), &Issued{}))
	require.Equal(t, TraceFailed, b.do("enrol", "invite",
		Invite{Guests: []Guest{{Identity: "urn:tlagate:cab1:tla:t3"}}}, &Invited{}))
	require.Equal(t, TraceFailed, b.do("enrol", "issue", b.issueOf(operator+"mallory"), &Issued{}))
	var changed Changed
	require.Empty(t, b.do("security", "revoke",
		Revoke{Identity: "urn:tlagate:cab1:tla:t1", Reason: "keyCompromise"}, &changed))
	require.Len(t, changed.Records, 1)
	require.NotEmpty(t, changed.Warnings)
	require.Contains(t, changed.Warnings[0], "it is not in the trace")
	require.NoError(t, os.Chmod(ca.AuditFile(b.dir), 0o600))

	_, err := b.ca.Find("urn:tlagate:cab1:tla:t2")
	require.Error(t, err, "nothing was issued")
	list, err := b.ca.Invitations.List()
	require.NoError(t, err)
	require.Empty(t, list)
	var waits []Waiting
	require.NoError(t, b.as("enrol").Get(t.Context(), "waiting", nil, &waits))
	require.Empty(t, waits)
}

// TestSP3TwiceIsOnce: a request that is sent again, because no answer came, is not done again.
func TestSP3TwiceIsOnce(t *testing.T) {
	b := newBed(t)
	wish, err := json.Marshal(b.issueOf("urn:tlagate:cab1:tla:t1"))
	require.NoError(t, err)
	other, err := json.Marshal(b.issueOf("urn:tlagate:cab1:tla:t1"))
	require.NoError(t, err)
	header := []string{"Content-Type", "application/json", "Idempotency-Key", "k1"}
	status, first := b.send("enrol", "POST", Prefix+"issue", string(wish), header...)
	require.Equal(t, http.StatusOK, status, first)
	status, again := b.send("enrol", "POST", Prefix+"issue", string(wish), header...)
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, first, again)
	status, _ = b.send("enrol", "POST", Prefix+"issue", string(other), header...)
	require.Equal(t, http.StatusUnprocessableEntity, status)
	status, _ = b.send("both", "POST", Prefix+"issue", string(other), header...)
	require.Equal(t, http.StatusOK, status, "another officer's key is another one")
	records, err := b.ca.Find("urn:tlagate:cab1:tla:t1")
	require.NoError(t, err)
	require.Len(t, records, 2)
}

// TestSP3TheSecondOfficer: what speaks for the PKI waits for another officer, who can approve it once.
func TestSP3TheSecondOfficer(t *testing.T) {
	b := newBed(t)
	for _, profile := range []string{"admin", "bundle"} {
		wish := b.issueOf(operator + "zoe")
		wish.Profile = profile
		var issued Issued
		require.Empty(t, b.do("both", "issue", wish, &issued))
		require.NotNil(t, issued.Waiting, profile)
		require.Empty(t, issued.Chain)
	}
	require.Equal(t, SameOfficer, b.do("both", "approve", Decide{1, "mine"}, &Issued{}))
	require.Equal(t, BadRequest, b.do("security", "approve", Decide{1, ""}, &Issued{}))
	require.Equal(t, NotFound, b.do("security", "approve", Decide{7, "x"}, &Issued{}))
	require.Equal(t, Refused, b.do("enrol", "invite", Invite{Guests: []Guest{{Identity: operator + "m"}}}, &Invited{}))
	require.Equal(t, Refused, b.do("enrol", "replace",
		Replace{Guest: Guest{Identity: operator + "both"}, Reason: "superseded"}, &Changed{}))

	codes := make(chan Code, 4)
	for range cap(codes) {
		client := b.as("security")
		go func() { codes <- codeOf(t, client.Do(t.Context(), "approve", Decide{1, "asked"}, &Issued{})) }()
	}
	var got []Code
	for range cap(codes) {
		got = append(got, <-codes)
	}
	slices.Sort(got)
	require.Equal(t, []Code{"", Refused, Refused, Refused}, got)
	records, err := b.ca.Find(operator + "zoe")
	require.NoError(t, err)
	require.Len(t, records, 1)
	var waits []Waiting
	require.NoError(t, b.as("security").Get(t.Context(), "waiting", nil, &waits))
	require.Equal(t, []string{Issuance, Open}, []string{waits[0].State, waits[1].State})
	require.Equal(t, operator+"security", waits[0].Second)
	require.Contains(t, waits[0].Chain, "BEGIN CERTIFICATE")
	require.Empty(t, b.do("security", "reject", Decide{2, "no need"}, &Done{}))
	require.Equal(t, Refused, b.do("security", "approve", Decide{2, "after all"}, &Issued{}))
}

// TestSP3PastTheOfficers: while the server has the CA, a program that acts on the directory is told so; whoever does it
// all the same is in the server's log.
func TestSP3PastTheOfficers(t *testing.T) {
	b := newBed(t)
	release, err := b.ca.Reserve()
	require.NoError(t, err)
	other, err := ca.Open(b.dir, ca.Options{})
	require.NoError(t, err)
	defer other.Close()
	did := 0
	act := func() error { did++; return nil }
	require.ErrorIs(t, other.Unreserved(act), ca.ErrReserved)
	require.NoError(t, release())
	require.NoError(t, other.Unreserved(act))
	require.Equal(t, 1, did)

	broken := Emergency{At: time.Now(), Account: "root", Act: "revoke", Why: "nobody answers"}
	require.NoError(t, BreakGlass(b.dir, broken))
	require.Eventually(t, func() bool {
		return strings.Contains(b.log.String(), "past its officers") && strings.Contains(b.log.String(), "level=ERROR")
	}, patience, 5*time.Millisecond)
	require.Equal(t, BadRequest, b.do("security", "acknowledge", Acknowledge{}, &Done{}))
	require.Empty(t, b.do("security", "acknowledge", Acknowledge{"asked"}, &Done{}))
	require.Equal(t, Refused, b.do("security", "acknowledge", Acknowledge{"asked"}, &Done{}))
	list, err := Emergencies(b.dir)
	require.NoError(t, err)
	require.Equal(t, operator+"security", list[0].Seen)
	for range 2 * mostGlass {
		require.NoError(t, BreakGlass(b.dir, Emergency{At: time.Now(), Account: "root", Act: "revoke", Why: "again"}))
	}
	list, err = Emergencies(b.dir)
	require.NoError(t, err)
	require.Len(t, list, mostGlass)
	require.Empty(t, list[mostGlass-1].Seen, "a new one is not acknowledged")
}

// TestSP3AnotherServerIsNotTold: an officer's client asks nobody but the PKI's server.
func TestSP3AnotherServerIsNotTold(t *testing.T) {
	b := newBed(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	got := make(chan int, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		impostor := b.party(b.certs[operator+"both"])
		over, _, err := impostor.Server(context.Background(), c, trust.ALPNOuter,
			trust.Want{Usage: x509.ExtKeyUsageClientAuth})
		if err != nil {
			got <- 0
			return
		}
		n, _ := over.Read(make([]byte, 1))
		got <- n
	}()
	c, err := NewClient(ClientConfig{Server: "localhost=" + l.Addr().String(), Party: b.party(b.certs[operator+"read"]),
		Timeout: patience})
	require.NoError(t, err)
	require.Error(t, c.Get(t.Context(), "whoami", nil, &Whoami{}))
	require.Zero(t, <-got)
}

// TestSP3FromAfar: the same over TCP, where the server must have the name that is dialled.
func TestSP3FromAfar(t *testing.T) {
	b := newBed(t)
	for name, want := range map[string]pki.Reason{"localhost": "", "pki.example.org": pki.NameMismatch} {
		c, err := NewClient(ClientConfig{Server: name + "=" + b.tcp, Party: b.party(b.certs[operator+"read"]),
			Timeout: patience})
		require.NoError(t, err)
		var who Whoami
		err = c.Get(t.Context(), "whoami", nil, &who)
		require.Equal(t, want, pki.ReasonOf(err), err)
		if want == "" {
			require.Equal(t, Whoami{operator + "read", []Role{Read}}, who)
		}
	}
	_, err := NewClient(ClientConfig{Server: "http://x"})
	require.Error(t, err)
}

// TestSP3WhatIsBeingDoneIsFinished: a server that is told to stop answers whom it has begun to serve.
func TestSP3WhatIsBeingDoneIsFinished(t *testing.T) {
	b := newBed(t)
	answered, stopped := make(chan error, 1), make(chan struct{})
	client := b.as("read")
	go func() { answered <- client.Get(t.Context(), "inventory", nil, &[]string{}) }()
	wait := <-b.slow
	go func() { b.stop(); close(stopped) }()
	require.Eventually(t, func() bool { return !listens(b.socket) }, patience, 5*time.Millisecond)
	select {
	case <-stopped:
		t.Fatal("it did not wait")
	default:
	}
	close(wait)
	require.NoError(t, <-answered)
	<-stopped
}

func listens(socket string) bool {
	c, err := net.Dial("unix", socket)
	if err == nil {
		c.Close()
	}
	return err == nil
}

// successor makes the CA that comes after b's, and returns its issuing CA's certificate.
func (b *bed) successor() string {
	wish := ca.Successor{Name: "TEST next", URL: "http://next.example.invalid"}
	require.NoError(b.t, b.ca.Succeed(b.dir+"-next", wish))
	next, err := ca.Open(b.dir+"-next", ca.Options{Root: filepath.Join(b.dir, "root")})
	require.NoError(b.t, err)
	b.t.Cleanup(func() { next.Close() })
	b.next = next
	return string(ca.PEM(next.Issuing))
}

// TestSP3ASuccessorWaitsForASecondOfficer: an issuing CA that the root has signed serves once another officer than who
// asked has approved it; not before, nor by anybody else's word.
func TestSP3ASuccessorWaitsForASecondOfficer(t *testing.T) {
	b := newBed(t)
	cert := b.successor()
	id, err := pki.ParseIdentity("urn:tlagate:cab1:tla:t1")
	require.NoError(t, err)
	issue := func() error {
		csr, _ := b.csr()
		_, err := b.next.Certificates.Issue(ca.Request{Profile: "tla", Identity: id, CSR: csr})
		return err
	}
	require.ErrorContains(t, issue(), "waits for the approval of two officers")
	_, err = b.next.Invitations.Invite(ca.Guest{Identity: id})
	require.ErrorContains(t, err, "waits for the approval")
	_, err = b.next.Lists.PublishARL()
	require.ErrorContains(t, err, "waits for the approval")

	require.Equal(t, MissingRole, b.do("security", "succeed", Succeed{cert, "x"}, &Issued{}))
	require.Equal(t, Refused, b.do("both", "succeed", Succeed{string(ca.PEM(b.ca.Issuing)), "x"}, &Issued{}), "ours")
	leaf := b.issue("tla", "urn:tlagate:cab1:tla:t9").Leaf
	require.Equal(t, Refused, b.do("both", "succeed", Succeed{string(ca.PEM(leaf)), "x"}, &Issued{}), "no CA")
	require.Equal(t, BadRequest, b.do("both", "succeed", Succeed{"x", "x"}, &Issued{}))
	var asked, approved Issued
	require.Empty(t, b.do("both", "succeed", Succeed{cert, "ceremony of May"}, &asked))
	require.Equal(t, ca.Fingerprint(b.next.Issuing), asked.Waiting.Key)
	require.Equal(t, SameOfficer, b.do("both", "approve", Decide{1, "mine"}, &Issued{}))
	_, err = b.ca.Lists.PublishARL()
	require.NoError(t, err, "until then the root's list is ours")
	require.Empty(t, b.do("security", "approve", Decide{1, "compared"}, &approved))
	require.Equal(t, Refused, b.do("both", "succeed", Succeed{cert, "again"}, &Issued{}), "the books have it")
	_, err = b.ca.Lists.PublishARL()
	require.ErrorContains(t, err, "has taken this CA's place")

	text := approved.Waiting.Approval
	require.Error(t, b.next.Begin([]byte("x")))
	require.Error(t, b.next.Begin([]byte(strings.Replace(text, `"signature":"`, `"signature":"AAAA`, 1))))
	require.Error(t, b.ca.Begin([]byte(text)), "of another CA")
	require.Error(t, issue())
	require.NoError(t, b.next.Begin([]byte(text)))
	require.NoError(t, issue())
	_, err = b.next.Lists.PublishARL()
	require.NoError(t, err)
	require.NoError(t, b.next.SelfCheck())

	// Who has a certificate of the CA before is known there, and what revokes it says where else to.
	require.NoError(t, b.next.Holds(b.certs[operator+"both"].Leaf))
	revoked, err := b.next.Revocations.Revoke(ca.Selection{Identity: operator + "both"}, store.KeyCompromise)
	require.ErrorContains(t, err, "revoke it there too")
	require.Len(t, revoked, 1)
	require.Error(t, b.next.Holds(b.certs[operator+"both"].Leaf))
	list, err := b.next.Lists.PublishCRL()
	require.NoError(t, err)
	require.Zero(t, list.Entries)
}

// TestSP3ASuccessorOfARevokedCAWaitsForNobody: its officers are none any more, and the ceremony stands for them.
func TestSP3ASuccessorOfARevokedCAWaitsForNobody(t *testing.T) {
	b := newBed(t)
	_, err := b.ca.Revocations.Revoke(ca.Selection{Certificate: b.ca.Issuing}, store.CACompromise)
	require.NoError(t, err)
	_, err = b.ca.Lists.PublishARL()
	require.NoError(t, err)
	b.successor()
	b.issueBy(b.next, "admin", operator+"new")
	arl, err := b.next.Lists.PublishARL()
	require.NoError(t, err)
	require.Equal(t, 1, arl.Entries, "it knows that the one before is revoked")
	require.Error(t, b.next.Begin(nil))
}

// TestSP3OfficersAreReplaced: from the next request on, also on a connection that is there; a bad list changes nothing.
func TestSP3OfficersAreReplaced(t *testing.T) {
	b := newBed(t)
	require.Error(t, b.server.SetOfficers([]Officer{{operator + "nobody", []Role{"root"}}}))
	require.NoError(t, b.as("read").Get(t.Context(), "whoami", nil, &Whoami{}))
	require.NoError(t, b.server.SetOfficers([]Officer{{operator + "nobody", []Role{Read}}}))
	require.NoError(t, b.as("nobody").Get(t.Context(), "certificates", nil, &[]store.Record{}))
	require.Equal(t, NotAnOfficer, codeOf(t, b.as("read").Get(t.Context(), "whoami", nil, &Whoami{})))
}

// FuzzRequests: whatever an act's body is, it is read or refused, and panics nowhere.
func FuzzRequests(f *testing.F) {
	for _, seed := range []string{`{}`, `{"serial":"aa","reason":"superseded","why":"x"}`,
		`{"certificate":"-----BEGIN"}`,
		`{"guests":[{"identity":"urn:tlagate:cab1:tla:t1"}],"seconds":-1}`, `{"id":1,"why":"y"}`, `[]`,
		`{"profile":"tla","identity":"urn:tlagate:cab1:tla:t1","csr":"x","days":-5}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		c := &call{body: body}
		var issue Issue
		if c.read(&issue) == nil {
			_, _ = issue.request()
		}
		var invite Invite
		if c.read(&invite) == nil {
			_, _ = invite.guests("x")
		}
		var revoke Revoke
		if c.read(&revoke) == nil {
			_, _, _ = revoke.selection()
			_ = checkWhy(revoke.Why, true)
		}
	})
}
