package pdt

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
	"tlagate/pki/pkitest"
	"tlagate/pki/revocation"
	"tlagate/pki/trust"
	"tlagate/session"
	"tlagate/session/consent/consenttest"
	"tlagate/session/link"
	"tlagate/session/proof"
	"tlagate/session/proof/prooftest"
	"tlagate/session/user"
)

// society is a PKI of persons, the store that a PdT has of it, and what one of them carries.
type society struct {
	*pkitest.PKI
	files  pkitest.Files
	store  *trust.Trust
	doctor tls.Certificate
}

// newSociety has a PdT that knows the CAs, and gets the CRLs of files only if told so.
func newSociety(l *lab, crls bool) *society {
	s := &society{PKI: pkitest.NewPersons(l.t)}
	s.files = s.WriteTrust(l.t.TempDir())
	s.doctor = s.Issuing.IssuePerson(pkitest.Doctor)
	cfg := trust.Config{Profile: trust.Persons,
		Persons:       trust.PersonRules{Identifier: "CN", Form: "8[0-9]{11}", Profession: "title", Devices: l.trust},
		Anchors:       []trust.AnchorFile{{File: s.files.Anchor}},
		Intermediates: []string{s.files.Intermediate}}
	if crls {
		cfg.Revocation = revocation.Config{CRLs: s.files.CRLs()}
	}
	var err error
	s.store, err = trust.Open(cfg)
	require.NoError(l.t, err)
	return s
}

func (s *society) asks(rule user.Rule) setting {
	return func(c *Config) { c.Users = Users{Rule: rule, Persons: s.store} }
}

var requiring = user.Rule{Mode: user.Require}

// joinedBy returns what a gateway says of a session whose user has this card.
func joinedBy(t *testing.T, tla, person tls.Certificate, spoil func(*proof.Statement)) link.Joined {
	j := link.Joined{Generation: 1, TLA: theTLA.String(), Session: session.NewID().String(), Nonce: "n"}
	var err error
	j.Consent, err = consenttest.By(tla, thePdT.String(), j.Session)(j.Nonce)
	require.NoError(t, err)
	s := prooftest.Statement(j.Nonce, j.Consent)
	s.Gateway, s.PdT, s.TLA, s.Session = theGateway.String(), thePdT.String(), j.TLA, j.Session
	s.Exporter = strings.Repeat("00", proof.ExporterLen)
	if spoil != nil {
		spoil(&s)
	}
	j.Proof, err = prooftest.Sign(person, s)
	require.NoError(t, err)
	return j
}

// run opens the session that a gateway has joined.
func (g *fakeGateway) run(tla tls.Certificate, j link.Joined) *runningTLA {
	r := &runningTLA{end: make(chan error, 1)}
	conn, err := g.openAs(tla, j)
	require.NoError(g.t, err)
	_, err = hex.Decode(r.id[:], []byte(j.Session))
	require.NoError(g.t, err)
	r.Terminal, err = session.OpenTerminal(conn,
		session.TerminalConfig{ID: r.id, Timers: session.Timers{Heartbeat: patience}})
	require.NoError(g.t, err)
	go func() { r.end <- r.Terminal.Run(context.Background()) }()
	return r
}

