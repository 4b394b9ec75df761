package server

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"tlagate/ca"
	"tlagate/ca/store"
	"tlagate/est"
	"tlagate/internal/der"
	"tlagate/internal/logtest"
	"tlagate/pki"
	"tlagate/pki/revocation"
	"tlagate/pki/trust"
)

const workplace = "urn:tlagate:cab1:pdt:p1"

// estBed is a CA whose EST server runs.
type estBed struct {
	*bed
	addr string
	log  *logtest.Buffer
	own  *x509.Certificate // the server's
}

func newESTBed(t *testing.T, cfg EST) *estBed {
	b := &estBed{bed: newBed(t, ca.InitConfig{}), log: &logtest.Buffer{}}
	if cfg.Delay == 0 {
		cfg.Delay = time.Millisecond
	}
	cert, chain := b.issue("pki", "urn:tlagate:op:pki:ca1", "localhost")
	b.own = chain[0]
	s, err := New(Config{CA: b.open(), Party: b.party(cert), EST: cfg, Trace: b.traced(),
		Log: slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	require.NoError(t, err)
	var on Listeners
	for _, l := range []*net.Listener{&on.Events, &on.EST} {
		*l, err = net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
	}
	b.addr = on.EST.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, on) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
		require.NoError(t, s.Close())
	})
	return b
}

func (b *estBed) invite(urn string, dns ...string) est.Code {
	id, err := pki.ParseIdentity(urn)
	require.NoError(b.t, err)
	invited, err := b.ca.Invitations.Invite(ca.Guest{Identity: id, DNS: dns, By: "test", Again: true})
	require.NoError(b.t, err)
	return invited.Codes[0]
}

// device is somebody with a connection to the server.
type device struct {
	t    *testing.T
	conn *tls.Conn
	http *http.Client
}

// connect connects, with or without a certificate, and verifies nothing.
func (b *estBed) connect(t *testing.T, certs ...tls.Certificate) *device {
	conn, err := tls.Dial("tcp", b.addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"},
		Certificates: certs})
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	once := func(context.Context, string, string) (net.Conn, error) { return conn, nil }
	return &device{t, conn, &http.Client{Transport: &http.Transport{DialTLSContext: once}}}
}

// request is one to the server.
type request struct {
	path   string // below the prefix
	code   string // "" = none
	kind   string // "" = application/pkcs10
	body   string // base64
	header http.Header
}

func (d *device) post(q request) (*http.Response, string) {
	r, err := http.NewRequest(http.MethodPost, "https://localhost"+estPrefix+q.path, strings.NewReader(q.body))
	require.NoError(d.t, err)
	if q.header != nil {
		r.Header = q.header
	}
	if q.kind == "" {
		q.kind = "application/pkcs10"
	}
	r.Header.Set("Content-Type", q.kind)
	if q.code != "" {
		r.SetBasicAuth("anyone", q.code)
	}
	return d.do(r)
}

func (d *device) get(path string) (*http.Response, string) {
	r, err := http.NewRequest(http.MethodGet, "https://localhost"+path, nil)
	require.NoError(d.t, err)
	return d.do(r)
}

func (d *device) do(r *http.Request) (*http.Response, string) {
	res, err := d.http.Do(r)
	require.NoError(d.t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(d.t, err)
	return res, string(body)
}

func newKey(t *testing.T) crypto.Signer {
	key, err := ca.GenerateKey(ca.P256)
	require.NoError(t, err)
	return key
}

// csr makes a request for a key, base64 in lines, with challengePasswords.
func csr(t *testing.T, key crypto.Signer, challenges ...string) string {
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	require.NoError(t, err)
	if len(challenges) > 0 {
		der = withChallenges(t, der, key, challenges)
	}
	text := base64.StdEncoding.EncodeToString(der)
	return text[:60] + "\r\n" + text[60:] + "\n"
}

// withChallenges writes the attributes of a request anew, and signs it.
func withChallenges(t *testing.T, request cryptobyte.String, key crypto.Signer, challenges []string) []byte {
	var outer, info, version, name, public, algorithm cryptobyte.String
	require.True(t, request.ReadASN1(&outer, cbasn1.SEQUENCE) && outer.ReadASN1(&info, cbasn1.SEQUENCE) &&
		outer.ReadASN1Element(&algorithm, cbasn1.SEQUENCE) &&
		info.ReadASN1Element(&version, cbasn1.INTEGER) && info.ReadASN1Element(&name, cbasn1.SEQUENCE) &&
		info.ReadASN1Element(&public, cbasn1.SEQUENCE))
	var tbs cryptobyte.Builder
	tbs.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, part := range []cryptobyte.String{version, name, public} {
			b.AddBytes(part)
		}
		b.AddASN1(der.Context0, func(b *cryptobyte.Builder) {
			for _, c := range challenges {
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1ObjectIdentifier(der.ChallengePassword)
					b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) {
						b.AddASN1(cbasn1.UTF8String, func(b *cryptobyte.Builder) { b.AddBytes([]byte(c)) })
					})
				})
			}
		})
	})
	signed, err := tbs.Bytes()
	require.NoError(t, err)
	signature, err := crypto.SignMessage(key, rand.Reader, signed, crypto.SHA256)
	require.NoError(t, err)
	var out cryptobyte.Builder
	out.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(signed)
		b.AddBytes(algorithm)
		b.AddASN1BitString(signature)
	})
	return out.BytesOrPanic()
}

