package gateway

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/audit"
	"tlagate/pki"
	"tlagate/pki/pkitest"
	"tlagate/pki/revocation"
	"tlagate/pki/trust"
	"tlagate/session/consent/consenttest"
	"tlagate/session/link"
	"tlagate/session/proof"
	"tlagate/session/proof/prooftest"
	"tlagate/session/user"
)

// society is a PKI of persons, and what one of them carries.
type society struct {
	*pkitest.PKI
	files  pkitest.Files
	store  *trust.Trust
	doctor tls.Certificate
}

// asking has a gateway ask users for a proof by this rule.
func asking(s *society, rule user.Rule) option {
	return func(r *rig, c *Config) {
		*s = society{PKI: pkitest.NewPersons(r.t)}
		s.files = s.WriteTrust(filepath.Join(r.t.TempDir()))
		s.doctor = s.Issuing.IssuePerson(pkitest.Doctor)
		store, err := trust.Open(trust.Config{Profile: trust.Persons,
			Persons: trust.PersonRules{Identifier: "CN", Form: "8[0-9]{11}", Profession: "title",
				Devices: r.trust},
			Anchors:       []trust.AnchorFile{{File: s.files.Anchor}},
			Intermediates: []string{s.files.Intermediate},
			Revocation:    revocation.Config{CRLs: s.files.CRLs()}, Poll: 50 * time.Millisecond,
		})
		require.NoError(r.t, err)
		r.background(func(ctx context.Context) { _ = store.Run(ctx) })
		s.store, c.Users.Rule, c.Users.Persons = store, rule, store
		c.Users.Mark = func(string) []audit.Attr { return []audit.Attr{audit.Fingerprint([]byte("somebody"))} }
	}
}

// revoke revokes a person's certificate, and publishes that.
func (s *society) revoke(c *x509.Certificate) {
	s.Issuing.Revoke(c)
	s.WriteCRLs(s.files)
}

// card is the card of a user, in a TLA that opens a session with pdt1.
type card struct {
	person   tls.Certificate
	tla      tls.Certificate
	conn     *tls.Conn
	session  string
	spoil    func(*proof.Statement) // nil = the statement is as it must be
	replaced func(text string) string
	made     string // the proof that was sent
	ready    int    // how often the user was asked for a code
}

func (c *card) Ready(context.Context) error { c.ready++; return nil }

func (c *card) Prove(_ context.Context, nonce, consent string) (string, error) {
	s := prooftest.Statement(nonce, consent)
	s.Gateway, s.PdT, s.TLA, s.Session = gateway, pdt1, c.tla.Leaf.URIs[0].String(), c.session
	s.Exporter = prooftest.Exporter(c.conn)
	if c.spoil != nil {
		c.spoil(&s)
	}
	text, err := prooftest.Sign(c.person, s)
	if c.replaced != nil {
		text = c.replaced(text)
	}
	c.made = text
	return text, err
}

// inserted returns a card in a TLA that is about to ask.
func (r *rig) inserted(person, tla tls.Certificate) *card {
	return &card{person: person, tla: tla, conn: r.dial(tla).(*tls.Conn), session: newID()}
}

// open opens a session of the card's TLA with pdt1.
func (r *rig) openBy(c *card) (*link.Conn, error) {
	cfg := r.ends
	cfg.Consent, cfg.Prover = consenttest.By(c.tla, pdt1, c.session), c
	l, err := link.Open(r.t.Context(), c.conn, pdt1, c.session, cfg)
	if err == nil {
		r.t.Cleanup(func() { l.Close() })
	}
	return l, err
}

func (r *rig) proofs(outcome string) float64 {
	return r.metered()["tlagate_user_proofs_total{outcome="+outcome+"}"]
}

var requiring = user.Rule{Mode: user.Require}