// TestC2ThePdTVerifiesTheUserItself: a gateway that lies can only withhold a session.
func TestC2ThePdTVerifiesTheUserItself(t *testing.T) {
	l := newLab(t)
	g, s := newFakeGateway(l), newSociety(l, true)
	p := newPoste(l, []*fakeGateway{g}, s.asks(requiring))
	tla := l.certificate(theTLA, x509.ExtKeyUsageClientAuth)
	good := func() link.Joined { return joinedBy(t, tla, s.doctor, nil) }
	by := func(person tls.Certificate) func() link.Joined {
		return func() link.Joined { return joinedBy(t, tla, person, nil) }
	}
	spoilt := func(spoil func(*proof.Statement)) func() link.Joined {
		return func() link.Joined { return joinedBy(t, tla, s.doctor, spoil) }
	}
	for name, c := range map[string]struct {
		joined func() link.Joined
		reason string
	}{
		"none": {func() link.Joined {
			j := good()
			j.Proof = ""
			return j
		}, "user_required"},
		"of another user's session": {func() link.Joined {
			j := good()
			j.Proof = good().Proof
			return j
		}, "bad_proof"},
		"altered": {func() link.Joined {
			j := good()
			j.Proof = "A" + j.Proof[1:]
			return j
		}, "bad_proof"},
		"another gateway": {spoilt(func(s *proof.Statement) { s.Gateway += "2" }), "bad_proof"},
		"another PdT":     {spoilt(func(s *proof.Statement) { s.PdT += "2" }), "bad_proof"},
		"another TLA":     {spoilt(func(s *proof.Statement) { s.TLA = foreignTLA.String() }), "bad_proof"},
		"another nonce":   {spoilt(func(s *proof.Statement) { s.Nonce = "m" }), "bad_proof"},
		"another consent": {spoilt(func(s *proof.Statement) { s.Consent = proof.HashOf("") }), "bad_proof"},
		"late":            {spoilt(func(s *proof.Statement) { s.At = s.At.Add(-time.Hour) }), "clock_wrong"},
		"expired": {by(s.Issuing.IssuePerson(pkitest.Doctor, pkitest.Expired())),
			string(pki.Expired)},
		"of another PKI": {by(pkitest.NewNamed(t, "TEST other").Issuing.IssuePerson(pkitest.Doctor)),
			string(pki.UnknownIssuer)},
		"of a device": {by(l.certificate(theTLA, x509.ExtKeyUsageClientAuth)), string(pki.UnknownIssuer)},
	} {
		t.Run("C2 "+name, func(t *testing.T) {
			bye := g.run(tla, c.joined()).ended(t)
			require.Equal(t, session.ByeUser, bye.Code)
			require.Contains(t, bye.Text, c.reason)
			p.parked(t, 0, 2)
		})
	}
	j := good()
	r := g.run(tla, j).up(t)
	st := p.status().Session.User
	require.Equal(t, pkitest.Doctor.ID, st.Identifier)
	require.Equal(t, pkitest.Doctor.Profession, st.Profession)
	r.Leave(session.ByeStopped, "")
	<-r.end
	p.parked(t, 0, 2)
	t.Run("C2 twice", func(t *testing.T) {
		require.Equal(t, session.ByeRefused, g.run(tla, j).ended(t).Code, "consent and proof again")
	})
	require.NotContains(t, p.log.String(), pkitest.Doctor.ID)
	require.NotContains(t, p.log.String(), pkitest.Doctor.Surname)
}

// TestC2RolloutOfProofsAtThePdT: gateways that bring none, and persons who do not pass, by each rule.
func TestC2RolloutOfProofsAtThePdT(t *testing.T) {
	for name, c := range map[string]struct {
		rule  user.Rule
		event string // Event.Proof
	}{
		"told":   {user.Rule{}, "user_required"},
		"let be": {user.Rule{Mode: user.Off}, ""},
		"practice": {user.Rule{Mode: user.Require,
			Practices: map[string]user.Mode{"cabinet": user.Tell}}, "user_required"},
	} {
		t.Run("C2 "+name, func(t *testing.T) {
			l := newLab(t)
			g, s := newFakeGateway(l), newSociety(l, true)
			up := make(chan Event, 9)
			newPoste(l, []*fakeGateway{g}, s.asks(c.rule), func(cfg *Config) { cfg.Trace = func(e Event) { up <- e } })
			r := g.start(l.certificate(theTLA, x509.ExtKeyUsageClientAuth), theTLA).up(t)
			require.Equal(t, c.event, (<-up).Proof)
			r.Leave(session.ByeStopped, "")
			<-r.end
		})
	}
}

