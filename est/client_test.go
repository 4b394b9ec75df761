package est

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
	"tlagate/pki/pkitest"
)

const tla1 = "urn:tlagate:cab1:tla:t1"

// rig is a device without anything but a code, and a PKI that has invited it.
type rig struct {
	*pkitest.ESTServer
	ca   *pkitest.PKI
	code Code
}

func newRig(t *testing.T) *rig {
	ca := pkitest.New(t)
	r := &rig{ca.ServeEST(t), ca, NewCode(ca.Root.Cert)}
	r.Codes[r.code.Text()] = tla1
	return r
}

func (r *rig) place() Place { return Place{Address: r.Addr} }

func newKey(t testing.TB) crypto.Signer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

// enrol is what a device does that has just been given a code.
func (r *rig) enrol(t *testing.T, key crypto.Signer) ([]*x509.Certificate, *pki.Trust, error) {
	found, err := Bootstrap{Place: r.place()}.Find(t.Context(), r.code)
	if err != nil {
		return nil, nil, err
	}
	c := &Client{Place: r.place(), Trust: found.Trust}
	chain, err := c.Enrol(t.Context(), key, TLA, &r.code)
	return chain, found.Trust, err
}

// nothingSecret: neither a code nor a request was sent.
func (r *rig) nothingSecret(t *testing.T) {
	t.Helper()
	for _, q := range r.Requests() {
		require.Empty(t, q.Password, q.Path)
		require.Nil(t, q.CSR, q.Path)
		require.Nil(t, q.Client, q.Path)
	}
}

func TestG2EnrolAndReenrol(t *testing.T) {
	r := newRig(t)
	key := newKey(t)
	chain, trust, err := r.enrol(t, key)
	require.NoError(t, err)
	require.Len(t, chain, 2, "the certificate and its issuing CA")
	id, err := pki.IdentityOf(chain[0])
	require.NoError(t, err)
	require.Equal(t, tla1, id.String())
	require.True(t, isFor(chain[0], key))
	last := r.Requests()[len(r.Requests())-1]
	require.Equal(t, "/.well-known/est/tla/simpleenroll", last.Path)
	require.Equal(t, AnyName, last.SNI)
	require.NotEmpty(t, last.Challenge)
	require.Equal(t, last.Binding, last.Challenge, "bound to its connection")

	again, _, err := r.enrol(t, key)
	require.NoError(t, err, "a lost answer is asked for again")
	require.True(t, isFor(again[0], key))
	_, _, err = r.enrol(t, newKey(t))
	require.Equal(t, CodeUsed, wordOf(t, err))

	own := &tls.Certificate{Certificate: [][]byte{chain[0].Raw, chain[1].Raw}, PrivateKey: key, Leaf: chain[0]}
	place, err := DirectPlace("localhost=" + r.Addr)
	require.NoError(t, err)
	c := &Client{Place: place, Trust: trust, Certificate: func() *tls.Certificate { return own }}
	next := newKey(t)
	newer, err := c.Reenrol(t.Context(), next, TLA, chain[0])
	require.NoError(t, err)
	require.True(t, isFor(newer[0], next))
	last = r.Requests()[len(r.Requests())-1]
	require.Equal(t, chain[0].Raw, last.Client.Raw)
	require.Equal(t, "localhost", last.SNI)
	require.Equal(t, last.Binding, last.Challenge)
	require.Equal(t, chain[0].RawSubject, last.CSR.RawSubject)
	require.Equal(t, chain[0].URIs, last.CSR.URIs)
}

func wordOf(t *testing.T, err error) Word {
	t.Helper()
	var p *Problem
	require.ErrorAs(t, err, &p)
	return p.Word
}

