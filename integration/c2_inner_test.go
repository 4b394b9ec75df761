package integration

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/integration/lab"
	"tlagate/pki"
	"tlagate/pki/trust"
	"tlagate/session"
	"tlagate/session/consent/consenttest"
	"tlagate/session/link"
)

const otherPractice = "cabinet-voisin"

// innerPdTs are the PdTs that the TLA refuses, besides those with a certificate that every component refuses: the PdT
// that it asked for is pinned.
var innerPdTs = []certDefect{
	{"another PdT than the one asked for", pki.WrongPeer, as("urn:tlagate:" + lab.Practice + ":pdt:comptoir")},
	{"a PdT of another practice", pki.WrongPeer, as("urn:tlagate:" + otherPractice + ":pdt:bureau")},
	{"a TLA in the PdT's place", pki.WrongRole, as("urn:tlagate:" + lab.Practice + ":tla:bureau")},
	{"the gateway in the PdT's place", pki.WrongRole, as(lab.Gateway)},
}

// innerTLAs are the TLAs that the PdT refuses, likewise.
var innerTLAs = []certDefect{
	{"another TLA than the gateway named", pki.WrongPeer, as("urn:tlagate:" + lab.Practice + ":tla:autre")},
	{"another practice", pki.WrongPractice, as("urn:tlagate:" + otherPractice + ":tla:valise")},
	{"a PdT in the TLA's place", pki.WrongRole, as("urn:tlagate:" + lab.Practice + ":pdt:valise")},
	{"the gateway in the TLA's place", pki.WrongRole, as(lab.Gateway)},
}

func as(identity string) func(*c2PKI, string, x509.ExtKeyUsage) tls.Certificate {
	return func(w *c2PKI, _ string, use x509.ExtKeyUsage) tls.Certificate { return w.Issue(identity, use) }
}

// TestC2TLARefusesPdT: on the inner link. A gateway that lets everyone in plays a PdT with each bad certificate; the
// TLA refuses it.
func TestC2TLARefusesPdT(t *testing.T) {
	b := newBed(t)
	rows := append(append([]certDefect{}, certDefects...), innerPdTs...)
	certs := map[string]tls.Certificate{}
	for _, d := range rows {
		certs[d.name] = d.make(b.ca, lab.PdT, x509.ExtKeyUsageServerAuth)
	}
	b.ca.publish(t)
	p := newPromiscuous(t, b)
	require.NoError(t, b.StartRelay())

	t.Run("accepted without a defect", func(t *testing.T) {
		p.set(func() { p.open = playPdT(readKeys(t, b.ServerKeys)) })
		b.startAccepted(t)
	})
	for _, d := range rows {
		t.Run("C2 "+d.name, func(t *testing.T) {
			p.set(func() { p.open, p.said = playPdT(certs[d.name]), nil })
			mark := b.RelayProc.Mark()
			why := b.startRefused(t)
			require.Equal(t, "refused", why.Code, "%+v", why)
			require.Equal(t, string(d.reason), why.Reason, "%+v", why)
			require.Equal(t, lab.PdT, why.Peer)
			logged(t, b.RelayProc, mark, "attempt failed", "reason="+string(d.reason), "peer=claimed")
			p.waitAlert("bad certificate")
		})
	}
}

// errResumed: a card session must never begin with a session ticket.
var errResumed = errors.New("a TLS session was resumed")

// playPdT serves a card session with a certificate.
func playPdT(cert tls.Certificate) func(*link.Conn, joinedBy) error {
	return playPdTWith(&tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequestClientCert,
		NextProtos: []string{trust.ALPNCard}})
}

func playPdTWith(conf *tls.Config) func(*link.Conn, joinedBy) error {
	return func(l *link.Conn, auth joinedBy) error {
		conn := tls.Server(l, conf)
		if err := conn.Handshake(); err != nil {
			return err
		}
		if conn.ConnectionState().DidResume {
			return errResumed
		}
		w, err := session.OpenWorkstation(conn, session.WorkstationConfig{Session: auth.Session,
			Inserted: func(session.Slot, session.Inserted) {}, Removed: func(session.Slot) {}})
		if err != nil {
			return err
		}
		return w.Run(context.Background())
	}
}

// TestC2PdTRefusesTLA: the same with sides exchanged: the gateway plays a TLA with each bad certificate.
func TestC2PdTRefusesTLA(t *testing.T) {
	b := newBed(t)
	rows := append(append([]certDefect{}, certDefects...), innerTLAs...)
	certs := map[string]tls.Certificate{}
	for _, d := range rows {
		certs[d.name] = d.make(b.ca, identityFor(pki.RoleTLA, d.name), x509.ExtKeyUsageClientAuth)
	}
	b.ca.publish(t)
	p := newPromiscuous(t, b)
	b.startPdT(t)

	t.Run("accepted without a defect", func(t *testing.T) {
		require.NoError(t, p.playTLA(t, b, readKeys(t, b.TLAKeys), lab.TLA))
	})
	for _, d := range rows {
		t.Run("C2 "+d.name, func(t *testing.T) {
			named := identityFor(pki.RoleTLA, d.name)
			if id, err := pki.IdentityOf(certs[d.name].Leaf); err == nil && d.reason != pki.WrongPeer {
				named = id.String()
			}
			mark := b.PdTProc.Mark()
			err := p.playTLA(t, b, certs[d.name], named)
			requireAlert(t, err)
			logged(t, b.PdTProc, mark, "TLA refused", "reason="+string(d.reason), "peer=claimed", named)
		})
	}
	t.Run("accepted again", func(t *testing.T) {
		require.NoError(t, p.playTLA(t, b, readKeys(t, b.TLAKeys), lab.TLA))
	})
}

// playTLA takes a parked link, announces a TLA on it, and opens a card session with a certificate; nil once it is up.
func (p *promiscuous) playTLA(t *testing.T, b *bed, cert tls.Certificate, announced string) error {
	return p.playTLAWith(t, b.client(cert, trust.ALPNCard), announced)
}

func (p *promiscuous) playTLAWith(t *testing.T, conf *tls.Config, announced string) error {
	t.Helper()
	conf.InsecureSkipVerify = true
	id := session.NewID()
	l := p.takeParked(t)
	defer l.Close()
	signed := "c.s"
	if len(conf.Certificates) > 0 {
		var err error
		signed, err = consenttest.By(conf.Certificates[0], lab.PdT, id.String())("n")
		require.NoError(t, err)
	}
	require.NoError(t, l.WriteJoined(link.Joined{Generation: 1, TLA: announced, Session: id.String(), Nonce: "n",
		Consent: signed}))
	require.NoError(t, l.SetReadDeadline(time.Now().Add(patience)))
	conn := tls.Client(l, conf)
	if err := conn.Handshake(); err != nil {
		return err
	}
	if conn.ConnectionState().DidResume {
		return errResumed
	}
	return upOrWhy(conn, id)
}

func upOrWhy(conn net.Conn, id session.ID) error {
	terminal, err := session.OpenTerminal(conn, session.TerminalConfig{ID: id})
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- terminal.Run(context.Background()) }()
	select {
	case <-terminal.Up():
		terminal.Leave(session.ByeStopped, "That was all.")
		<-ended
		return nil
	case err := <-ended:
		return err
	}
}

func (p *promiscuous) takeParked(t *testing.T) *link.Conn {
	t.Helper()
	select {
	case l := <-p.parked:
		return l
	case <-time.After(patience):
		require.Fail(t, "the PdT does not park")
		return nil
	}
}
