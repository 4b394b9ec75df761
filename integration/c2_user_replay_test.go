package integration

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/integration/lab"
	"tlagate/pki/trust"
	"tlagate/session"
	"tlagate/session/consent/consenttest"
	"tlagate/session/link"
	"tlagate/session/proof"
)

// hostile is an enrolled terminal in the wrong hands: it has its certificate and key, and sends what it likes. It
// proves its user as its fields say.
type hostile struct {
	cert   tls.Certificate // of the terminal
	person []byte          // certificate that it shows
	sign   func(digest [sha256.Size]byte) ([]byte, error)
	change func(*proof.Statement) // before it is signed; nil = nothing
	spoil  func(string) string    // after that; nil = nothing

	conn *tls.Conn
	tla  string
	id   string
	made string // the proof
}

// Ready implements link.Prover.
func (h *hostile) Ready(context.Context) error { return nil }

// Prove implements link.Prover.
func (h *hostile) Prove(_ context.Context, nonce, consent string) (text string, err error) {
	state := h.conn.ConnectionState()
	exporter, err := state.ExportKeyingMaterial(proof.ExporterLabel, nil, proof.ExporterLen)
	if err != nil {
		return "", err
	}
	s := proof.Statement{Means: proof.MeansCPS, Gateway: lab.Gateway, PdT: lab.PdT, TLA: h.tla, Session: h.id,
		Nonce: nonce, Exporter: hex.EncodeToString(exporter), Consent: proof.HashOf(consent), At: time.Now()}
	if h.change != nil {
		h.change(&s)
	}
	if h.made, err = proof.Make(s, h.person, h.sign); err == nil && h.spoil != nil {
		h.made = h.spoil(h.made)
	}
	return h.made, err
}

// open asks a gateway for a session; without prover as an old relay does.
func (h *hostile) open(t *testing.T, addr string, proves bool) (*link.Conn, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	h.conn = tls.Client(c, &tls.Config{Certificates: []tls.Certificate{h.cert}, InsecureSkipVerify: true,
		ServerName: "localhost", NextProtos: []string{trust.ALPNOuter}})
	require.NoError(t, h.conn.HandshakeContext(ctx))
	h.id = session.NewID().String()
	cfg := link.Config{Consent: func(nonce string) (string, error) {
		s := consenttest.Statement(h.cert, lab.PdT, h.id, nonce)
		s.TLA = h.tla
		return signed(t, s, h.cert), nil
	}}
	if proves {
		cfg.Prover = h
	}
	return link.Open(ctx, h.conn, lab.PdT, h.id, cfg)
}

// refused opens, which must be refused, and returns the problem.
func (h *hostile) refused(t *testing.T, addr string) *link.Problem {
	t.Helper()
	_, err := h.open(t, addr, true)
	var p *link.Problem
	require.ErrorAs(t, err, &p)
	return p
}

// newHostile has a card of the doctor's in software: what it signs is good.
func newHostile(t *testing.T, l *lab.Lab, cert tls.Certificate, tla string) *hostile {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	person, err := l.Persons.Certify(lab.Doctor, nil)(key.Public())
	require.NoError(t, err)
	return &hostile{cert: cert, tla: tla, person: person.Raw, sign: func(digest [sha256.Size]byte) ([]byte, error) {
		return key.Sign(rand.Reader, digest[:], crypto.SHA256)
	}}
}

// newUserBed is newBed with users who have to prove who they are, at a gateway and a PdT that run.
func newUserBed(t *testing.T) *bed {
	t.Helper()
	b := newBed(t)
	require.NoError(t, b.AddPersons())
	b.User = "{mode: require}"
	b.ca.publish(t)
	return b
}

