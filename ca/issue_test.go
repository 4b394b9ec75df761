package ca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/ca/store"
	"tlagate/pki"
)

// csrWith makes a request that wishes for things.
func csrWith(t *testing.T, key crypto.Signer, wishes x509.CertificateRequest) []byte {
	der, err := x509.CreateCertificateRequest(rand.Reader, &wishes, key)
	require.NoError(t, err)
	return der
}

func TestOnlyTheKeyIsTakenFromARequest(t *testing.T) {
	c, key := newCA(t), newKey(t, P256)
	csr := csrWith(t, key, x509.CertificateRequest{
		Subject:        pkix.Name{CommonName: "root", Country: []string{"FR"}},
		DNSNames:       []string{"evil.example.org"},
		EmailAddresses: []string{"a@example.org"},
		ExtraExtensions: []pkix.Extension{
			{Id: []int{2, 5, 29, 19}, Critical: true, Value: []byte{0x30, 3, 1, 1, 0xff}}, // CA: true
			// anyExtendedKeyUsage
			{Id: []int{2, 5, 29, 37}, Value: []byte{0x30, 6, 6, 4, 0x55, 0x1d, 0x25, 0}},
			// delegated credentials
			{Id: []int{1, 3, 6, 1, 4, 1, 44363, 44}, Value: []byte{5, 0}},
			{Id: []int{2, 5, 29, 15}, Critical: true, Value: []byte{3, 2, 1, 6}},                  // keyCertSign
			{Id: []int{2, 5, 29, 32}, Value: []byte{0x30, 8, 0x30, 6, 6, 4, 0x55, 0x1d, 0x20, 0}}, // anyPolicy
			{Id: []int{1, 3, 6, 1, 5, 5, 7, 48, 1, 5}, Value: []byte{5, 0}},                       // ocsp-nocheck
			{Id: []int{1, 3, 6, 1, 4, 1, 99999, 1}, Critical: true, Value: []byte{5, 0}},          // unknown, critical
			// a key identifier of its own
			{Id: []int{2, 5, 29, 14}, Value: append([]byte{4, 20}, make([]byte, 20)...)},
			{Id: []int{2, 5, 29, 31}, Value: []byte{0x30, 0}},              // no CRL, please
			{Id: []int{1, 3, 6, 1, 5, 5, 7, 1, 1}, Value: []byte{0x30, 0}}, // nor OCSP
		},
	})
	issued, err := c.Certificates.Issue(Request{Profile: "tla", Identity: identity(t, terminal), CSR: csr})
	require.NoError(t, err)
	checkLeaf(t, c, issued.Certificate, profileTable["tla"])
	require.True(t, samePublic(issued.Certificate.PublicKey, key.Public()))
	require.Equal(t, "CN=t1,OU=tla,O=cab1", issued.Certificate.Subject.String())
	require.Len(t, issued.Certificate.Extensions, 9)
	require.Equal(t, []string{
		`the certificate request asks for the DNS name "evil.example.org"; it is not in the certificate`,
		"the certificate request asks for 1 IP or mail addresses; they are not in the certificate",
	}, issued.Notes)
}