// TestG2NothingSecretIsSentToAnotherPKI: whatever is wrong with the server, it learns neither code nor request.
func TestG2NothingSecretIsSentToAnotherPKI(t *testing.T) {
	other := pkitest.New(t)
	for _, c := range []struct {
		name   string
		change func(*rig)
		check  func(*testing.T, error)
	}{
		{"another anchor", func(r *rig) { r.code = NewCode(other.Root.Cert) }, func(t *testing.T, err error) { require.ErrorIs(t, err, ErrAnchor) }},
		{"the anchor's key, but no root", func(r *rig) {
			r.CACerts = []*x509.Certificate{r.ca.Issuing.Cert}
			r.code = NewCode(r.ca.Issuing.Cert)
		}, func(t *testing.T, err error) { require.ErrorIs(t, err, ErrAnchor) }},
		{"cacerts of the right PKI, server of another", func(r *rig) {
			r.Certificate = other.Issue("urn:tlagate:op:pki:ca1", x509.ExtKeyUsageServerAuth)
		}, refusedAs(pki.UnknownIssuer)},
		{"server of another role", func(r *rig) {
			r.Certificate = r.ca.Issue("urn:tlagate:op:gateway:g1", x509.ExtKeyUsageServerAuth)
			r.Certificate.OCSPStaple = r.ca.Issuing.OCSP(r.Certificate.Leaf, pkitest.OCSPByCA())
		}, refusedAs(pki.WrongRole)},
		{"revoked server", func(r *rig) {
			r.ca.Issuing.Revoke(r.Certificate.Leaf)
			r.Certificate.OCSPStaple = r.ca.Issuing.OCSP(r.Certificate.Leaf, pkitest.OCSPByCA())
		}, refusedAs(pki.Revoked)},
		{"revoked CA", func(r *rig) { r.ca.Root.Revoke(r.ca.Issuing.Cert); r.ARL = r.ca.Root.CRL() }, refusedAs(pki.CARevoked)},
		{"no staple", func(r *rig) { r.Certificate.OCSPStaple = nil }, refusedAs(pki.CRLMissing)},
		{"stale ARL", func(r *rig) { r.ARL = r.ca.Root.CRL(pkitest.CRLStale()) }, refusedAs(pki.CRLStale)},
		{"ARL of another", func(r *rig) { r.ARL = other.Root.CRL() }, refusedAs(pki.CRLWrongIssuer)},
		{"no ARL", func(r *rig) { r.ARL = nil }, badAnswer},
		{"cacerts that never end", func(r *rig) {
			r.Fail = func(string) (int, string) { return 200, strings.Repeat("A", 1<<20) }
		}, badAnswer},
		{"cacerts of nothing", func(r *rig) { r.Fail = func(string) (int, string) { return 200, "MAA=" } }, badAnswer},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			c.change(r)
			_, _, err := r.enrol(t, newKey(t))
			c.check(t, err)
			r.nothingSecret(t)
		})
	}
}

func refusedAs(reason pki.Reason) func(*testing.T, error) {
	return func(t *testing.T, err error) { require.Equal(t, reason, pki.ReasonOf(err), "%v", err) }
}

func badAnswer(t *testing.T, err error) { require.ErrorAs(t, err, new(*BadAnswer)) }

// What the PKI issues is looked at before it is used.
func TestG2IssuedCertificateIsJudged(t *testing.T) {
	other := pkitest.New(t)
	for _, c := range []struct {
		name  string
		issue func(*rig, pkitest.ESTRequest) *x509.Certificate
		want  pki.Reason
	}{
		{"for another key", func(r *rig, q pkitest.ESTRequest) *x509.Certificate {
			return r.ca.Issue(tla1, x509.ExtKeyUsageClientAuth).Leaf
		}, ""},
		{"of another PKI", func(r *rig, q pkitest.ESTRequest) *x509.Certificate {
			return other.Issue(tla1, x509.ExtKeyUsageClientAuth, pkitest.PublicKey(q.CSR.PublicKey)).Leaf
		}, pki.UnknownIssuer},
		{"of another role", func(r *rig, q pkitest.ESTRequest) *x509.Certificate {
			return r.ca.Issue("urn:tlagate:cab1:pdt:p1", x509.ExtKeyUsageClientAuth, pkitest.PublicKey(q.CSR.PublicKey)).Leaf
		}, pki.WrongRole},
		{"for another use", func(r *rig, q pkitest.ESTRequest) *x509.Certificate {
			return r.ca.Issue(tla1, x509.ExtKeyUsageServerAuth, pkitest.PublicKey(q.CSR.PublicKey)).Leaf
		}, pki.ExtKeyUsage},
		{"ended", func(r *rig, q pkitest.ESTRequest) *x509.Certificate {
			return r.ca.Issue(tla1, x509.ExtKeyUsageClientAuth, pkitest.PublicKey(q.CSR.PublicKey), pkitest.Expired()).Leaf
		}, pki.Expired},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			r.Issue = func(q pkitest.ESTRequest) []*x509.Certificate { return []*x509.Certificate{c.issue(r, q)} }
			_, _, err := r.enrol(t, newKey(t))
			badAnswer(t, err)
			require.Equal(t, c.want, pki.ReasonOf(err), "%v", err)
		})
	}
}

func TestG2ReenrolKeepsTheIdentity(t *testing.T) {
	r := newRig(t)
	own := r.ca.Issue(tla1, x509.ExtKeyUsageClientAuth)
	found, err := Bootstrap{Place: r.place()}.Find(t.Context(), r.code)
	require.NoError(t, err)
	r.Issue = func(q pkitest.ESTRequest) []*x509.Certificate {
		return []*x509.Certificate{r.ca.Issue("urn:tlagate:cab1:tla:other", x509.ExtKeyUsageClientAuth, pkitest.PublicKey(q.CSR.PublicKey)).Leaf}
	}
	c := &Client{Place: r.place(), Trust: found.Trust, Certificate: func() *tls.Certificate { return &own }}
	_, err = c.Reenrol(t.Context(), newKey(t), TLA, own.Leaf)
	refusedAs(pki.WrongPeer)(t, err)
}