// badProofs are proofs for something else than this open, with a signature that is good, and what is answered.
var badProofs = map[string]struct {
	change func(*proof.Statement)
	want   link.ProblemCode
}{
	"for another connection": {func(s *proof.Statement) { s.Exporter = strings.Repeat("0", 64) }, link.ProblemBadProof},
	"for another gateway":    {func(s *proof.Statement) { s.Gateway = lab.Gateway2 }, link.ProblemBadProof},
	"for another PdT":        {func(s *proof.Statement) { s.PdT += "2" }, link.ProblemBadProof},
	"of another terminal":    {func(s *proof.Statement) { s.TLA += "2" }, link.ProblemBadProof},
	"for another session":    {func(s *proof.Statement) { s.Session = session.NewID().String() }, link.ProblemBadProof},
	"over another nonce":     {func(s *proof.Statement) { s.Nonce = strings.Repeat("B", 43) }, link.ProblemBadProof},
	"over another consent":   {func(s *proof.Statement) { s.Consent = proof.HashOf("x.y") }, link.ProblemBadProof},
	"late": {func(s *proof.Statement) { s.At = s.At.Add(-proof.Skew - time.Minute) },
		link.ProblemClockWrong},
	"early": {func(s *proof.Statement) { s.At = s.At.Add(proof.Skew + time.Minute) },
		link.ProblemClockWrong},
}

// TestC2TheGatewayTakesAProofForOneOpen: the real gateway refuses each proof that is for something else, and whoever
// sends none.
func TestC2TheGatewayTakesAProofForOneOpen(t *testing.T) {
	b := newUserBed(t)
	require.NoError(t, b.StartGateway())
	b.startPdT(t)
	h := newHostile(t, b.Lab, readKeys(t, b.TLAKeys), lab.TLA)
	for name, c := range badProofs {
		t.Run("C2 "+name, func(t *testing.T) {
			h := *h
			h.change = c.change
			require.Equal(t, c.want, h.refused(t, b.GatewayAddr).Code)
		})
	}
	t.Run("C2 altered", func(t *testing.T) {
		h := *h
		h.spoil = func(text string) string {
			at := len(text) / 4
			return text[:at] + swapped(text[at]) + text[at+1:]
		}
		require.Equal(t, link.ProblemBadProof, h.refused(t, b.GatewayAddr).Code)
	})
	t.Run("C2 signed by another key", func(t *testing.T) {
		other := newHostile(t, b.Lab, h.cert, h.tla)
		other.person = h.person
		require.Equal(t, link.ProblemBadProof, other.refused(t, b.GatewayAddr).Code)
	})
	t.Run("C2 by a terminal's certificate", func(t *testing.T) {
		h := *h
		h.person = h.cert.Certificate[0]
		h.sign = func(digest [sha256.Size]byte) ([]byte, error) {
			return h.cert.PrivateKey.(crypto.Signer).Sign(rand.Reader, digest[:], crypto.SHA256)
		}
		require.Equal(t, link.ProblemUserRefused, h.refused(t, b.GatewayAddr).Code)
	})
	t.Run("C2 by a relay that can give none", func(t *testing.T) {
		_, err := h.open(t, b.GatewayAddr, false)
		var p *link.Problem
		require.ErrorAs(t, err, &p)
		require.Equal(t, link.ProblemUserRequired, p.Code)
	})
	t.Run("C2 replayed on another connection", func(t *testing.T) {
		l, err := h.open(t, b.GatewayAddr, true)
		require.NoError(t, err, "the control")
		first := h.made
		require.NoError(t, l.Close())
		again := *h
		again.spoil = func(string) string { return first }
		for {
			if p := again.refused(t, b.GatewayAddr); p.Code != link.ProblemTLABusy { // the first may be just ending
				require.Equal(t, link.ProblemBadProof, p.Code)
				return
			}
		}
	})
}