// TestC2TheUserIsProven: the proof passes, the PdT gets it as it came, and the trace says so without naming anybody.
func TestC2TheUserIsProven(t *testing.T) {
	var s society
	r := start(t, traced(nil), asking(&s, requiring))
	far := r.park(r.pdt(pdt1))
	c := r.inserted(s.doctor, r.ca.Issue(tla1, clients))
	_, err := r.openBy(c)
	require.NoError(t, err)
	j, err := far.WaitJoined()
	require.NoError(t, err)
	require.Equal(t, c.made, j.Proof)
	require.Equal(t, 1, c.ready)
	opened := r.told(audit.SessionOpened, 1)[0].With
	require.Equal(t, proofPassed, opened["proof"])
	require.NotEmpty(t, opened["fingerprint"], "what Mark gives")
	require.Equal(t, 1.0, r.proofs(proofPassed))
	r.requireNobodyNamed()
}

// requireNobodyNamed requires the log to be without what the doctor's certificate says of them.
func (r *rig) requireNobodyNamed() {
	r.t.Helper()
	for _, line := range r.log.find("") {
		for name, value := range line {
			text, _ := value.(string)
			for _, secret := range []string{pkitest.Doctor.ID, pkitest.Doctor.Surname, pkitest.Doctor.Profession} {
				require.NotContains(r.t, text, secret, name)
			}
		}
	}
}

// TestC2AProofForSomethingElseIsRefused tries what a stolen or made-up proof could be.
func TestC2AProofForSomethingElseIsRefused(t *testing.T) {
	var s society
	r := start(t, asking(&s, requiring))
	r.park(r.pdt(pdt1))
	tla := r.ca.Issue(tla1, clients)
	other := prooftest.Exporter(r.dial(tla).(*tls.Conn))
	for name, c := range map[string]struct {
		spoil func(*proof.Statement)
		code  link.ProblemCode
		what  string
	}{
		"on another connection": {func(s *proof.Statement) { s.Exporter = other }, link.ProblemBadProof, "connection"},
		"without a connection":  {func(s *proof.Statement) { s.Exporter = "" }, link.ProblemBadProof, "connection"},
		"to another gateway":    {func(s *proof.Statement) { s.Gateway += "2" }, link.ProblemBadProof, "gateway"},
		"for another PdT":       {func(s *proof.Statement) { s.PdT = pdt2 }, link.ProblemBadProof, "Poste"},
		"by another terminal":   {func(s *proof.Statement) { s.TLA = tla2 }, link.ProblemBadProof, "terminal"},
		"for another session":   {func(s *proof.Statement) { s.Session = newID() }, link.ProblemBadProof, "session"},
		"over another nonce": {func(s *proof.Statement) { s.Nonce = strings.Repeat("A", 43) },
			link.ProblemBadProof, "nonce"},
		"over another consent": {func(s *proof.Statement) { s.Consent = proof.HashOf("x") },
			link.ProblemBadProof, "consent"},
		"late": {func(s *proof.Statement) { s.At = s.At.Add(-time.Hour) },
			link.ProblemClockWrong, "clock"},
		"of tomorrow": {func(s *proof.Statement) { s.At = s.At.Add(24 * time.Hour) },
			link.ProblemClockWrong, "clock"},
		"by means that are none": {func(s *proof.Statement) { s.Means = "word" }, link.ProblemBadProof, "cannot read"},
	} {
		t.Run("C2 "+name, func(t *testing.T) {
			card := r.inserted(s.doctor, tla)
			card.spoil = c.spoil
			_, err := r.openBy(card)
			require.Contains(t, requireProblem(t, c.code, err).Detail, c.what)
		})
	}
	for name, replaced := range map[string]func(string) string{
		"altered":    func(text string) string { return "A" + text[1:] },
		"unreadable": func(string) string { return "x.y.z" },
		"signed by another key": func(text string) string {
			parts := strings.Split(text, ".")
			return parts[0] + "." + parts[1] + "." + strings.Split(mustProof(t, s.Issuing.IssuePerson(
				pkitest.Person{ID: "899700000025", Surname: "AUTRE", Profession: "Médecin"})), ".")[2]
		},
	} {
		t.Run("C2 "+name, func(t *testing.T) {
			card := r.inserted(s.doctor, tla)
			card.replaced = replaced
			_, err := r.openBy(card)
			requireProblem(t, link.ProblemBadProof, err)
		})
	}
	require.Zero(t, r.reserved())
	r.requireNobodyNamed()
}

func mustProof(t *testing.T, person tls.Certificate) string {
	text, err := prooftest.Sign(person, proof.Statement{})
	require.NoError(t, err)
	return text
}

