package trust_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
	"tlagate/pki/pkitest"
	"tlagate/pki/pkitest/bed"
	"tlagate/pki/revocation"
	"tlagate/pki/trust"
)

// igcSante is the mapping of IGC-Santé's certificates, as docs/persons.md has it.
func igcSante() trust.PersonRules {
	return trust.PersonRules{Identifier: "CN", Form: "8[0-9]{11}", Profession: "title"}
}

// persons makes a PKI of persons, and the configuration of a judge that trusts it.
func persons(t testing.TB) *bed.World {
	t.Helper()
	w := &bed.World{PKI: pkitest.NewPersons(t), T: t}
	w.Files = w.WriteTrust(t.TempDir())
	w.Config = trust.Config{
		Profile: trust.Persons, Persons: igcSante(),
		Anchors:       []trust.AnchorFile{{File: w.Files.Anchor}},
		Intermediates: []string{w.Files.Intermediate},
		Revocation:    revocation.Config{CRLs: w.Files.CRLs()},
	}
	return w
}

// TestC2Person: a card's certificate passes, online and by what is at hand, and says who its person is.
func TestC2Person(t *testing.T) {
	w := persons(t)
	store := w.Open()
	leaf := w.Issuing.IssuePerson(pkitest.Doctor).Leaf
	p, err := store.VerifyPerson(leaf)
	require.NoError(t, err)
	require.Equal(t, pkitest.Doctor.ID, p.ID)
	require.Equal(t, pkitest.Doctor.Profession, p.Profession)
	require.Equal(t, pkitest.Doctor.GivenName+" "+pkitest.Doctor.Surname, p.Name)
	require.Equal(t, leaf, p.Certificate)
	require.Len(t, p.Chain, 3)
	require.Equal(t, leaf.NotAfter, p.NotAfter)
	require.NoError(t, trust.RecheckPerson(store, p))

	w.Issuing.Revoke(leaf)
	w.WriteCRLs(w.Files)
	store.Reload()
	require.Equal(t, pki.Revoked, pki.ReasonOf(trust.RecheckPerson(store, p)))
}

// personRow is a person's certificate, or the judge's store, with one defect.
type personRow struct {
	name   string
	reason pki.Reason
	opts   []pkitest.Option
	issue  func(w *bed.World) *x509.Certificate // instead of opts
	store  func(w *bed.World)                   // spoils the judge's store
}

func names(id asn1.ObjectIdentifier, value any) []pkitest.Option {
	return opts(pkitest.Doctor.AlsoNamed(id, value))
}

func identified(id string) []pkitest.Option {
	p := pkitest.Doctor
	p.ID = id
	return opts(p.Named())
}

func personFrom(ca func(w *bed.World) *pkitest.CA) func(*bed.World) *x509.Certificate {
	return func(w *bed.World) *x509.Certificate { return ca(w).IssuePerson(pkitest.Doctor).Leaf }
}

// under makes another CA with a defect below the root, which the judge's store has as an intermediate.
func under(opt ...pkitest.Option) func(*bed.World) *x509.Certificate {
	return personFrom(func(w *bed.World) *pkitest.CA {
		ca := w.Root.Sub("TEST AC other", opt...)
		pkitest.WriteCertificates(w.T, w.Files.Intermediate, ca.Cert)
		pkitest.WriteCRL(w.T, w.Files.CRL, ca.CRL())
		return ca
	})
}

func publishes(opt ...pkitest.CRLOption) func(*bed.World) {
	return func(w *bed.World) { bed.CRL(opt...)(w, tls.Certificate{}) }
}

var anyOther = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 1}

