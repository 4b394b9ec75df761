package ca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"database/sql"
	"encoding/pem"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	xocsp "golang.org/x/crypto/ocsp"

	"tlagate/ca/store"
)

const (
	workplace = "urn:tlagate:cab1:pdt:p1"
	placeName = "bureau.cab1.example"
)

func invite(t *testing.T, c *CA, g Guest) [sha256.Size]byte {
	invited, err := c.Invitations.Invite(g)
	require.NoError(t, err)
	return invited.Codes[0].Hash()
}

func guest(t *testing.T, urn string, dns ...string) Guest {
	return Guest{Identity: identity(t, urn), DNS: dns, By: "test"}
}

// shifted returns another program's view of a CA, with its clock ahead.
func shifted(t *testing.T, c *CA, by time.Duration) *CA {
	return openCA(t, c.dir, Options{Clock: func() time.Time { return time.Now().Add(by) }})
}

func TestG2ACodeEnrolsOneKey(t *testing.T) {
	c := newCA(t)
	code := invite(t, c, guest(t, terminal))
	key := newKey(t, P256)

	first, err := c.Enrolment.Enrol(code, "", requestFor(t, key))
	require.NoError(t, err)
	require.Equal(t, "tla", first.Profile)
	require.Equal(t, terminal, first.Identity)
	require.True(t, samePublic(key.Public(), first.Certificate.PublicKey))

	again, err := c.Enrolment.Enrol(code, "tla", requestFor(t, key))
	require.NoError(t, err)
	require.Equal(t, first.Certificate.Raw, again.Certificate.Raw, "an answer that was lost costs nothing")
	require.Equal(t, first.Chain, again.Chain)

	_, err = c.Enrolment.Enrol(code, "", requestFor(t, newKey(t, P256)))
	require.Equal(t, CodeUsed, DeniedFor(err))

	used, err := c.Invitations.List()
	require.NoError(t, err)
	require.Len(t, used, 1)
	require.Equal(t, "used", used[0].State(time.Now()))
	require.Equal(t, first.Serial, used[0].Serial)
	require.Equal(t, first.Profile, used[0].Profile)
}

func TestG2CodesThatEnrolNobody(t *testing.T) {
	c := newCA(t)
	key := newKey(t, P256)
	enrol := func(c *CA, code [sha256.Size]byte, label string) Word {
		_, err := c.Enrolment.Enrol(code, label, requestFor(t, key))
		require.Error(t, err)
		return DeniedFor(err)
	}
	open := invite(t, c, guest(t, terminal))
	require.Equal(t, CodeUnknown, enrol(c, sha256.Sum256([]byte("never made")), ""))
	require.Equal(t, WrongProfile, enrol(c, open, "pdt-client"))
	require.Equal(t, CodeExpired, enrol(shifted(t, c, 24*time.Hour+time.Minute), open, ""))

	replaced := invite(t, c, guest(t, terminal)) // withdraws the other
	require.Equal(t, CodeUnknown, enrol(c, open, ""))
	list, err := c.Invitations.List()
	require.NoError(t, err)
	require.NoError(t, c.Invitations.Withdraw(list[1].ID))
	require.Equal(t, CodeUnknown, enrol(c, replaced, ""))
	require.ErrorContains(t, c.Invitations.Withdraw(list[1].ID), "withdrawn already")

	used := invite(t, c, guest(t, terminal))
	_, err = c.Enrolment.Enrol(used, "", requestFor(t, key))
	require.NoError(t, err)
	require.Equal(t, CodeExpired, enrol(shifted(t, c, 25*time.Hour), used, ""), "the same key, too late")
	_, err = c.Revocations.Revoke(Selection{Identity: terminal}, store.Hold)
	require.NoError(t, err)
	require.Equal(t, CodeUsed, enrol(c, used, ""), "what was revoked is not given out again")
}

func TestG2RevokingAnIdentityWithdrawsItsCodes(t *testing.T) {
	c := newCA(t)
	issueTLA(t, c, terminal)
	g := guest(t, terminal)
	g.Again = true
	code := invite(t, c, g)
	_, err := c.Revocations.Revoke(Selection{Identity: terminal}, store.KeyCompromise)
	require.NoError(t, err)
	_, err = c.Enrolment.CheckCode(code)
	require.Equal(t, CodeUnknown, DeniedFor(err))
}