// TestC2AProofServesOnce: neither again on its connection, nor over the next nonce.
func TestC2AProofServesOnce(t *testing.T) {
	var s society
	r := start(t, asking(&s, requiring), limited(Limits{JoinWait: time.Millisecond}))
	far := r.park(r.pdt(pdt1))
	c := r.inserted(s.doctor, r.ca.Issue(tla1, clients))
	ask := func(header http.Header) (*http.Response, []byte) {
		return request(t, c.conn, http.MethodGet, link.PathOpen+"?pdt=p1", header)
	}
	challenge := func() string {
		resp, body := ask(http.Header{link.HeaderProof: {link.MakesProof}})
		require.Equal(t, link.ProblemConsentRequired, codeOf(t, resp, body))
		_, rest, _ := strings.Cut(resp.Header.Get("WWW-Authenticate"), `nonce="`)
		nonce, wants, _ := strings.Cut(rest, `"`)
		require.Equal(t, `, proof="1"`, wants)
		return nonce
	}
	challenge()
	nonce := challenge() // the user took long
	consent, err := consenttest.By(c.tla, pdt1, c.session)(nonce)
	require.NoError(t, err)
	text, err := c.Prove(t.Context(), nonce, consent)
	require.NoError(t, err)
	auth := link.Authorization{Nonce: nonce, Session: c.session, Consent: consent, Proof: text}
	far.Close()
	r.eventually("PdT gone", func() bool { return r.parked() == 0 })
	resp, body := ask(with(upgrade(), "Authorization", auth.String()))
	require.Equal(t, link.ProblemPdTAbsent, codeOf(t, resp, body), "it passed, and found no PdT")
	resp, body = ask(with(upgrade(), "Authorization", auth.String()))
	require.Equal(t, link.ProblemBadAuthorization, codeOf(t, resp, body))
	r.park(r.pdt(pdt1))
	auth.Nonce = challenge()
	auth.Consent, err = consenttest.By(c.tla, pdt1, c.session)(auth.Nonce)
	require.NoError(t, err)
	resp, body = ask(with(upgrade(), "Authorization", auth.String()))
	require.Equal(t, link.ProblemBadProof, codeOf(t, resp, body))
}

// TestC2WhoseCertificateDoesNotPass: the problem has the reason, and no name.
func TestC2WhoseCertificateDoesNotPass(t *testing.T) {
	var s society
	r := start(t, asking(&s, requiring))
	r.park(r.pdt(pdt1))
	tla := r.ca.Issue(tla1, clients)
	revoked := s.Issuing.IssuePerson(pkitest.Doctor)
	s.revoke(revoked.Leaf)
	s.store.Reload()
	for name, c := range map[string]struct {
		person tls.Certificate
		reason pki.Reason
	}{
		"of another PKI": {pkitest.NewNamed(t, "TEST other").Issuing.IssuePerson(pkitest.Doctor), pki.UnknownIssuer},
		"of a device":    {r.ca.Issue(tla1, clients), pki.UnknownIssuer},
		"expired":        {s.Issuing.IssuePerson(pkitest.Doctor, pkitest.Expired()), pki.Expired},
		"for servers":    {s.Issuing.IssuePerson(pkitest.Doctor, pkitest.EKU(servers)), pki.ExtKeyUsage},
		"revoked":        {revoked, pki.Revoked},
	} {
		t.Run("C2 "+name, func(t *testing.T) {
			_, err := r.openBy(r.inserted(c.person, tla))
			p := requireProblem(t, link.ProblemUserRefused, err)
			require.Equal(t, string(c.reason), p.Reason)
			require.NotContains(t, p.Error(), pkitest.Doctor.ID)
		})
	}
	r.requireNobodyNamed()
}