func TestProblemsAndSilence(t *testing.T) {
	r := newRig(t)
	delete(r.Codes, r.code.Text())
	_, _, err := r.enrol(t, newKey(t))
	require.Equal(t, CodeUnknown, wordOf(t, err))

	r.Fail = func(path string) (int, string) { return 429, "too_many: come back\x1b[2J later\nmore" }
	_, _, err = r.enrol(t, newKey(t))
	require.EqualError(t, err, "cannot enrol: too_many: come back[2J later")

	r.Fail = func(path string) (int, string) { return 502, "<html>Bad Gateway: nobody" }
	_, _, err = r.enrol(t, newKey(t))
	require.Equal(t, Word(""), wordOf(t, err))

	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	_, err = Bootstrap{Place: Place{Address: l.Addr().String()}}.Find(quickly(t), r.code) // accepts, and says nothing
	require.Equal(t, pki.HandshakeSlow, pki.ReasonOf(err), "%v", err)
	require.NoError(t, l.Close())
	_, err = Bootstrap{Place: Place{Address: l.Addr().String()}}.Find(t.Context(), r.code)
	require.ErrorAs(t, err, new(*Unreachable))
}

// quickly gives a context that ends soon.
func quickly(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

// OpenSSL reads the attribute as what it is, and finds the signature good.
func TestRequestByOpenSSL(t *testing.T) {
	like := pkitest.New(t).Issue(tla1, x509.ExtKeyUsageClientAuth).Leaf
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	rsa3072, err := rsa.GenerateKey(rand.Reader, 3072)
	require.NoError(t, err)
	challenge := base64.StdEncoding.EncodeToString(make([]byte, bindingSize))
	for name, key := range map[string]crypto.Signer{"P-256": newKey(t), "P-384": p384, "RSA": rsa3072} {
		der, err := newRequest(key, like, challenge)
		require.NoError(t, err, name)
		cmd := exec.Command("openssl", "req", "-text", "-noout", "-verify")
		cmd.Stdin = strings.NewReader(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})))
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		for _, want := range []string{"verify OK", "challengePassword", ":" + challenge, "URI:" + tla1, "X509v3 Subject Alternative Name"} {
			require.Contains(t, string(out), want, name)
		}
	}
}

func TestCertsOnlyByOpenSSL(t *testing.T) {
	ca := pkitest.New(t)
	dir := t.TempDir()
	pkitest.WriteCertificates(t, dir+"/certs.pem", ca.Issuing.Cert, ca.Root.Cert)
	out, err := exec.Command("openssl", "crl2pkcs7", "-nocrl", "-certfile", dir+"/certs.pem", "-outform", "DER").Output()
	require.NoError(t, err)
	certs, err := parseCertsOnly(base64Lines(out))
	require.NoError(t, err)
	require.Len(t, certs, 2)
}

// Every truncation is refused, and so is one octet too many.
func TestCertsOnlyIsRefused(t *testing.T) {
	ca := pkitest.New(t)
	whole, err := base64.StdEncoding.DecodeString(pkitest.CertsOnly(ca.Root.Cert))
	require.NoError(t, err)
	for n := range whole {
		_, err := parseCertsOnly(base64Lines(whole[:n]))
		require.Error(t, err, n)
	}
	_, err = parseCertsOnly(base64Lines(append(whole, 0)))
	require.Error(t, err)
	many := make([]*x509.Certificate, maxCerts+1)
	for i := range many {
		many[i] = ca.Root.Cert
	}
	_, err = parseCertsOnly([]byte(pkitest.CertsOnly(many...)))
	require.ErrorContains(t, err, "more than 16")
	_, err = parseCertsOnly([]byte(pkitest.CertsOnly()))
	require.Error(t, err)
}

func FuzzCertsOnly(f *testing.F) {
	ca := pkitest.New(f)
	f.Add([]byte(pkitest.CertsOnly(ca.Root.Cert, ca.Issuing.Cert)))
	f.Add([]byte("MAA=\r\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		certs, err := parseCertsOnly(body)
		if (err == nil) != (len(certs) > 0) || len(certs) > maxCerts {
			t.Fatal("certificates and error do not fit")
		}
	})
}

func FuzzProblem(f *testing.F) {
	f.Add(401, []byte("code_used: another key has used it\n"))
	f.Add(503, []byte("<html>"))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		p := parseProblem(status, body)
		if len([]rune(p.Text)) > maxText || strings.ContainsAny(p.Error(), "\n\x1b") {
			t.Fatal("too long, or not printable")
		}
	})
}