// TestSP3ThePdTNamesWhoMay: by identifier or profession.
func TestSP3ThePdTNamesWhoMay(t *testing.T) {
	for name, c := range map[string]struct {
		who user.Who
		may bool
	}{
		"identifier": {user.Who{Persons: []string{pkitest.Doctor.ID}}, true},
		"profession": {user.Who{Professions: []string{pkitest.Doctor.Profession}}, true},
		"others":     {user.Who{Persons: []string{"899700000025"}, Professions: []string{"Pharmacien"}}, false},
	} {
		for _, mode := range []user.Mode{user.Require, user.Tell, user.Off} { // names demand a proof, whatever the rule
			t.Run("SP3 "+name+" "+string(mode), func(t *testing.T) {
				l := newLab(t)
				g, s := newFakeGateway(l), newSociety(l, true)
				newPoste(l, []*fakeGateway{g}, s.asks(user.Rule{Mode: mode}),
					func(cfg *Config) { cfg.Users.Who = c.who })
				tla := l.certificate(theTLA, x509.ExtKeyUsageClientAuth)
				require.Contains(t, g.start(tla, theTLA).ended(t).Text, "user_required")
				r := g.run(tla, joinedBy(t, tla, s.doctor, nil))
				if !c.may {
					require.Contains(t, r.ended(t).Text, "user_denied")
					return
				}
				r.up(t).Leave(session.ByeStopped, "")
				<-r.end
			})
		}
	}
}

// TestC2OtherUsersWhileThePdTRuns: what is demanded now counts for the next session; the open one goes on, as long as
// its user can be judged.
func TestC2OtherUsersWhileThePdTRuns(t *testing.T) {
	l := newLab(t)
	g, s := newFakeGateway(l), newSociety(l, true)
	p := newPoste(l, []*fakeGateway{g}, s.asks(user.Rule{}), func(cfg *Config) { cfg.Recheck = 10 * time.Millisecond })
	tla := l.certificate(theTLA, x509.ExtKeyUsageClientAuth)
	r := g.start(tla, theTLA).up(t)
	p.SetUsers(Users{Rule: requiring, Persons: s.store})
	r.Leave(session.ByeStopped, "")
	<-r.end
	p.parked(t, 0, 2)
	require.Contains(t, g.start(tla, theTLA).ended(t).Text, "user_required")
	p.parked(t, 0, 2)
	r = g.run(tla, joinedBy(t, tla, s.doctor, nil)).up(t)
	p.SetUsers(Users{Rule: requiring, Persons: newSociety(l, false).store})
	require.Equal(t, session.ByeUser, r.ended(t).Code)
	p.parked(t, 0, 2)
	p.SetUsers(Users{Rule: requiring, Persons: s.store})
	r = g.run(tla, joinedBy(t, tla, s.doctor, nil)).up(t)
	p.SetUsers(Users{Rule: requiring})
	require.Equal(t, session.ByeUser, r.ended(t).Code, "nobody can be judged any more")
}

// TestC2ARevokedUserIsCutByThePdT: by what the gateway brings alone, a short CRL and the ARL.
func TestC2ARevokedUserIsCutByThePdT(t *testing.T) {
	l := newLab(t)
	g, s := newFakeGateway(l), newSociety(l, false)
	p := newPoste(l, []*fakeGateway{g}, s.asks(requiring))
	tla := l.certificate(theTLA, x509.ExtKeyUsageClientAuth)
	bring := func(to *link.Conn, crls ...[]byte) {
		pieces := []link.Status{{ARL: true, DER: s.Root.CRL()}}
		for _, der := range crls {
			pieces = append(pieces, link.Status{CRL: true, DER: der})
		}
		require.NoError(t, to.WriteStatus(pieces))
	}
	parked := g.take()
	bring(parked)
	g.parked <- parked
	require.Contains(t, g.run(tla, joinedBy(t, tla, s.doctor, nil)).ended(t).Text, string(pki.UserStatus))

	parked = g.take()
	bring(parked, s.Issuing.CRL())
	g.parked <- parked
	r := g.run(tla, joinedBy(t, tla, s.doctor, nil)).up(t)
	s.Issuing.Revoke(s.doctor.Leaf)
	bring(g.take(), s.Issuing.CRL())
	require.Equal(t, session.ByeUser, r.ended(t).Code)
	eventually(t, func() bool { return p.logged("reason=user_revoked") }, "reason in the log")
}