// TestC2RolloutOfProofs: old relays and users without a card, by each rule.
func TestC2RolloutOfProofs(t *testing.T) {
	for name, c := range map[string]struct {
		rule    user.Rule
		card    bool
		refused bool
		proof   string // in the trace
	}{
		"an old relay is told":    {user.Rule{}, false, false, "user_required"},
		"an old relay is let be":  {user.Rule{Mode: user.Off}, false, false, ""},
		"an old relay is refused": {requiring, false, true, ""},
		"a card is not asked":     {user.Rule{Mode: user.Off}, true, false, ""},
		"a card is asked":         {user.Rule{}, true, false, proofPassed},
		"its practice is not asked": {user.Rule{Mode: user.Require,
			Practices: map[string]user.Mode{"cab1": user.Off}}, false, false, ""},
		"its practice alone is refused": {user.Rule{Mode: user.Off,
			Practices: map[string]user.Mode{"cab1": user.Require}}, false, true, ""},
	} {
		t.Run("C2 "+name, func(t *testing.T) {
			var s society
			r := start(t, traced(nil), asking(&s, c.rule))
			far := r.park(r.pdt(pdt1))
			tla := r.ca.Issue(tla1, clients)
			var err error
			user := r.inserted(s.doctor, tla)
			if c.card {
				_, err = r.openBy(user)
			} else {
				_, err = r.tryOpen(tla, pdt1)
			}
			if c.refused {
				requireProblem(t, link.ProblemUserRequired, err)
				if !c.card {
					require.ErrorContains(t, err, "the terminal's relay can make none", "it does not say that it can")
				}
				require.Equal(t, 1.0, r.proofs("user_required"))
				return
			}
			require.NoError(t, err)
			j, err := far.WaitJoined()
			require.NoError(t, err)
			require.Equal(t, user.made, j.Proof)
			require.Equal(t, c.proof, r.told(audit.SessionOpened, 1)[0].With["proof"])
		})
	}
}

// TestC2WhatDoesNotPassIsTold: by the rule tell the session begins, and the PdT judges for itself.
func TestC2WhatDoesNotPassIsTold(t *testing.T) {
	var s society
	r := start(t, traced(nil), asking(&s, user.Rule{Mode: user.Tell}))
	far := r.park(r.pdt(pdt1))
	c := r.inserted(s.Issuing.IssuePerson(pkitest.Doctor, pkitest.Expired()), r.ca.Issue(tla1, clients))
	_, err := r.openBy(c)
	require.NoError(t, err)
	j, err := far.WaitJoined()
	require.NoError(t, err)
	require.Equal(t, c.made, j.Proof)
	opened := r.told(audit.SessionOpened, 1)[0].With
	require.Equal(t, string(pki.Expired), opened["proof"])
	require.Empty(t, opened["fingerprint"], "nobody was verified")
	require.Equal(t, 1.0, r.proofs(string(link.ProblemUserRefused)))
}

// TestSP3ARuleNamesPersons: a line with persons or professions closes its pair to everybody else, whatever the mode.
func TestSP3ARuleNamesPersons(t *testing.T) {
	for name, c := range map[string]struct {
		lines []user.Who
		code  link.ProblemCode // "" = the session begins
	}{
		"no line":              {nil, ""},
		"a line for everybody": {[]user.Who{{Persons: []string{"1"}}, {}}, ""},
		"by identifier":        {[]user.Who{{Persons: []string{"1", pkitest.Doctor.ID}}}, ""},
		"by profession": {[]user.Who{{Persons: []string{"1"}},
			{Professions: []string{pkitest.Doctor.Profession}}}, ""},
		"somebody else":            {[]user.Who{{Persons: []string{"899700000025"}}}, link.ProblemUserDenied},
		"of another profession":    {[]user.Who{{Professions: []string{"Pharmacien"}}}, link.ProblemUserDenied},
		"somebody, without a card": {[]user.Who{{Persons: []string{pkitest.Doctor.ID}}}, link.ProblemUserRequired},
	} {
		t.Run("SP3 "+name, func(t *testing.T) {
			var s society
			lines := func(_ *rig, cfg *Config) {
				for _, who := range c.lines {
					rule, err := ParseRule("urn:tlagate:cab1:tla:*", pdt1)
					require.NoError(t, err)
					rule.Who = who
					cfg.Access = append(cfg.Access, rule)
				}
			}
			r := start(t, asking(&s, user.Rule{Mode: user.Off, Practices: map[string]user.Mode{}}), lines)
			r.park(r.pdt(pdt1))
			tla := r.ca.Issue(tla1, clients)
			err := error(nil)
			if name == "somebody, without a card" {
				_, err = r.tryOpen(tla, pdt1)
			} else {
				_, err = r.openBy(r.inserted(s.doctor, tla))
			}
			if c.code == "" {
				require.NoError(t, err)
				return
			}
			requireProblem(t, c.code, err)
		})
	}
}