// Several programs, one code, as many keys at once.
func TestG2OneKeyWins(t *testing.T) {
	c := newCA(t)
	code := invite(t, c, guest(t, terminal))
	won := make(chan error, 8)
	for range cap(won) {
		other := openCA(t, c.dir, Options{})
		csr := requestFor(t, newKey(t, P256))
		go func() { _, err := other.Enrolment.Enrol(code, "", csr); won <- err }()
	}
	wins := 0
	for range cap(won) {
		err := <-won
		if err == nil {
			wins++
			continue
		}
		require.Equal(t, CodeUsed, DeniedFor(err), "%v", err)
	}
	require.Equal(t, 1, wins)
	all, err := c.Find(terminal)
	require.NoError(t, err)
	require.Len(t, all, 1)
}

// A program that dies anywhere leaves the code to the same key, and to no other.
func TestG2EnrolmentBrokenOff(t *testing.T) {
	for _, point := range []string{"claimed", "intended", "signed"} {
		t.Run(point, func(t *testing.T) {
			c := newCA(t)
			code := invite(t, c, guest(t, terminal))
			key := newKey(t, P256)
			dying := openCA(t, c.dir, Options{})
			dying.at = func(at string) {
				if at == point {
					panic(point)
				}
			}
			require.PanicsWithValue(t, point, func() { _, _ = dying.Enrolment.Enrol(code, "", requestFor(t, key)) })

			_, err := c.Enrolment.Enrol(code, "", requestFor(t, newKey(t, P256)))
			require.Equal(t, CodeUsed, DeniedFor(err))
			issued, err := c.Enrolment.Enrol(code, "", requestFor(t, key))
			require.NoError(t, err)
			again, err := c.Enrolment.Enrol(code, "", requestFor(t, key))
			require.NoError(t, err)
			require.Equal(t, issued.Serial, again.Serial)
		})
	}
}

// What is wrong with a request does not use the code up.
func TestG2RequestsThatAreRefused(t *testing.T) {
	c := newCA(t)
	code := invite(t, c, guest(t, terminal))
	other := newKey(t, P256)
	_, err := c.Certificates.Issue(Request{Profile: "tla", Identity: identity(t, "urn:tlagate:cab1:tla:t2"),
		CSR: requestFor(t, other)})
	require.NoError(t, err)
	own, err := c.issuing.key()
	require.NoError(t, err)
	weak, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	odd, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	require.NoError(t, err)
	forged := requestFor(t, newKey(t, P256))
	block, _ := pem.Decode(forged)
	block.Bytes[len(block.Bytes)-1] ^= 1
	for name, row := range map[string]struct {
		csr  []byte
		want Word
	}{
		"no request":      {[]byte("request"), BadRequest},
		"no possession":   {block.Bytes, BadRequest},
		"RSA 2048":        {requestFor(t, weak), BadKey},
		"P-521":           {requestFor(t, odd), BadKey},
		"another's key":   {requestFor(t, other), KeyTaken},
		"the CA's key":    {requestFor(t, own), KeyTaken},
		"another's names": {namedRequest(t, newKey(t, P256), "urn:tlagate:cab1:tla:t2"), BadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.Enrolment.Enrol(code, "", row.csr)
			require.Equal(t, row.want, DeniedFor(err), "%v", err)
		})
	}
	_, err = c.Enrolment.Enrol(code, "", namedRequest(t, newKey(t, P256), terminal))
	require.NoError(t, err)
}

func namedRequest(t *testing.T, key crypto.Signer, urn string) []byte {
	u, err := url.Parse(urn)
	require.NoError(t, err)
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{URIs: []*url.URL{u}}, key)
	require.NoError(t, err)
	return der
}

