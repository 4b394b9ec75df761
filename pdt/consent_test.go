package pdt

import (
	"crypto/x509"
	"encoding/hex"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/session"
	"tlagate/session/consent"
	"tlagate/session/consent/consenttest"
	"tlagate/session/link"
)

// TestC4ThePdTWantsTheUsersConsentItself: it need not trust the gateway.
func TestC4ThePdTWantsTheUsersConsentItself(t *testing.T) {
	l := newLab(t)
	g := newFakeGateway(l)
	p := newPoste(l, []*fakeGateway{g})
	cert := l.certificate(theTLA, x509.ExtKeyUsageClientAuth)
	good := func(j link.Joined) string {
		text, err := consenttest.By(cert, thePdT.String(), j.Session)(j.Nonce)
		require.NoError(t, err)
		return text
	}
	join := func(j link.Joined) *runningTLA {
		r := &runningTLA{end: make(chan error, 1)}
		conn, err := g.openAs(cert, j)
		require.NoError(t, err)
		var id session.ID
		_, err = hex.Decode(id[:], []byte(j.Session))
		require.NoError(t, err)
		r.Terminal, err = session.OpenTerminal(conn,
			session.TerminalConfig{ID: id, Timers: session.Timers{Heartbeat: patience}})
		require.NoError(t, err)
		go func() { r.end <- r.Terminal.Run(t.Context()) }()
		return r
	}
	fresh := func() link.Joined {
		return link.Joined{Generation: 1, TLA: theTLA.String(), Session: session.NewID().String(), Nonce: "n"}
	}
	for name, spoil := range map[string]func(*link.Joined){
		"none":               func(j *link.Joined) { j.Consent = "x.y" },
		"of another session": func(j *link.Joined) { j.Consent = good(fresh()) },
		"over another nonce": func(j *link.Joined) { j.Consent = good(*j); j.Nonce = "m" },
		"signed by another device": func(j *link.Joined) {
			j.Consent, _ = consenttest.By(l.certificate(theTLA, x509.ExtKeyUsageClientAuth), thePdT.String(),
				j.Session)(j.Nonce)
		},
	} {
		t.Run("C4 "+name, func(t *testing.T) {
			j := fresh()
			spoil(&j)
			require.Equal(t, session.ByeRefused, join(j).ended(t).Code)
			eventually(t, func() bool { return p.logged("reason=bad_consent") }, "reason in the log")
			p.parked(t, 0, 2)
		})
	}
	j := fresh()
	j.Consent = good(j)
	r := join(j).up(t)
	r.Leave(session.ByeStopped, "")
	<-r.end
	p.parked(t, 0, 2)
	t.Run("C4 twice", func(t *testing.T) {
		require.Equal(t, session.ByeRefused, join(j).ended(t).Code, "the same consent again")
	})
}

func TestConsentsAreForgottenWhenTheyAreTooOldToBeUsed(t *testing.T) {
	var c consents
	now := time.Now()
	require.True(t, c.use("a", now))
	require.False(t, c.use("a", now.Add(2*consent.Skew)))
	require.True(t, c.use("b", now.Add(2*consent.Skew+time.Second)))
	require.Len(t, c.used, 1)
}