// TestC2ARevokedUserIsCut: as a device would be, at whichever link of the session; both ends are told.
func TestC2ARevokedUserIsCut(t *testing.T) {
	for _, further := range []bool{false, true} {
		t.Run(map[bool]string{false: "C2 first link", true: "C2 further link"}[further], func(t *testing.T) {
			var s society
			r := start(t, traced(nil), limited(Limits{Recheck: time.Hour}), asking(&s, requiring))
			p := r.pdt(pdt1)
			far := r.park(p)
			c := r.inserted(s.doctor, r.ca.Issue(tla1, clients))
			near, err := r.openBy(c)
			require.NoError(t, err)
			_, err = far.WaitJoined()
			require.NoError(t, err)
			if further {
				text := ticketOn(t, near, far)
				require.Equal(t, s.doctor.Leaf.Raw, r.read(text, c.session).User)
				far = r.park(p)
				near, err = link.Reopen(t.Context(), r.dial(c.tla), pdt1, c.session, text, unhurried)
				require.NoError(t, err)
				defer near.Close()
				j, err := far.WaitJoined()
				require.NoError(t, err)
				require.Empty(t, j.Proof)
			}
			r.eventually("the session has begun", func() bool { return r.begun() == 1 })
			s.revoke(s.doctor.Leaf)
			n := requireNotice(t, link.CodeUserRevoked, near)
			require.Contains(t, n.Text, "revoked")
			require.Equal(t, *n, *requireNotice(t, link.CodeUserRevoked, far))
			r.logged("session ended", "reason", "user_revoked", "by", "gateway")
			require.Equal(t, "user", r.told(audit.LinkCut, 1)[0].With["use"])
			r.requireNobodyNamed()
		})
	}
}

// lost begins a session, whose link is lost, and returns what opens a further one.
func (r *rig) lost(c *card) (reopen func() (*link.Conn, error)) {
	p := r.pdt(pdt1)
	far := r.park(p)
	near, err := r.openBy(c)
	require.NoError(r.t, err)
	_, err = far.WaitJoined()
	require.NoError(r.t, err)
	text := ticketOn(r.t, near, far)
	near.Close()
	requireNotice(r.t, link.CodePeerGone, far)
	return func() (*link.Conn, error) {
		r.park(p)
		return link.Reopen(r.t.Context(), r.dial(c.tla), pdt1, c.session, text, unhurried)
	}
}

// TestC2ARevokedUserDoesNotResume: another gateway learns from the ticket who the user is.
func TestC2ARevokedUserDoesNotResume(t *testing.T) {
	var s society
	r := start(t, asking(&s, requiring))
	reopen := r.lost(r.inserted(s.doctor, r.ca.Issue(tla1, clients)))
	s.revoke(s.doctor.Leaf)
	s.store.Reload()
	_, err := reopen()
	require.Equal(t, string(pki.Revoked), requireProblem(t, link.ProblemUserRefused, err).Reason)
}

// TestC2AResumeNeedsWhatAnOpenNeeds: a ticket is no way around what was demanded since the session began, or is
// demanded by another gateway than the one that gave it.
func TestC2AResumeNeedsWhatAnOpenNeeds(t *testing.T) {
	named := func(who user.Who) func(*rig) {
		return func(r *rig) {
			rule, err := ParseRule("urn:tlagate:cab1:tla:*", pdt1)
			require.NoError(t, err)
			rule.Who = who
			r.g.SetAccess([]Rule{rule})
		}
	}
	for name, c := range map[string]struct {
		proves bool
		since  func(*rig) // what is demanded now
		code   link.ProblemCode
	}{
		"nobody proved who they are": {false, named(user.Who{Professions: []string{pkitest.Doctor.Profession}}),
			link.ProblemUserRequired},
		"somebody else is named": {true, named(user.Who{Persons: []string{"899700000025"}}), link.ProblemUserDenied},
		"the person is named":    {true, named(user.Who{Persons: []string{pkitest.Doctor.ID}}), ""},
	} {
		t.Run("C2 "+name, func(t *testing.T) {
			var s society
			r := start(t, asking(&s, user.Rule{Mode: user.Tell}))
			card := r.inserted(s.doctor, r.ca.Issue(tla1, clients))
			if !c.proves {
				card.replaced = func(string) string { return "x.y.z" }
			}
			reopen := r.lost(card)
			c.since(r)
			l, err := reopen()
			if c.code == "" {
				require.NoError(t, err)
				require.NoError(t, l.Close())
				return
			}
			requireProblem(t, c.code, err)
		})
	}
}

