package integration

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/integration/lab"
	"tlagate/pki/trust"
	"tlagate/session"
	"tlagate/session/consent"
	"tlagate/session/consent/consenttest"
	"tlagate/session/link"
)

// badConsents are consents with which no session can be opened, not even by somebody who has all the rest: the
// terminal's link and its key.
var badConsents = []struct {
	name string
	make func(t *testing.T, b *bed, good consent.Statement) string
}{
	{"none", func(*testing.T, *bed, consent.Statement) string { return "x.y" }},
	{"altered", func(t *testing.T, b *bed, s consent.Statement) string {
		text := signed(t, s, readKeys(t, b.TLAKeys))
		return text[:len(text)/3] + swapped(text[len(text)/3]) + text[len(text)/3+1:]
	}},
	{"stale", func(t *testing.T, b *bed, s consent.Statement) string {
		s.At = s.At.Add(-consent.Skew - time.Minute)
		return signed(t, s, readKeys(t, b.TLAKeys))
	}},
	{"of the future", func(t *testing.T, b *bed, s consent.Statement) string {
		s.At = s.At.Add(consent.Skew + time.Minute)
		return signed(t, s, readKeys(t, b.TLAKeys))
	}},
	{"signed by another device", func(t *testing.T, b *bed, s consent.Statement) string {
		return signed(t, s, b.ca.Issue(lab.TLA, x509.ExtKeyUsageClientAuth))
	}},
	{"of another device", func(t *testing.T, b *bed, s consent.Statement) string {
		s.TLA = "urn:tlagate:" + lab.Practice + ":tla:autre"
		return signed(t, s, readKeys(t, b.TLAKeys))
	}},
	{"for another PdT", func(t *testing.T, b *bed, s consent.Statement) string {
		s.PdT = "urn:tlagate:" + lab.Practice + ":pdt:comptoir"
		return signed(t, s, readKeys(t, b.TLAKeys))
	}},
	{"for another session", func(t *testing.T, b *bed, s consent.Statement) string {
		s.Session = session.NewID().String()
		return signed(t, s, readKeys(t, b.TLAKeys))
	}},
	{"over another nonce", func(t *testing.T, b *bed, s consent.Statement) string {
		s.Nonce = "bm9uY2U"
		return signed(t, s, readKeys(t, b.TLAKeys))
	}},
	{"of an act that is none of a user's", func(t *testing.T, b *bed, s consent.Statement) string {
		s.Act = "network"
		return signed(t, s, readKeys(t, b.TLAKeys))
	}},
}

func signed(t *testing.T, s consent.Statement, with tls.Certificate) string {
	t.Helper()
	text, err := consent.Sign(s, with.PrivateKey.(crypto.Signer))
	require.NoError(t, err)
	return text
}

// swapped returns another letter of the same alphabet.
func swapped(c byte) string {
	if c == 'A' {
		return "B"
	}
	return "A"
}

// TestC4TheGatewayWantsTheUsersConsent: the real gateway demands it of a client with the terminal's certificate and
// key.
func TestC4TheGatewayWantsTheUsersConsent(t *testing.T) {
	b := newBed(t)
	b.ca.publish(t)
	require.NoError(t, b.StartGateway())
	b.startPdT(t)
	cert := readKeys(t, b.TLAKeys)
	for _, c := range badConsents {
		t.Run("C4 "+c.name, func(t *testing.T) {
			id := session.NewID().String()
			_, err := b.open(t, id, func(nonce string) string {
				return c.make(t, b, consenttest.Statement(cert, lab.PdT, id, nonce))
			})
			var p *link.Problem
			require.ErrorAs(t, err, &p)
			require.Contains(t, []link.ProblemCode{link.ProblemBadConsent, link.ProblemClockWrong}, p.Code)
			require.NotContains(t, strings.Join(b.PdTProc.Lines(), "\n"), id, "the PdT never hears of it")
		})
	}
	t.Run("C4 the control: with it", func(t *testing.T) {
		id := session.NewID().String()
		l, err := b.open(t, id, func(nonce string) string {
			return signed(t, consenttest.Statement(cert, lab.PdT, id, nonce), cert)
		})
		require.NoError(t, err)
		require.NoError(t, l.Close())
		logged(t, b.GatewayProc, 0, "consent of the user", id)
	})
}

// open asks the gateway for a session, as the terminal would.
func (b *bed) open(t *testing.T, id string, say func(nonce string) string) (*link.Conn, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conf := b.client(readKeys(t, b.TLAKeys), trust.ALPNOuter)
	conf.InsecureSkipVerify = true
	c, err := net.Dial("tcp", b.GatewayAddr)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	conn := tls.Client(c, conf)
	require.NoError(t, conn.HandshakeContext(ctx))
	return link.Open(ctx, conn, lab.PdT, id, link.Config{Consent: func(nonce string) (string, error) {
		return say(nonce), nil
	}})
}

// TestC4ThePdTWantsTheUsersConsent: the real PdT demands it of a gateway in the hands of an attacker who has the
// terminal's key, too.
func TestC4ThePdTWantsTheUsersConsent(t *testing.T) {
	b := newBed(t)
	b.ca.publish(t)
	p := newPromiscuous(t, b)
	require.NoError(t, b.StartRelay())
	b.startPdT(t)
	cert := readKeys(t, b.TLAKeys)
	for _, c := range badConsents {
		t.Run("C4 "+c.name, func(t *testing.T) {
			id := session.NewID()
			j := link.Joined{Generation: 1, TLA: lab.TLA, Session: id.String(), Nonce: "n"}
			j.Consent = c.make(t, b, consenttest.Statement(cert, lab.PdT, j.Session, j.Nonce))
			p.requireRefused(t, b, j)
		})
	}
	t.Run("C4 replayed", func(t *testing.T) {
		var heard link.Joined
		p.set(func() {
			p.open = func(l *link.Conn, auth joinedBy) error {
				heard = link.Joined{Generation: 1, TLA: lab.TLA, Session: auth.Session, Nonce: auth.Nonce,
					Consent: auth.Consent}
				return p.joinAny(lab.TLA)(l, auth)
			}
		})
		b.startAccepted(t) // the control: the user's consent, which is good
		p.requireRefused(t, b, heard)
		again := heard
		again.Session = session.NewID().String()
		p.requireRefused(t, b, again)
	})
}

// requireRefused joins a TLA of the attacker's, who has the terminal's key, with a consent that the PdT must refuse.
func (p *promiscuous) requireRefused(t *testing.T, b *bed, j link.Joined) {
	t.Helper()
	mark := b.PdTProc.Mark()
	p.requireBye(t, b, j, session.ByeRefused)
	logged(t, b.PdTProc, mark, "reason=bad_consent")
}
