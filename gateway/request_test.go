package gateway

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
	"tlagate/pki/pkitest"
	"tlagate/session/consent/consenttest"
	"tlagate/session/link"
)

// suites are those of TLS 1.3; which it is, the processor decides.
var suites = []string{"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}

func TestC2WhoamiTellsWhatWasNegotiated(t *testing.T) {
	r := start(t)
	for _, who := range []string{tla1, pdt1, admin1} {
		resp, body := request(t, r.as(who), "GET", link.PathWhoami, nil)
		require.Equal(t, http.StatusOK, resp.StatusCode)
		require.Equal(t, "application/json", resp.Header.Get("Content-Type"))
		var a whoamiAnswer
		require.NoError(t, json.Unmarshal(body, &a))
		id, _ := pki.ParseIdentity(who)
		require.Equal(t, who, a.Identity)
		require.Equal(t, id.Role, a.Role)
		require.Equal(t, id.Practice, a.Practice)
		require.Equal(t, gateway, a.Gateway)
		require.Equal(t, "good", a.Revocation.Status)
		require.Equal(t, "crl", a.Revocation.Source)
		require.True(t, a.Revocation.NextUpdate.After(time.Now()))
		require.True(t, a.NotAfter.After(time.Now()))
		require.Equal(t, pki.Negotiated{Version: "TLS 1.3", Suite: a.TLS.Suite, Group: "X25519MLKEM768",
			Signature: "ECDSAWithP256AndSHA256"}, a.TLS)
		require.Contains(t, suites, a.TLS.Suite)
		r.logged("connection accepted", "peer", who, "tls", a.TLS.String())
	}
}

// TestC1WhoMayDoWhat is a table of who × what (C1).
func TestC1WhoMayDoWhat(t *testing.T) {
	r := start(t, limited(Limits{JoinWait: time.Millisecond}), allowing(tla2, pdt1),
		allowing("urn:tlagate:cab3:tla:*", "urn:tlagate:cab1:pdt:*"))
	const may = "may"
	for _, c := range []struct{ who, what, outcome string }{
		{tla1, "park", "wrong_role"},
		{pdt1, "park", may},
		{admin1, "park", "wrong_role"},
		{gateway, "park", "wrong_role"},
		{"urn:tlagate:op:pki:x", "park", "wrong_role"},
		{"urn:tlagate:op:ocsp:x", "park", "wrong_role"},

		{pdt1, pdt1, "wrong_role"},
		{admin1, pdt1, "wrong_role"},
		{gateway, pdt1, "wrong_role"},
		{tla1, pdt1, may},
		{tla1, "p1", may},
		{tla1, "unheard-of", may},
		{tla1, pdt2, "wrong_practice"},
		{tla2, pdt1, may}, // by a rule
		{tla2, "urn:tlagate:cab1:pdt:p9", "wrong_practice"},
		{tla2, "p1", may}, // of its own practice
		{"urn:tlagate:cab2:tla:t9", pdt1, "wrong_practice"},
		{"urn:tlagate:cab3:tla:t9", "urn:tlagate:cab1:pdt:p9", may}, // by a rule for practices
		{"urn:tlagate:cab3:tla:t9", pdt2, "wrong_practice"},
		{"urn:tlagate:cab1:tla:t3", "urn:tlagate:cab3:pdt:p3", "wrong_practice"},

		{tla1, tla1, "bad_request"},
		{tla1, "", "bad_request"},
		{tla1, "P1", "bad_request"},
		{tla1, "urn:tlagate:cab1:pdt:*", "bad_request"},
		{tla1, "urn:tlagate:cab1:pdt", "bad_request"},
	} {
		t.Run(c.who+" "+c.what, func(t *testing.T) {
			target, header, done := link.PathOpen+"?pdt="+c.what, http.Header(nil), link.ProblemPdTAbsent
			if c.what == "park" {
				target, header, done = link.PathPark, upgrade(), link.ProblemBadRequest // no server certificate
			}
			resp, body := request(t, r.as(c.who), "GET", target, header)
			got := codeOf(t, resp, body)
			if c.outcome == may {
				require.Equal(t, done, got)
				return
			}
			require.Equal(t, link.ProblemCode(c.outcome), got)
			r.logged("request refused", "reason", c.outcome, "peer", c.who)
		})
	}
}

func TestRequestsRefused(t *testing.T) {
	r := start(t)
	p := r.pdt(pdt1)
	for name, c := range map[string]struct {
		who, method, target string
		header              http.Header
		code                link.ProblemCode
	}{
		"POST":                 {tla1, "POST", link.PathWhoami, nil, link.ProblemMethodNotAllowed},
		"HEAD of nothing":      {tla1, "DELETE", "/x", nil, link.ProblemMethodNotAllowed},
		"unknown path":         {tla1, "GET", "/v2/whoami", nil, link.ProblemNotFound},
		"path below":           {tla1, "GET", "/v1/park/x", upgrade(), link.ProblemNotFound},
		"operator's look":      {tla1, "GET", "/api/v1/sessions", nil, link.ProblemNotFound},
		"operator's act":       {tla1, "POST", "/api/v1/drain", nil, link.ProblemNotFound},
		"root":                 {pdt1, "GET", "/", nil, link.ProblemNotFound},
		"park without upgrade": {pdt1, "GET", link.PathPark, nil, link.ProblemUpgradeRequired},
		"park to websocket": {pdt1, "GET", link.PathPark, http.Header{"Connection": {"Upgrade"},
			"Upgrade": {"websocket"}}, link.ProblemUpgradeRequired},
		"upgrade not connection": {pdt1, "GET", link.PathPark, http.Header{"Upgrade": {link.Protocol}},
			link.ProblemUpgradeRequired},
		"park without cert": {pdt1, "GET", link.PathPark, upgrade(), link.ProblemBadRequest},
		"cert not base64": {pdt1, "GET", link.PathPark, with(upgrade(), link.HeaderServerCert, "x"),
			link.ProblemBadRequest},
		"cert not DER": {pdt1, "GET", link.PathPark, with(upgrade(), link.HeaderServerCert, ":AAAA:"),
			link.ProblemBadServerCertificate},
		"its client certificate": {pdt1, "GET", link.PathPark, declaring(p.client), link.ProblemBadServerCertificate},
		"authorization unread": {tla1, "GET", link.PathOpen + "?pdt=p1", with(upgrade(), "Authorization", "Basic x"),
			link.ProblemBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			resp, body := request(t, r.as(c.who), c.method, c.target, c.header)
			require.Equal(t, c.code, codeOf(t, resp, body))
			require.Equal(t, link.Statuses[c.code], resp.StatusCode)
			r.logged("request refused", "reason", string(c.code), "peer", c.who)
			if c.code == link.ProblemUpgradeRequired {
				require.Equal(t, link.Protocol, resp.Header.Get("Upgrade"))
			}
		})
	}
}