// TestC2ToldOfARevokedUser: by the rule tell the session goes on.
func TestC2ToldOfARevokedUser(t *testing.T) {
	var s society
	r := start(t, asking(&s, user.Rule{Mode: user.Tell}))
	far := r.park(r.pdt(pdt1))
	near, err := r.openBy(r.inserted(s.doctor, r.ca.Issue(tla1, clients)))
	require.NoError(t, err)
	_, err = far.WaitJoined()
	require.NoError(t, err)
	s.revoke(s.doctor.Leaf)
	r.logged("the session goes on, and its user's certificate no longer passes", "reason", "revoked")
	_, err = near.Write([]byte{1})
	require.NoError(t, err)
	_, err = far.Read(make([]byte, 1))
	require.NoError(t, err)
}

// TestC2StatusOfTheUserIsForThePdT: it gets what it needs to verify the person, and the TLA gets nothing of it.
func TestC2StatusOfTheUserIsForThePdT(t *testing.T) {
	var s society
	sends := func(_ *rig, c *Config) { c.Users.SendCRLs = true }
	r := start(t, asking(&s, requiring), sends)
	toPdT, toTLA := make(chan link.Status, 100), make(chan link.Status, 100)
	pass := func(to chan link.Status) func([]link.Status) {
		return func(pieces []link.Status) {
			for _, p := range pieces {
				to <- link.Status{ARL: p.ARL, CRL: p.CRL, DER: append([]byte{}, p.DER...)}
			}
		}
	}
	cfg := unhurried
	cfg.OnStatus = pass(toPdT)
	far, err := r.tryPark(r.pdt(pdt1), cfg)
	require.NoError(t, err)
	r.ends.OnStatus = pass(toTLA)
	near, err := r.openBy(r.inserted(s.doctor, r.ca.Issue(tla1, clients)))
	require.NoError(t, err)
	_, err = far.WaitJoined()
	require.NoError(t, err)
	ticketOn(t, near, far)
	_, err = near.Write([]byte{1})
	require.NoError(t, err)
	_, err = far.Read(make([]byte, 1))
	require.NoError(t, err)
	of := func(pieces chan link.Status) (subjects []string) {
		for len(pieces) > 0 {
			list, err := x509.ParseRevocationList((<-pieces).DER)
			require.NoError(t, err)
			subjects = append(subjects, list.Issuer.CommonName)
		}
		return subjects
	}
	require.Contains(t, of(toPdT), s.Issuing.Cert.Subject.CommonName)
	require.NotContains(t, strings.Join(of(toTLA), " "), "persons")
}

// TestC4ABusyTLAIsToldBeforeItsUserTypes: so is one whose PdT is away, and nothing is reserved for either.
func TestC4ABusyTLAIsToldBeforeItsUserTypes(t *testing.T) {
	var s society
	r := start(t, asking(&s, requiring), limited(Limits{JoinWait: time.Millisecond}))
	tla := r.ca.Issue(tla1, clients)
	c := r.inserted(s.doctor, tla)
	_, err := r.openBy(c)
	requireProblem(t, link.ProblemPdTAbsent, err)
	require.Zero(t, c.ready)
	require.Zero(t, r.reserved())
	far := r.park(r.pdt(pdt1))
	near, err := r.openBy(r.inserted(s.doctor, tla))
	require.NoError(t, err)
	_, err = far.WaitJoined()
	require.NoError(t, err)
	r.park(r.pdt(pdt1))
	c = r.inserted(s.doctor, tla)
	_, err = r.openBy(c)
	requireProblem(t, link.ProblemTLABusy, err)
	require.Zero(t, c.ready)
	near.Close()
}