func TestG2Reenrol(t *testing.T) {
	c := newCA(t)
	code := invite(t, c, guest(t, workplace, placeName))
	client, err := c.Enrolment.Enrol(code, "", requestFor(t, newKey(t, P256)))
	require.NoError(t, err)
	require.Equal(t, "pdt-client", client.Profile)

	next, err := c.Enrolment.Reenrol(client.Certificate, "", requestFor(t, newKey(t, P256)))
	require.NoError(t, err)
	require.Equal(t, "pdt-client", next.Profile)
	require.Equal(t, workplace, next.Identity)
	require.NotEqual(t, client.Serial, next.Serial)

	server, err := c.Enrolment.Reenrol(client.Certificate, "pdt-server", requestFor(t, newKey(t, P256)))
	require.NoError(t, err)
	require.Equal(t, []string{placeName}, server.Certificate.DNSNames, "those of the invitation")

	_, err = c.Enrolment.Reenrol(client.Certificate, "gateway-server", requestFor(t, newKey(t, P256)))
	require.Equal(t, WrongProfile, DeniedFor(err))
	_, err = c.Enrolment.Reenrol(server.Certificate, "", requestFor(t, newKey(t, P256)))
	require.Equal(t, CertificateRefused, DeniedFor(err), "a server certificate renews nothing")
}

func TestG2NamesOfAServer(t *testing.T) {
	start := time.Now()
	var now time.Duration
	dir := filepath.Join(t.TempDir(), "ca")
	clock := func() time.Time { return start.Add(now) }
	require.NoError(t, Init(dir, InitConfig{Clock: clock}))
	c := openCA(t, dir, Options{Clock: clock})
	id := identity(t, workplace)
	client, err := c.Certificates.Issue(Request{Profile: "pdt-client", Identity: id,
		CSR: requestFor(t, newKey(t, P256))})
	require.NoError(t, err)
	names := func() []string {
		now += time.Hour
		issued, err := c.Enrolment.Reenrol(client.Certificate, "pdt-server", requestFor(t, newKey(t, P256)))
		require.NoError(t, err)
		return issued.Certificate.DNSNames
	}
	_, err = c.Enrolment.Reenrol(client.Certificate, "pdt-server", requestFor(t, newKey(t, P256)))
	require.Equal(t, WrongProfile, DeniedFor(err), "no name is known")

	_, err = c.Certificates.Issue(Request{Profile: "pdt-server", Identity: id, DNS: []string{"one.example"},
		CSR: requestFor(t, newKey(t, P256))})
	require.NoError(t, err)
	require.Equal(t, []string{"one.example"}, names(), "those of the last certificate")

	g := guest(t, workplace, "two.example")
	g.Again = true
	code := invite(t, c, g)
	require.Equal(t, []string{"one.example"}, names(), "an invitation counts once it is used")
	now += time.Hour
	_, err = c.Enrolment.Enrol(code, "", requestFor(t, newKey(t, P256)))
	require.NoError(t, err)
	require.Equal(t, []string{"two.example"}, names(), "those of the newer invitation")

	now += time.Hour
	_, err = c.Certificates.Issue(Request{Profile: "pdt-server", Identity: id, DNS: []string{"three.example"},
		CSR: requestFor(t, newKey(t, P256))})
	require.NoError(t, err)
	require.Equal(t, []string{"three.example"}, names())

	by, err := c.Certificates.Issue(Request{Profile: "pdt-server", Identity: id, DNS: []string{"three.example"},
		CSR: requestFor(t, newKey(t, P256))})
	require.NoError(t, err)
	_, err = c.Revocations.Revoke(Selection{Serial: by.Serial}, store.Hold)
	require.NoError(t, err)
	_, err = c.Enrolment.Reenrol(client.Certificate, "pdt-server", requestFor(t, newKey(t, P256)))
	require.Equal(t, CertificateRefused, DeniedFor(err), "a hold is not gone round")
	_, err = c.Revocations.Release(Selection{Serial: by.Serial})
	require.NoError(t, err)
	require.Equal(t, []string{"three.example"}, names())
}