func TestIssueRefuses(t *testing.T) {
	c := newCA(t)
	good := requestFor(t, newKey(t, P256))
	issuingKey, err := c.issuing.key()
	require.NoError(t, err)
	forged := append([]byte{}, csrWith(t, newKey(t, P256), x509.CertificateRequest{})...)
	forged[len(forged)-1] ^= 1
	cases := map[string]struct {
		request Request
		says    string
	}{
		"unknown profile": {Request{Profile: "root", CSR: good}, `there is no profile "root"`},
		"role of another": {Request{Profile: "pdt-client", CSR: good},
			"role is tla, profile pdt-client is for pdt"},
		"DNS name of a client": {Request{DNS: []string{"a.example.org"}, CSR: good}, "has no DNS names"},
		"too long a life":      {Request{Days: 826, CSR: good}, "826 days are not allowed"},
		"negative life":        {Request{Days: -1, CSR: good}, "-1 days are not allowed"},
		"no request":           {Request{}, "cannot be read"},
		"a certificate":        {Request{CSR: pemOf("CERTIFICATE", c.Root.Raw)}, "it holds a PEM block"},
		"bad signature":        {Request{CSR: forged}, "not signed by its own key"},
		"name of another": {Request{CSR: csrWith(t, newKey(t, P256),
			x509.CertificateRequest{URIs: []*url.URL{{Scheme: "urn",
				Opaque: "tlagate:cab1:tla:t2"}}})}, `is of "urn:tlagate:cab1:tla:t2": is it the right file?`},
		"P-521": {Request{CSR: csrWith(t, must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader)),
			x509.CertificateRequest{})}, "ECDSA key on P-521 is not allowed"},
		"RSA-2048": {Request{CSR: csrWith(t, must(rsa.GenerateKey(rand.Reader, 2048)),
			x509.CertificateRequest{})}, "RSA key of 2048 bits is not allowed"},
		"Ed25519": {Request{CSR: csrWith(t, ed25519.NewKeyFromSeed(make([]byte, 32)),
			x509.CertificateRequest{})}, "is not allowed"},
		"the CA's own key": {Request{CSR: csrWith(t, issuingKey, x509.CertificateRequest{})},
			"the key is the CA's own"},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			test.request.Profile = or(test.request.Profile, "tla")
			test.request.Identity = identity(t, terminal)
			_, err := c.Certificates.Issue(test.request)
			require.ErrorContains(t, err, test.says)
			require.ErrorContains(t, err, "cannot issue a "+test.request.Profile+" certificate to "+terminal)
		})
	}
	records, err := c.List()
	require.NoError(t, err)
	require.Len(t, records, 1, "the issuing CA's own: nothing refused left a record")
}

func must[K any](key K, err error) K {
	if err != nil {
		panic(err)
	}
	return key
}

func TestIssueRefusesDNSNames(t *testing.T) {
	c := newCA(t)
	for _, name := range []string{"", "*.example.org", "127.0.0.1", "::1", "a@example.org", "http://example.org",
		"A.example.org", "-a", "a-", "a..b", "a.", "a b", "a/b", "é.fr"} {
		_, err := c.Certificates.Issue(Request{Profile: "gateway-server",
			Identity: identity(t, "urn:tlagate:op:gateway:g1"),
			DNS:      []string{"good.example.org", name}, CSR: requestFor(t, newKey(t, P256))})
		require.ErrorContains(t, err, "is not a DNS name", "name %q", name)
	}
	_, err := c.Certificates.Issue(Request{Profile: "gateway-server",
		Identity: identity(t, "urn:tlagate:op:gateway:g1"), CSR: requestFor(t, newKey(t, P256))})
	require.ErrorContains(t, err, "a server needs at least one DNS name")
}

func TestOneKeyOneIdentity(t *testing.T) {
	c, key := newCA(t), newKey(t, P256)
	first, err := c.Certificates.Issue(Request{Profile: "tla", Identity: identity(t, terminal),
		CSR: requestFor(t, key)})
	require.NoError(t, err)
	_, err = c.Certificates.Issue(Request{Profile: "tla", Identity: identity(t, "urn:tlagate:cab1:tla:t2"),
		CSR: requestFor(t, key)})
	require.ErrorContains(t, err, "one key serves one identity")

	_, err = c.Certificates.Issue(Request{Profile: "tla", Identity: identity(t, terminal), CSR: requestFor(t, key)})
	require.NoError(t, err, "a renewal with the same key")
	_, err = c.Revocations.Revoke(Selection{Serial: first.Serial}, store.KeyCompromise)
	require.NoError(t, err)
	_, err = c.Certificates.Issue(Request{Profile: "tla", Identity: identity(t, terminal), CSR: requestFor(t, key)})
	require.ErrorContains(t, err, "revoked for keyCompromise: make a new key")
}

func TestNothingOutlivesTheIssuingCA(t *testing.T) {
	c := newCA(t)
	late := c.Issuing.NotAfter.AddDate(-1, 0, 0)
	c.time, c.Clock.trusted = func() time.Time { return late }, true
	_, err := c.Certificates.Issue(Request{Profile: "tla", Identity: identity(t, terminal),
		CSR: requestFor(t, newKey(t, P256))})
	require.ErrorContains(t, err, "it would end after the issuing CA")
	issued, err := c.Certificates.Issue(Request{Profile: "tla", Identity: identity(t, terminal),
		CSR: requestFor(t, newKey(t, P256)), Days: 300})
	require.NoError(t, err)
	require.False(t, issued.NotAfter.After(c.Issuing.NotAfter))
}