var personRows = []personRow{
	{name: "foreign PKI", reason: pki.UnknownIssuer,
		issue: personFrom(func(w *bed.World) *pkitest.CA { return pkitest.NewNamed(w.T, "TEST foreign").Issuing })},
	{name: "self-signed", reason: pki.SelfSigned, opts: opts(pkitest.SelfSigned())},
	{name: "X.509 v1", reason: pki.BadCertificate, opts: opts(pkitest.V1())},
	{name: "serial zero", reason: pki.BadCertificate, opts: opts(pkitest.Serial(new(big.Int)))},
	{name: "unknown critical extension", reason: pki.BadCertificate, opts: opts(pkitest.UnknownCritical())},
	{name: "a CA's certificate", reason: pki.BadCertificate,
		opts: opts(pkitest.Template(func(c *x509.Certificate) { c.IsCA = true }))},
	{name: "signature spoilt", reason: pki.BadSignature, issue: spoiltPerson},
	{name: "ended", reason: pki.Expired, opts: opts(pkitest.Expired())},
	{name: "not yet valid", reason: pki.NotYetValid, opts: opts(pkitest.NotYetValid())},
	{name: "more than three years", reason: pki.BadCertificate,
		opts: opts(pkitest.Valid(-time.Hour, 3*366*24*time.Hour+48*time.Hour))},
	{name: "CA ended", reason: pki.Expired, issue: under(pkitest.Expired())},
	{name: "issuer is no CA", reason: pki.NotCA,
		issue: personFrom(func(w *bed.World) *pkitest.CA {
			deep := w.Issuing.Sub("TEST AC too deep")
			pkitest.WriteCertificates(w.T, w.Files.Intermediate, w.Issuing.Cert, deep.Cert)
			return deep
		})},
	{name: "G5 RSA-1024", reason: pki.WeakKey, opts: opts(pkitest.RSA(1024))},
	{name: "G5 P-521", reason: pki.WeakKey, opts: opts(pkitest.P521())},
	{name: "G5 SHA-1", reason: pki.WeakSignature, issue: func(w *bed.World) *x509.Certificate {
		return w.Issuing.IssuePerson(pkitest.Doctor, pkitest.SHA1(w.Issuing)).Leaf
	}},
	{name: "RSA-2048 in 2031", reason: pki.WeakKey, issue: inYear(2031)},
	{name: "nonRepudiation alone", reason: pki.KeyUsage, opts: opts(pkitest.KeyUsage(x509.KeyUsageContentCommitment))},
	{name: "nonRepudiation besides", reason: pki.KeyUsage,
		opts: opts(pkitest.KeyUsage(x509.KeyUsageContentCommitment | x509.KeyUsageDigitalSignature))},
	{name: "key of encryption", reason: pki.KeyUsage, opts: opts(pkitest.NoDigitalSignature())},
	{name: "key usage of a CA", reason: pki.KeyUsage,
		opts: opts(pkitest.KeyUsage(x509.KeyUsageDigitalSignature | x509.KeyUsageCRLSign))},
	{name: "no clientAuth", reason: pki.ExtKeyUsage, opts: opts(pkitest.EKU())},
	{name: "emailProtection instead", reason: pki.ExtKeyUsage,
		opts: opts(pkitest.EKU(x509.ExtKeyUsageEmailProtection))},
	{name: "serverAuth besides", reason: pki.ExtKeyUsage,
		opts: opts(pkitest.EKU(x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth))},
	{name: "another usage besides", reason: pki.ExtKeyUsage, opts: opts(pkitest.EKUOID(anyOther))},
	{name: "anyExtendedKeyUsage", reason: pki.AnyExtKeyUsage, opts: opts(pkitest.AnyEKU())},
	{name: "CA for another usage", reason: pki.ExtKeyUsage, issue: under(pkitest.EKU(x509.ExtKeyUsageOCSPSigning))},
	{name: "no policy", reason: pki.Policy, opts: opts(pkitest.NoPolicy())},
	{name: "another policy", reason: pki.Policy,
		store: func(w *bed.World) { w.Config.Persons.Policies = []string{"2.999.1.2"} }},
	{name: "a device's name", reason: pki.WrongRole, opts: opts(pkitest.URIs(bed.TLA1))},
	{name: "a device's name in capitals", reason: pki.WrongRole, opts: opts(pkitest.URIs("URN:TLAGATE:cab1:tla:t1"))},
	{name: "no identifier", reason: pki.BadIdentity,
		store: func(w *bed.World) { w.Config.Persons.Identifier = "UID" }},
	{name: "two identifiers", reason: pki.BadIdentity, opts: names(pkitest.OIDName, "899700000025")},
	{name: "the same identifier twice", reason: pki.BadIdentity, opts: names(pkitest.OIDName, pkitest.Doctor.ID)},
	{name: "identifier of no text", reason: pki.BadIdentity, opts: names(pkitest.OIDName, 42)},
	{name: "identifier of another form", reason: pki.BadIdentity, opts: identified("499700367909006")},
	{name: "identifier and something", reason: pki.BadIdentity, opts: identified(pkitest.Doctor.ID + " x")},
	{name: "identifier and a line", reason: pki.BadIdentity, opts: identified(pkitest.Doctor.ID + "\n")},
	{name: "no text at all", reason: pki.BadIdentity, opts: identified("")},
	{name: "two professions", reason: pki.BadIdentity, opts: names(pkitest.OIDTitle, "Pharmacien")},
	{name: "TEST CA in production", reason: pki.TestCA, store: func(w *bed.World) { w.Config.Production = true }},
	{name: "revoked", reason: pki.Revoked, issue: func(w *bed.World) *x509.Certificate {
		leaf := w.Issuing.IssuePerson(pkitest.Doctor).Leaf
		w.Issuing.Revoke(leaf)
		w.WriteCRLs(w.Files)
		return leaf
	}},
	{name: "CA revoked", reason: pki.CARevoked, store: func(w *bed.World) {
		w.Root.Revoke(w.Issuing.Cert)
		w.WriteCRLs(w.Files)
	}},
	{name: "no list", reason: pki.UserStatus, store: func(w *bed.World) { w.WithoutCRL() }},
	{name: "no list of the root", reason: pki.UserStatus,
		store: func(w *bed.World) { w.Config.CRLs = []string{w.Files.CRL} }},
	{name: "stale list", reason: pki.UserStatus, store: publishes(pkitest.CRLStale())},
	{name: "list from the future", reason: pki.UserStatus, store: publishes(pkitest.CRLFuture())},
	{name: "list with a bad signature", reason: pki.UserStatus, store: publishes(pkitest.CRLBadSignature())},
	{name: "list of other points", reason: pki.UserStatus,
		store: publishes(pkitest.CRLWithIDP(pkitest.IDP{URL: "http://other.example/x.crl"}))},
	{name: "responder that does not know it", reason: pki.UserStatus, store: func(w *bed.World) {
		w.WithoutCRL()
		server := w.Issuing.ServeOCSP(w.T)
		server.Answer(pkitest.OCSPStatus("unknown"))
		w.Config.OCSP = revocation.OCSPConfig{Responders: []string{server.URL}}
	}},
}