func with(h http.Header, name, value string) http.Header {
	h.Set(name, value)
	return h
}

func declaring(c tls.Certificate) http.Header {
	h := upgrade()
	for i, der := range c.Certificate {
		name := link.HeaderServerCertChain
		if i == 0 {
			name = link.HeaderServerCert
		}
		h.Add(name, ":"+base64.StdEncoding.EncodeToString(der)+":")
	}
	return h
}

// The certificate that a PdT declares is judged like the one it shows (C2).
func TestC2DeclaredServerCertificate(t *testing.T) {
	r := start(t)
	own := r.ca.Issue(pdt1, clients)
	revoked := r.ca.Issue(pdt1, servers)
	r.ca.Issuing.Revoke(revoked.Leaf)
	r.ca.WriteCRLs(r.files)
	r.trust.Reload()
	for name, c := range map[string]struct {
		server tls.Certificate
		reason pki.Reason
	}{
		"revoked":        {revoked, pki.Revoked},
		"another PdT's":  {r.ca.Issue("urn:tlagate:cab1:pdt:p9", servers), pki.WrongPeer},
		"a TLA's":        {r.ca.Issue(tla1, servers), pki.WrongPeer},
		"expired":        {r.ca.Issue(pdt1, servers, pkitest.Expired()), pki.Expired},
		"client's EKU":   {own, pki.ExtKeyUsage},
		"self-signed":    {r.ca.Issue(pdt1, servers, pkitest.SelfSigned()), pki.SelfSigned},
		"another issuer": {pkitest.New(t).Issue(pdt1, servers), pki.UnknownIssuer},
		"weak key":       {r.ca.Issue(pdt1, servers, pkitest.RSA(1024)), pki.WeakKey},
	} {
		t.Run("C2 "+name, func(t *testing.T) {
			_, err := r.tryPark(pdt{own, c.server}, unhurried)
			p := requireProblem(t, link.ProblemBadServerCertificate, err)
			require.Contains(t, p.Detail, string(c.reason))
			r.logged("declared server certificate refused", "reason", string(c.reason), "peer", pdt1)
		})
	}
	_, err := r.tryPark(pdt{own, r.ca.Issue(pdt1, servers)}, unhurried)
	require.NoError(t, err)
}