func TestC2CertificatesThatRenewNothing(t *testing.T) {
	c, foreign := newCA(t), newCA(t)
	csr := requestFor(t, newKey(t, P256))
	held, revoked := issueTLA(t, c, terminal), issueTLA(t, c, "urn:tlagate:cab1:tla:t2")
	_, err := c.Revocations.Revoke(Selection{Serial: held.Serial}, store.Hold)
	require.NoError(t, err)
	_, err = c.Revocations.Revoke(Selection{Serial: revoked.Serial}, store.KeyCompromise)
	require.NoError(t, err)
	good := issueTLA(t, c, "urn:tlagate:cab1:tla:t3")
	for name, row := range map[string]struct {
		ca   *CA
		cert *x509.Certificate
	}{
		"held":    {c, held.Certificate},
		"revoked": {c, revoked.Certificate},
		"foreign": {c, issueTLA(t, foreign, terminal).Certificate},
		"ended":   {shifted(t, c, 400*24*time.Hour), good.Certificate},
		"a CA":    {c, c.Issuing},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := row.ca.Enrolment.Reenrol(row.cert, "", csr)
			require.Equal(t, CertificateRefused, DeniedFor(err), "%v", err)
		})
	}
	_, err = c.Enrolment.Reenrol(good.Certificate, "", csr)
	require.NoError(t, err)
	_, err = c.Revocations.Revoke(Selection{Certificate: c.Issuing}, store.CACompromise)
	require.NoError(t, err)
	_, err = c.Enrolment.Reenrol(good.Certificate, "", csr)
	require.ErrorContains(t, err, "the issuing CA was revoked")
	require.Empty(t, DeniedFor(err), "that is the CA's own trouble")
}

func TestG2WhoIsInvited(t *testing.T) {
	c := newCA(t)
	issueTLA(t, c, "urn:tlagate:cab1:tla:has")
	again := guest(t, "urn:tlagate:cab1:tla:has")
	again.Again = true
	long := guest(t, terminal)
	long.TTL = 31 * 24 * time.Hour
	for name, row := range map[string]struct {
		guests []Guest
		says   string
	}{
		"a certificate already": {[]Guest{guest(t, "urn:tlagate:cab1:tla:has")}, ErrHasCertificate.Error()},
		"the PKI itself":        {[]Guest{guest(t, "urn:tlagate:op:pki:ca1", "a.example")}, "does not enrol by a code"},
		"a responder":           {[]Guest{guest(t, "urn:tlagate:op:ocsp:o1")}, "does not enrol by a code"},
		"a server nameless":     {[]Guest{guest(t, workplace)}, "needs a DNS name"},
		"a terminal with names": {[]Guest{guest(t, terminal, "a.example")}, "has no DNS names"},
		"a bad name":            {[]Guest{guest(t, workplace, "A.example")}, "is not a DNS name"},
		"twice":                 {[]Guest{guest(t, terminal), guest(t, terminal)}, "twice"},
		"nobody":                {[]Guest{{}}, "cannot read identity"},
		"too long":              {[]Guest{long}, "want 1m0s to 720h0m0s"},
	} {
		t.Run(name, func(t *testing.T) {
			fine := guest(t, "urn:tlagate:cab1:tla:fine")
			invited, err := c.Invitations.Invite(append([]Guest{fine}, row.guests...)...)
			require.ErrorContains(t, err, row.says)
			require.Empty(t, invited)
			list, err := c.Invitations.List()
			require.NoError(t, err)
			require.Empty(t, list, "all or none")
		})
	}
	invited, err := c.Invitations.Invite(again, guest(t, terminal))
	require.NoError(t, err)
	require.Len(t, invited.Codes, 2)
	require.True(t, invited.Codes[0].Names(c.Root))
	require.Empty(t, invited.Withdrawn)
}

// TestG2ASecondInvitationNamesTheFirst: whose code it makes worthless. One that is over is nobody's any more.
func TestG2ASecondInvitationNamesTheFirst(t *testing.T) {
	c := newCA(t)
	invite(t, c, guest(t, terminal))
	over := guest(t, workplace, placeName)
	over.TTL = time.Minute
	invite(t, c, over)
	invited, err := shifted(t, c, 2*time.Minute).Invitations.Invite(guest(t, terminal), over)
	require.NoError(t, err)
	require.Len(t, invited.Withdrawn, 1)
	first := invited.Withdrawn[0]
	require.Equal(t, []any{int64(1), terminal, "test"}, []any{first.ID, first.Identity, first.MadeBy})
}