func spoiltPerson(w *bed.World) *x509.Certificate {
	der := w.Issuing.IssuePerson(pkitest.Doctor).Certificate[0]
	der[len(der)-1] ^= 1
	leaf, err := x509.ParseCertificate(der)
	require.NoError(w.T, err)
	return leaf
}

func inYear(year int) func(*bed.World) *x509.Certificate {
	return func(w *bed.World) *x509.Certificate {
		at := time.Date(year, 6, 1, 0, 0, 0, 0, time.UTC)
		w.Config.Clock = func() time.Time { return at }
		from := time.Until(at)
		return w.Issuing.IssuePerson(pkitest.Doctor, pkitest.Valid(from-time.Hour, from+time.Hour)).Leaf
	}
}

// TestC2PersonRefused: every defect has its reason, and no text says who the person is.
func TestC2PersonRefused(t *testing.T) {
	for _, row := range personRows {
		t.Run("C2 "+row.name, func(t *testing.T) {
			w := persons(t)
			log := w.LogTo()
			leaf := w.Issuing.IssuePerson(pkitest.Doctor, row.opts...).Leaf
			if row.issue != nil {
				leaf = row.issue(w)
			}
			if row.store != nil {
				row.store(w)
			}
			store, err := trust.Open(w.Config)
			var verdict *trust.Verdict
			if err == nil {
				_, verdict, err = store.JudgePerson(leaf)
				require.NotNil(t, verdict)
			}
			require.Equal(t, row.reason, pki.ReasonOf(err), "%v", err)
			keepsToItself(t, leaf, err.Error()+log.String())
			if verdict == nil {
				return
			}
			for _, c := range verdict.Checks {
				keepsToItself(t, leaf, c.Subject+c.Detail)
			}
		})
	}
}