// certsIn reads a certs-only answer the way encoding/asn1 sees it.
func certsIn(t *testing.T, body string) []*x509.Certificate {
	der, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(body, "\r\n", ""))
	require.NoError(t, err)
	var info struct {
		Type    asn1.ObjectIdentifier
		Content struct {
			Version int
			Digests asn1.RawValue `asn1:"set"`
			Data    struct{ Type asn1.ObjectIdentifier }
			Certs   asn1.RawValue `asn1:"tag:0"`
			Signers asn1.RawValue `asn1:"set"`
		} `asn1:"explicit,tag:0"`
	}
	rest, err := asn1.Unmarshal(der, &info)
	require.NoError(t, err)
	require.Empty(t, rest)
	certs, err := x509.ParseCertificates(info.Content.Certs.Bytes)
	require.NoError(t, err)
	return certs
}

func (b *estBed) enrolled(t *testing.T, q request, key crypto.Signer, certs ...tls.Certificate) *tls.Certificate {
	q.body = csr(t, key)
	res, body := b.connect(t, certs...).post(q)
	require.Equal(t, http.StatusOK, res.StatusCode, body)
	require.Equal(t, pkcs7Type, res.Header.Get("Content-Type"))
	got := certsIn(t, body)
	require.Len(t, got, 1)
	return &tls.Certificate{Certificate: [][]byte{got[0].Raw, b.ca.Issuing.Raw}, PrivateKey: key, Leaf: got[0]}
}

func TestG2WhatAnyoneGets(t *testing.T) {
	b := newESTBed(t, EST{})
	d := b.connect(t)
	res, body := d.get(estPrefix + "cacerts")
	require.Equal(t, "base64", res.Header.Get("Content-Transfer-Encoding"))
	certs := certsIn(t, body)
	require.Equal(t, [][]byte{b.ca.Issuing.Raw, b.ca.Root.Raw}, [][]byte{certs[0].Raw, certs[1].Raw})

	res, body = d.get(estPrefix + "tla/csrattrs")
	require.Equal(t, "application/csrattrs", res.Header.Get("Content-Type"))
	der, err := base64.StdEncoding.DecodeString(strings.TrimSpace(body))
	require.NoError(t, err)
	// SEQUENCE { SEQUENCE { id-ecPublicKey, SET { secp256r1 } }, ecdsa-with-SHA256 }
	require.Equal(t, "3021"+"3015"+"06072a8648ce3d0201"+"310a"+"06082a8648ce3d030107"+"06082a8648ce3d040302",
		hex.EncodeToString(der))

	for path, status := range map[string]int{"/arl.der": 200, "/root.cer": 200, "/issuing.cer": 200, "/crl.der": 404,
		"/":      404,
		"/ca.db": 404, estPrefix + "fullcmc": 404, estPrefix + "simpleenroll": 405} {
		res, _ := d.get(path)
		require.Equal(t, status, res.StatusCode, path)
	}
}