func TestG2Replace(t *testing.T) {
	c := newCA(t)
	id := identity(t, workplace)
	code := invite(t, c, guest(t, workplace, placeName))
	old, err := c.Enrolment.Enrol(code, "", requestFor(t, newKey(t, P256)))
	require.NoError(t, err)

	_, _, err = c.Invitations.Replace(Guest{Identity: identity(t, terminal)}, 4)
	require.ErrorContains(t, err, "cannot find")
	_, _, err = c.Invitations.Replace(Guest{Identity: id}, store.Hold)
	require.ErrorContains(t, err, "does not come back")

	_, err = c.Revocations.Revoke(Selection{Identity: workplace}, store.Hold)
	require.NoError(t, err)
	revoked, next, err := c.Invitations.Replace(Guest{Identity: id, By: "test"}, 4)
	require.NoError(t, err)
	require.Len(t, revoked, 1)
	require.Equal(t, old.Serial, revoked[0].Serial)
	require.Equal(t, "superseded", revoked[0].Reason)

	_, err = c.Enrolment.Reenrol(old.Certificate, "", requestFor(t, newKey(t, P256)))
	require.Equal(t, CertificateRefused, DeniedFor(err))
	fresh, err := c.Enrolment.Enrol(next.Hash(), "", requestFor(t, newKey(t, P256)))
	require.NoError(t, err)
	server, err := c.Enrolment.Reenrol(fresh.Certificate, "pdt-server", requestFor(t, newKey(t, P256)))
	require.NoError(t, err)
	require.Equal(t, []string{placeName}, server.Certificate.DNSNames, "the names stay")
}

// A database of before invitations is brought up to date, and tla-ocsp still knows it.
func TestInvitationsInAnOlderDatabase(t *testing.T) {
	c := newCA(t)
	issueTLA(t, c, terminal)
	db, err := sql.Open("sqlite", filepath.Join(c.dir, "ca.db"))
	require.NoError(t, err)
	_, err = db.Exec(`DROP TABLE invitations`)
	require.NoError(t, err)
	require.NoError(t, db.Close())
	c = openCA(t, c.dir, Options{})
	invite(t, c, guest(t, "urn:tlagate:cab1:tla:t2"))
	var version int
	require.NoError(t, booksOf(t, c).QueryRow(`PRAGMA user_version`).Scan(&version))
	require.Equal(t, 1, version)
}

// The secret of a code is in no file of the CA.
func TestSP2TheCAKeepsNoCode(t *testing.T) {
	c := newCA(t)
	invited, err := c.Invitations.Invite(guest(t, terminal))
	require.NoError(t, err)
	for name, mode := range tree(t, c.dir) {
		if !mode.IsRegular() {
			continue
		}
		data, err := os.ReadFile(filepath.Join(c.dir, name))
		require.NoError(t, err)
		require.NotContains(t, string(data), invited.Codes[0].Text(), name)
		require.NotContains(t, string(data), strings.ReplaceAll(invited.Codes[0].Text(), "-", ""), name)
	}
}

func TestC2AnswerAboutOurselves(t *testing.T) {
	c := newCA(t)
	own, err := c.Certificates.Issue(Request{Profile: "pki", Identity: identity(t, "urn:tlagate:op:pki:ca1"),
		DNS: []string{"pki.example"}, CSR: requestFor(t, newKey(t, P256))})
	require.NoError(t, err)
	der, end, err := c.Answer(own.Certificate, time.Hour)
	require.NoError(t, err)
	a, err := xocsp.ParseResponseForCert(der, own.Certificate, c.Issuing)
	require.NoError(t, err)
	require.Equal(t, xocsp.Good, a.Status)
	require.Equal(t, end, a.NextUpdate)
	require.Nil(t, a.Certificate, "the CA signs itself")

	_, err = c.Revocations.Revoke(Selection{Serial: own.Serial}, store.Hold)
	require.NoError(t, err)
	_, _, err = c.Answer(own.Certificate, time.Hour)
	require.Equal(t, CertificateRefused, DeniedFor(err))
	_, _, err = c.Answer(issueTLA(t, newCA(t), terminal).Certificate, time.Hour)
	require.ErrorContains(t, err, "cannot vouch")
}