// keepsToItself fails if a text has anything that a person's certificate says of them.
func keepsToItself(t *testing.T, leaf *x509.Certificate, text string) {
	t.Helper()
	for _, secret := range []string{pkitest.Doctor.ID, pkitest.Doctor.Surname, pkitest.Doctor.GivenName,
		leaf.SerialNumber.Text(16), leaf.SerialNumber.String()} {
		if len(secret) > 3 {
			require.NotContains(t, text, secret)
		}
	}
}

// TestC2PersonByOCSP: a responder's answer is enough, the store says nothing of whom it is about, and a revocation is
// found by it.
func TestC2PersonByOCSP(t *testing.T) {
	w := persons(t)
	w.WithoutCRL()
	server := w.Issuing.ServeOCSP(t)
	w.Config.OCSP = revocation.OCSPConfig{Responders: []string{server.URL}}
	store := w.Open()
	leaf := w.Issuing.IssuePerson(pkitest.Doctor).Leaf
	p, err := store.VerifyPerson(leaf)
	require.NoError(t, err)
	asked := server.Asked()
	require.NoError(t, trust.RecheckPerson(store, p))
	require.Equal(t, asked, server.Asked(), "nobody waits in a recheck")
	for _, f := range store.Freshness() {
		keepsToItself(t, leaf, f.Source)
	}
	require.Len(t, store.StatusFor(p.Chain), 2, "the answer about the person, and the list of the root")

	other := w.Issuing.IssuePerson(pkitest.Doctor).Leaf
	server.Answer(pkitest.OCSPStatus("revoked"))
	_, err = store.VerifyPerson(other)
	require.Equal(t, pki.Revoked, pki.ReasonOf(err))
	keepsToItself(t, other, err.Error())
}

// TestC2PersonIsNoDevice: a store of persons vouches for no component, in no way, nor another store for a person.
func TestC2PersonIsNoDevice(t *testing.T) {
	w, devices := persons(t), bed.New(t)
	store, theirs := w.Open(), devices.Open()
	device := devices.Issue(bed.TLA1, bed.AsClient)
	leaf := w.Issuing.IssuePerson(pkitest.Doctor).Leaf

	_, err := theirs.VerifyPerson(leaf)
	require.Equal(t, pki.WrongRole, pki.ReasonOf(err))
	keepsToItself(t, leaf, err.Error())
	for _, ca := range []*pkitest.CA{w.Issuing, devices.Issuing} {
		chain := pkitest.Chain(ca.Issue(bed.TLA1, bed.AsClient))
		want := trust.Want{Usage: bed.AsClient}
		for name, judge := range map[string]func() (*trust.Verdict, error){
			"Verify":       func() (*trust.Verdict, error) { return store.Verify(chain, want) },
			"VerifyKnown":  func() (*trust.Verdict, error) { return store.VerifyKnown(chain, want) },
			"VerifyIssued": func() (*trust.Verdict, error) { return store.VerifyIssued(chain, want) },
			"VerifyKept":   func() (*trust.Verdict, error) { return store.VerifyKept(chain, want, time.Now()) },
			"VerifyOwn":    func() (*trust.Verdict, error) { return store.VerifyOwn(chain, want, time.Now()) },
		} {
			_, err := judge()
			require.Equal(t, pki.WrongRole, pki.ReasonOf(err), name)
		}
	}
	got, _ := bed.Serve(t, &trust.Party{Trust: store, Certificate: func() *tls.Certificate { return &device }},
		trust.Want{Usage: bed.AsClient}, bed.Stranger(device))
	require.Equal(t, pki.WrongRole, pki.ReasonOf(got.Err))
}