func TestG2EnrolByCodeThenByCertificate(t *testing.T) {
	b := newESTBed(t, EST{})
	code := b.invite(workplace, "bureau.example")
	key := newKey(t)
	client := b.enrolled(t, request{path: "simpleenroll", code: code.Text()}, key)
	require.Equal(t, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, client.Leaf.ExtKeyUsage)
	again := b.enrolled(t, request{path: "pdt-client/simpleenroll", code: strings.ToLower(code.Text())}, key)
	require.Equal(t, client.Leaf.Raw, again.Leaf.Raw, "the same key, the same certificate")

	server := b.enrolled(t, request{path: "pdt-server/simpleenroll"}, newKey(t), *client)
	require.Equal(t, []string{"bureau.example"}, server.Leaf.DNSNames)
	next := b.enrolled(t, request{path: "simplereenroll"}, newKey(t), *client)
	require.Equal(t, client.Leaf.ExtKeyUsage, next.Leaf.ExtKeyUsage)
	require.NotEqual(t, client.Leaf.SerialNumber, next.Leaf.SerialNumber)
	b.enrolled(t, request{path: "pdt-server/simplereenroll"}, newKey(t), *next)

	other := b.invite(terminal)
	byCode := b.enrolled(t, request{path: "simpleenroll", code: other.Text()}, newKey(t), *client)
	id, err := pki.IdentityOf(byCode.Leaf)
	require.NoError(t, err)
	require.Equal(t, terminal, id.String(), "the code says who, not the certificate shown with it")
}

func TestG2EachWordOfRefusal(t *testing.T) {
	b := newESTBed(t, EST{})
	code, used := b.invite(terminal).Text(), b.invite("urn:tlagate:cab1:tla:t2").Text()
	b.enrolled(t, request{path: "simpleenroll", code: used}, newKey(t))
	withdrawn := b.invite("urn:tlagate:cab1:tla:t3")
	b.invite("urn:tlagate:cab1:tla:t3")
	client, _ := b.issue("tla", "urn:tlagate:cab1:tla:t4")
	taken, _ := b.issue("tla", "urn:tlagate:cab1:tla:t5")
	good := csr(t, newKey(t))
	weak := csr(t, rsaKey(t))
	typo := "0" + code[1:]
	if code[0] == '0' {
		typo = "1" + code[1:]
	}
	const enrol, reenrol = "simpleenroll", "simplereenroll"
	for name, row := range map[string]struct {
		q      request
		cert   *tls.Certificate
		status int
		word   string
	}{
		"no code":  {request{path: enrol, body: good}, nil, 401, "code_required"},
		"mistyped": {request{path: enrol, body: good, code: typo}, nil, 401, "code_unknown"},
		"of another PKI": {request{path: enrol, body: good, code: est.NewCode(b.ca.Root).Text()}, nil, 401,
			"code_unknown"},
		"withdrawn": {request{path: enrol, body: good, code: withdrawn.Text()}, nil, 401,
			"code_unknown"},
		"used":                {request{path: enrol, body: good, code: used}, nil, 401, "code_used"},
		"reenrol without":     {request{path: reenrol, body: good}, nil, 401, "certificate_required"},
		"reenrol with a code": {request{path: reenrol, body: good, code: code}, nil, 401, "certificate_required"},
		"another profile": {request{path: "gateway-server/" + enrol, body: good, code: code}, nil, 403,
			"wrong_profile"},
		"another profile, renewing": {request{path: "pdt-client/" + reenrol, body: good}, client, 403, "wrong_profile"},
		"no such profile": {request{path: "root/" + enrol, body: good, code: code}, nil, 403,
			"wrong_profile"},
		"content type": {request{path: enrol, body: good, code: code, kind: "text/plain"}, nil, 400,
			"bad_request"},
		"no base64":  {request{path: enrol, body: "*", code: code}, nil, 400, "bad_request"},
		"empty":      {request{path: enrol, code: code}, nil, 400, "bad_request"},
		"no PKCS#10": {request{path: enrol, body: "AAAA", code: code}, nil, 400, "bad_request"},
		"too large": {request{path: enrol, body: strings.Repeat("\n", estMaxBody) + good, code: code},
			nil, 400, "bad_request"},
		"weak key": {request{path: enrol, body: weak, code: code}, nil, 400, "bad_key"},
		"another's key": {request{path: enrol, body: csr(t, taken.PrivateKey.(crypto.Signer)), code: code},
			nil, 400, "bad_key"},
		"binding": {request{path: enrol, body: csr(t, newKey(t), "AAAA"), code: code}, nil, 400,
			"bad_binding"},
		"binding, no base64": {request{path: enrol, body: csr(t, newKey(t), "*"), code: code}, nil, 400,
			"bad_binding"},
		"empty binding": {request{path: enrol, body: csr(t, newKey(t), ""), code: code}, nil, 400,
			"bad_binding"},
		"two bindings": {request{path: enrol, body: csr(t, newKey(t), "AAAA", "AAAA"), code: code}, nil,
			400, "bad_request"},
	} {
		t.Run(name, func(t *testing.T) {
			var show []tls.Certificate
			if row.cert != nil {
				show = append(show, *row.cert)
			}
			res, body := b.connect(t, show...).post(row.q)
			require.Equal(t, row.status, res.StatusCode, body)
			require.Equal(t, "text/plain; charset=utf-8", res.Header.Get("Content-Type"))
			require.Regexp(t, "^"+row.word+": [^\n]+\n$", body)
			require.Equal(t, row.status == 401, res.Header.Get("WWW-Authenticate") != "")
		})
	}
	// it is still good
	b.enrolled(t, request{path: enrol, code: code, header: http.Header{"Content-Transfer-Encoding": {"base64"}}},
		newKey(t))
	require.NotContains(t, b.log.String(), "PANIC")
}