func TestNonce(t *testing.T) {
	r := start(t, limited(Limits{JoinWait: time.Millisecond, Nonce: time.Hour}))
	cert := r.ca.Issue(tla1, clients)
	ask := func(t *testing.T, c askOn) (link.ProblemCode, string) {
		header := http.Header(nil)
		if c.nonce != "" {
			header = with(upgrade(), "Authorization", authorization(t, cert, c.nonce))
		}
		resp, body := request(t, c, "GET", link.PathOpen+"?pdt=p1", header)
		_, rest, _ := strings.Cut(resp.Header.Get("WWW-Authenticate"), `nonce="`)
		return codeOf(t, resp, body), strings.TrimSuffix(rest, `"`)
	}
	far := r.park(r.pdt(pdt1))
	c, other := askOn{r.dial(cert), ""}, askOn{r.dial(cert), ""}
	code, first := ask(t, c)
	require.Equal(t, link.ProblemConsentRequired, code)
	raw, err := base64.RawURLEncoding.DecodeString(first)
	require.NoError(t, err)
	require.Len(t, raw, 32)

	code, second := ask(t, c)
	require.Equal(t, link.ProblemConsentRequired, code)
	require.NotEqual(t, first, second)

	for name, step := range map[string]askOn{
		"of before": {c, first}, "of another connection": {other, second},
		"of nobody": {other, strings.Repeat("A", 43)},
	} {
		code, _ = ask(t, step)
		require.Equal(t, link.ProblemBadAuthorization, code, name)
	}
	_, third := ask(t, c)
	far.Close()
	r.eventually("PdT gone", func() bool { return r.parked() == 0 })
	code, _ = ask(t, askOn{c, third})
	require.Equal(t, link.ProblemPdTAbsent, code, "the right one passes")
	code, _ = ask(t, askOn{c, third})
	require.Equal(t, link.ProblemBadAuthorization, code, "once")
}

// authorization returns the header that asks for pdt1 with the user's consent.
func authorization(t *testing.T, cert tls.Certificate, nonce string) string {
	id := newID()
	signed, err := consenttest.By(cert, pdt1, id)(nonce)
	require.NoError(t, err)
	return link.Authorization{Nonce: nonce, Session: id, Consent: signed}.String()
}

type askOn struct {
	net.Conn
	nonce string
}

func TestNonceGetsOld(t *testing.T) {
	r := start(t, limited(Limits{Nonce: time.Nanosecond}))
	r.park(r.pdt(pdt1))
	_, err := r.tryOpen(r.ca.Issue(tla1, clients), pdt1)
	requireProblem(t, link.ProblemBadAuthorization, err)
}

func TestOpenWithoutUpgradeKeepsTheNonce(t *testing.T) {
	r := start(t, limited(Limits{JoinWait: time.Millisecond}))
	cert := r.ca.Issue(tla1, clients)
	c, far := r.dial(cert), r.park(r.pdt(pdt1))
	resp, _ := request(t, c, "GET", link.PathOpen+"?pdt=p1", nil)
	far.Close()
	r.eventually("PdT gone", func() bool { return r.parked() == 0 })
	_, rest, _ := strings.Cut(resp.Header.Get("WWW-Authenticate"), `nonce="`)
	auth := authorization(t, cert, strings.TrimSuffix(rest, `"`))
	resp, body := request(t, c, "GET", link.PathOpen+"?pdt=p1", http.Header{"Authorization": {auth}})
	require.Equal(t, link.ProblemUpgradeRequired, codeOf(t, resp, body))
	resp, body = request(t, c, "GET", link.PathOpen+"?pdt=p1", with(upgrade(), "Authorization", auth))
	require.Equal(t, link.ProblemPdTAbsent, codeOf(t, resp, body))
	require.Equal(t, "5", resp.Header.Get("Retry-After"))
}