// TestC2DevicesCAVouchesForNoPerson: a CA that both stores have is refused where the files are read, and when it gets
// into the store of devices later.
func TestC2DevicesCAVouchesForNoPerson(t *testing.T) {
	w, devices := persons(t), bed.New(t)
	store := devices.Open()
	w.Config.Persons.Devices = store
	judge := w.Open()
	p, err := judge.VerifyPerson(w.Issuing.IssuePerson(pkitest.Doctor).Leaf)
	require.NoError(t, err)

	pkitest.WriteCertificates(t, devices.Files.Anchor, devices.Root.Cert, w.Root.Cert)
	store.Reload()
	require.Equal(t, pki.NameSpace, pki.ReasonOf(trust.RecheckPerson(judge, p)))
	_, err = trust.Open(w.Config)
	require.Equal(t, pki.NameSpace, pki.ReasonOf(err))
	require.ErrorContains(t, err, w.Files.Anchor)
}

// TestPersonRules: rules that cannot be applied are refused at the start, with what is wrong.
func TestPersonRules(t *testing.T) {
	for what, change := range map[string]func(*trust.PersonRules){
		"attribute":  func(r *trust.PersonRules) { r.Identifier = "" },
		"unknown":    func(r *trust.PersonRules) { r.Identifier = "number" },
		"profession": func(r *trust.PersonRules) { r.Profession = "profession" },
		"form":       func(r *trust.PersonRules) { r.Form = "" },
		"missing":    func(r *trust.PersonRules) { r.Form = "8[0-9" },
		"unexpected": func(r *trust.PersonRules) { r.Form = "8[0-9]{11})|(.*" },
		"invalid":    func(r *trust.PersonRules) { r.Policies = []string{"1.x"} },
	} {
		w := persons(t)
		change(&w.Config.Persons)
		_, err := trust.Open(w.Config)
		require.ErrorContains(t, err, what)
		require.ErrorContains(t, err, "cannot use the rules of whom a certificate names")
	}
	w := persons(t)
	w.Config.Persons = trust.PersonRules{Identifier: "2.5.4.3", Form: "8.*|9.*", Policies: []string{"2.999.1.1"}}
	p, err := w.Open().VerifyPerson(w.Issuing.IssuePerson(pkitest.Doctor).Leaf)
	require.NoError(t, err)
	require.Empty(t, p.Profession)
}

// TestC2PersonsListByHTTP: of a certificate's distribution points, one by LDAP is passed over, and a list whose own
// point is the other one by HTTP counts.
func TestC2PersonsListByHTTP(t *testing.T) {
	w := persons(t)
	publishes(pkitest.CRLWithIDP(pkitest.IDP{URL: pkitest.PersonsHTTP}))(w)
	_, err := w.Open().VerifyPerson(w.Issuing.IssuePerson(pkitest.Doctor).Leaf)
	require.NoError(t, err)
}

// TestC2NamesByTheWholeForm: what no certificate can have is told apart from what none has.
func TestC2NamesByTheWholeForm(t *testing.T) {
	rules := trust.PersonRules{Identifier: "CN", Form: "8[0-9]{11}|9x"}
	for id, want := range map[string]bool{pkitest.Doctor.ID: true, "9x": true, "": false, "9xx": false, "x9x": false,
		pkitest.Doctor.ID + "9": false, pkitest.Doctor.ID + "\n": false} {
		names, err := rules.Names(id)
		require.NoError(t, err)
		require.Equal(t, want, names, "%q", id)
	}
	rules.Form = "8)(9"
	_, err := rules.Names(pkitest.Doctor.ID)
	require.Error(t, err)
}