func rsaKey(t *testing.T) crypto.Signer {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	return key
}

func TestC2RequestsBoundToTheirConnection(t *testing.T) {
	b := newESTBed(t, EST{})
	code, key := b.invite(terminal), newKey(t)
	one, two := b.connect(t), b.connect(t)
	binding := func(d *device) string {
		state := d.conn.ConnectionState()
		value, err := state.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32) // RFC 9266 section 4.2
		require.NoError(t, err)
		return base64.StdEncoding.EncodeToString(value)
	}
	mine := csr(t, key, binding(one))
	res, body := two.post(request{path: "simpleenroll", code: code.Text(), body: mine})
	require.Equal(t, http.StatusBadRequest, res.StatusCode)
	require.Regexp(t, "^bad_binding: ", body)
	res, body = one.post(request{path: "simpleenroll", code: code.Text(), body: mine})
	require.Equal(t, http.StatusOK, res.StatusCode, body)
}

// The books know a revocation before the handshake does.
func TestC2ARevokedCertificateRenewsNothing(t *testing.T) {
	b := newESTBed(t, EST{})
	client, chain := b.issue("tla", terminal)
	d := b.connect(t, *client)
	_, body := d.get(estPrefix + "cacerts")
	require.NotEmpty(t, body)
	b.revoke(chain[0], store.Hold)
	res, body := d.post(request{path: "simplereenroll", body: csr(t, newKey(t))})
	require.Equal(t, http.StatusForbidden, res.StatusCode)
	require.Regexp(t, "^certificate_refused: ", body)

	eventually(t, "the handshake refuses it too", func() bool {
		conn, err := tls.Dial("tcp", b.addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"},
			Certificates: []tls.Certificate{*client}})
		if err == nil {
			_ = conn.SetDeadline(time.Now().Add(patience))
			_, err = conn.Read(make([]byte, 1))
			conn.Close()
		}
		return err != nil && strings.Contains(err.Error(), "certificate")
	})
}

// Whoever fails too often is told so, and takes nothing from others at his address.
func TestG2FailuresLockNobodyOut(t *testing.T) {
	b := newESTBed(t, EST{Failures: 3, FailureTime: time.Hour})
	code := b.invite(terminal)
	guess := func() (*http.Response, string) {
		return b.connect(t).post(request{path: "simpleenroll", code: est.NewCode(b.ca.Root).Text(),
			body: csr(t, newKey(t))})
	}
	for range 3 {
		_, body := guess()
		require.Regexp(t, "^code_unknown: ", body)
	}
	res, body := guess()
	require.Equal(t, http.StatusTooManyRequests, res.StatusCode)
	require.Regexp(t, "^too_many: ", body)
	require.NotEmpty(t, res.Header.Get("Retry-After"))
	require.True(t, res.Close)
	b.enrolled(t, request{path: "simpleenroll", code: code.Text()}, newKey(t))
}

func TestG2RenewalsOfOneIdentityAreBounded(t *testing.T) {
	b := newESTBed(t, EST{Renewals: 2, RenewalTime: time.Hour})
	one, _ := b.issue("tla", terminal)
	two, _ := b.issue("tla", "urn:tlagate:cab1:tla:t2")
	for range 2 {
		b.enrolled(t, request{path: "simplereenroll"}, newKey(t), *one)
	}
	_, body := b.connect(t, *one).post(request{path: "simplereenroll", body: csr(t, newKey(t))})
	require.Regexp(t, "^too_many: ", body)
	b.enrolled(t, request{path: "simplereenroll"}, newKey(t), *two)
}