// A crash between intent and record must lose nothing, whichever side of the signing it is on.
func TestACrashLeavesTheIntent(t *testing.T) {
	for _, point := range []string{"intended", "signed"} {
		t.Run(point, func(t *testing.T) {
			c := newCA(t)
			crashAt(t, c, point)

			c = openCA(t, c.dir, Options{})
			records, err := c.Find(terminal)
			require.NoError(t, err)
			require.Len(t, records, 1)
			require.Equal(t, store.Intent, records[0].Status)
			require.Equal(t, "tla", records[0].Profile)

			_, err = c.Revocations.Revoke(Selection{Serial: records[0].Serial}, 4)
			require.NoError(t, err)
			list, err := c.Lists.PublishCRL()
			require.NoError(t, err)
			require.Equal(t, 1, list.Entries)
			parsed, err := x509.ParseRevocationList(list.DER)
			require.NoError(t, err)
			require.Equal(t, records[0].Serial, store.FormatSerial(parsed.RevokedCertificateEntries[0].SerialNumber))
			issueTLA(t, c, "urn:tlagate:cab1:tla:t2")
		})
	}
}

// TestMain lets a test run this program again, to be killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv("TLAGATE_CRASH_DIR"); dir != "" {
		crashingIssuer(dir, os.Getenv("TLAGATE_CRASH_AT"))
	}
	os.Exit(m.Run())
}

const crashed = 77

func crashAt(t *testing.T, c *CA, point string) {
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), "TLAGATE_CRASH_DIR="+c.dir, "TLAGATE_CRASH_AT="+point)
	out, err := command.CombinedOutput()
	require.Error(t, err)
	require.Equal(t, crashed, command.ProcessState.ExitCode(), "%s", out)
}

func crashingIssuer(dir, point string) {
	c := must(Open(dir, Options{}))
	c.at = func(here string) {
		if here == point {
			os.Exit(crashed)
		}
	}
	csr := must(NewCSR(must(GenerateKey(P256))))
	_, err := c.Certificates.Issue(Request{Profile: "tla",
		Identity: pki.Identity{Practice: "cab1", Role: pki.RoleTLA, Name: "t1"}, CSR: csr})
	fmt.Println("not reached:", err)
	os.Exit(1)
}

// Two programs on one directory: each Open has its own lock and its own database connection, as processes have.
func TestTwoAtOnce(t *testing.T) {
	dir := newCA(t).dir
	const programs, each = 4, 5
	var all sync.WaitGroup
	errs := make(chan error, programs)
	for p := range programs {
		all.Go(func() { errs <- work(dir, p, each) })
	}
	all.Wait()
	for range programs {
		require.NoError(t, <-errs)
	}
	c := openCA(t, dir, Options{})
	records, err := c.List()
	require.NoError(t, err)
	require.Len(t, records, 1+programs*each)
	list, err := c.Lists.PublishCRL()
	require.NoError(t, err)
	require.Equal(t, int64(1+programs*each+1), list.Number)
	require.Equal(t, programs*each, list.Entries)
}

func TestAWaitForTheLockCanBeStopped(t *testing.T) {
	holder, stop := newCA(t), make(chan struct{})
	waiter := openCA(t, holder.dir, Options{Stop: stop})
	require.NoError(t, holder.locks.with("lock-crl", func() error {
		close(stop)
		_, err := waiter.Lists.PublishCRL()
		require.ErrorContains(t, err, "stopped while another program is writing to it")
		return nil
	}))
}

// work issues, revokes and publishes.
func work(dir string, program, times int) error {
	c, err := Open(dir, Options{})
	if err != nil {
		return err
	}
	defer c.Close()
	for i := range times {
		csr := must(NewCSR(must(GenerateKey(P256))))
		issued, err := c.Certificates.Issue(Request{Profile: "tla",
			Identity: pki.Identity{Practice: "cab1", Role: pki.RoleTLA,
				Name: fmt.Sprintf("t%d-%d", program, i)}, CSR: csr})
		if err != nil {
			return err
		}
		if _, err := c.Revocations.Revoke(Selection{Serial: issued.Serial}, 4); err != nil {
			return err
		}
		if _, err := c.Lists.PublishCRL(); err != nil {
			return err
		}
	}
	return nil
}