// TestC2ThePdTVerifiesTheProofAgain: a gateway in the hands of an attacker, who has the terminal's key too, joins
// whatever it likes: the PdT refuses what is not for this session, or was there before.
func TestC2ThePdTVerifiesTheProofAgain(t *testing.T) {
	b := newUserBed(t)
	p := newPromiscuous(t, b)
	b.startPdT(t)
	h := newHostile(t, b.Lab, readKeys(t, b.TLAKeys), lab.TLA)
	joined := func(change func(*proof.Statement)) link.Joined {
		id := session.NewID().String()
		j := link.Joined{Generation: 1, TLA: lab.TLA, Session: id, Nonce: strings.Repeat("A", 43)}
		j.Consent = signed(t, consenttest.Statement(h.cert, lab.PdT, id, j.Nonce), h.cert)
		s := proof.Statement{Means: proof.MeansCPS, Gateway: lab.Gateway, PdT: lab.PdT, TLA: lab.TLA, Session: id,
			Nonce: j.Nonce, Exporter: strings.Repeat("0", 64), Consent: proof.HashOf(j.Consent), At: time.Now()}
		change(&s)
		text, err := proof.Make(s, h.person, h.sign)
		require.NoError(t, err)
		j.Proof = text
		return j
	}
	for name, c := range badProofs {
		if name == "for another connection" { // which only a gateway can know
			continue
		}
		t.Run("C2 "+name, func(t *testing.T) {
			p.requireBye(t, b, joined(c.change), session.ByeUser)
		})
	}
	t.Run("C2 none", func(t *testing.T) {
		j := joined(func(*proof.Statement) {})
		j.Proof = ""
		p.requireBye(t, b, j, session.ByeUser)
	})
	t.Run("C2 another person's", func(t *testing.T) {
		j := joined(func(*proof.Statement) {})
		other := newHostile(t, b.Lab, h.cert, h.tla)
		fields := strings.Split(j.Proof, ".")
		j.Proof = fields[0] + "." + fields[1] + "." + base64.RawURLEncoding.EncodeToString(other.person)
		p.requireBye(t, b, j, session.ByeUser)
	})
	t.Run("C2 the control, and then twice", func(t *testing.T) {
		j := joined(func(*proof.Statement) {})
		p.requireBye(t, b, j, "")
		p.requireBye(t, b, j, session.ByeRefused) // its consent was used
	})
}

// requireBye joins a TLA of the attacker's, who has the terminal's key; the PdT must answer so; "" = by its hello.
func (p *promiscuous) requireBye(t *testing.T, b *bed, j link.Joined, want session.ByeCode) {
	t.Helper()
	l := p.takeParked(t)
	defer l.Close()
	require.NoError(t, l.WriteJoined(j))
	require.NoError(t, l.SetReadDeadline(time.Now().Add(patience)))
	conf := b.client(readKeys(t, b.TLAKeys), trust.ALPNCard)
	conf.InsecureSkipVerify = true
	conn := tls.Client(l, conf)
	require.NoError(t, conn.Handshake())
	var id session.ID
	_, err := hex.Decode(id[:], []byte(j.Session))
	require.NoError(t, err)
	err = upOrWhy(conn, id)
	if want == "" {
		require.NoError(t, err)
		return
	}
	var bye *session.Bye
	require.ErrorAs(t, err, &bye)
	require.Equal(t, want, bye.Code)
}

// TestC2AnOldRelayMeetsANewGateway: by mode tell, a relay that cannot prove anybody has its session; one that can is
// asked, and a proof that does not pass is no reason against a session.
func TestC2AnOldRelayMeetsANewGateway(t *testing.T) {
	b := newUserBed(t)
	b.User = "{mode: tell}"
	require.NoError(t, b.StartGateway())
	b.startPdT(t)
	h := newHostile(t, b.Lab, readKeys(t, b.TLAKeys), lab.TLA)
	h.opens(t, b.GatewayAddr, false)
	h.opens(t, b.GatewayAddr, true)
	bad := *h
	bad.change = func(s *proof.Statement) { s.PdT += "2" }
	bad.opens(t, b.GatewayAddr, true)
}