func TestG2TheCACannotSign(t *testing.T) {
	b := newESTBed(t, EST{})
	code := b.invite(terminal)
	require.NoError(t, os.Remove(filepath.Join(b.dir, "issuing", "issuing.key")))
	res, body := b.connect(t).post(request{path: "simpleenroll", code: code.Text(), body: csr(t, newKey(t))})
	require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
	require.Regexp(t, "^not_available: the CA cannot sign now", body)
	require.NotContains(t, body, b.dir)
	require.NotEmpty(t, res.Header.Get("Retry-After"))
}

// A device that has root and ARL alone can judge the server by what it staples.
func TestC2TheServerProvesItself(t *testing.T) {
	b := newESTBed(t, EST{})
	d := b.connect(t)
	state := d.conn.ConnectionState()
	require.NotEmpty(t, state.OCSPResponse)
	meet := func() error { // a new device each time
		store, err := trust.Open(trust.Config{
			Anchors: []trust.AnchorFile{{File: b.ca.Public("root.crt"),
				Practices: []string{"*"}}},
			Revocation: revocation.Config{CRLs: []string{b.ca.Public("arl.der")}},
		})
		require.NoError(t, err)
		own, _ := b.issue("tla", terminal)
		conn, err := net.Dial("tcp", b.addr)
		require.NoError(t, err)
		defer conn.Close()
		party := &trust.Party{Trust: store, Certificate: func() *tls.Certificate { return own }}
		_, _, err = party.Client(t.Context(), conn, trust.ALPNOuter,
			trust.Want{Usage: x509.ExtKeyUsageServerAuth, Roles: []pki.Role{pki.RolePKI}})
		return err
	}
	require.NoError(t, meet())
	b.revoke(b.own, store.Hold)
	eventually(t, "it vouches for itself no more", func() bool { return pki.ReasonOf(meet()) == pki.CRLMissing })
	_, err := b.ca.Revocations.Release(ca.Selection{Certificate: b.own})
	require.NoError(t, err)
	eventually(t, "and again", func() bool { return meet() == nil })
}

// No code and no secret is ever in the log, at any level, whatever became of it.
func TestSP2NoCodeInTheLog(t *testing.T) {
	b := newESTBed(t, EST{})
	good, bad := b.invite(terminal), est.NewCode(b.ca.Root)
	key := newKey(t)
	b.enrolled(t, request{path: "simpleenroll", code: good.Text()}, key)
	for _, shown := range []string{good.Text(), bad.Text(), bad.Text()[:20]} {
		b.connect(t).post(request{path: "simpleenroll", code: shown, body: csr(t, newKey(t))})
	}
	log := strings.ToUpper(b.log.String())
	require.Contains(t, log, "CERTIFICATE ENROLLED")
	require.Contains(t, log, "CODE_USED")
	for _, code := range []est.Code{good, bad} {
		for i, group := range strings.Split(code.Text(), "-") {
			if i > 5 { // secret and check; the anchor's hash before is public
				require.NotContains(t, log, group)
			}
		}
		require.NotContains(t, log, strings.ToUpper(base64.StdEncoding.EncodeToString([]byte("anyone:"+code.Text()))))
	}
}

func FuzzParseRequest(f *testing.F) {
	key, err := ca.GenerateKey(ca.P256)
	require.NoError(f, err)
	plain, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{"a.example"}},
		key)
	require.NoError(f, err)
	f.Add([]byte(base64.StdEncoding.EncodeToString(plain)))
	f.Add([]byte(" \r\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		der, challenge, err := parseRequest(body)
		if err != nil {
			require.NotContains(t, err.Error(), "\n")
			return
		}
		again, same, err := parseRequest([]byte(base64.StdEncoding.EncodeToString(der)))
		require.NoError(t, err)
		require.Equal(t, der, again)
		require.Equal(t, challenge, same)
		require.LessOrEqual(t, len(challenge), len(der))
	})
}

func FuzzChallenge(f *testing.F) {
	key, err := ca.GenerateKey(ca.P256)
	require.NoError(f, err)
	plain, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{"a.example"}},
		key)
	require.NoError(f, err)
	req, err := x509.ParseCertificateRequest(plain)
	require.NoError(f, err)
	f.Add(req.RawTBSCertificateRequest)
	f.Fuzz(func(t *testing.T, tbs []byte) {
		if found, ok := challengeIn(tbs); ok && found != nil {
			require.True(t, bytes.Contains(tbs, found))
		}
	})
}
