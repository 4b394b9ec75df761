package tla

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"time"

	"tlagate/pki"
	"tlagate/pki/trust"
	"tlagate/session/link"
	"tlagate/session/proof"
	"tlagate/tla/cardsign"
)

// prover has the user prove who they are to the gateway of one attempt. While the user is busy, the limit of the open
// stands still; what they need is bounded by Timers.User.
type prover struct {
	*attempt
	limit *standstill
	outer *tls.Conn
}

// Ready implements link.Prover.
func (p *prover) Ready(context.Context) error {
	defer p.limit.pause()()
	return p.user.ready(p.ctx, p.fits)
}

// fits returns an error if a certificate is too long for a proof.
func (p *prover) fits(certificate *x509.Certificate) error {
	want, err := p.wanted("", "")
	if err != nil {
		return err
	}
	return proof.CheckLength(statement(want), certificate)
}

// Prove implements link.Prover. What the card signed is verified before it is sent.
func (p *prover) Prove(_ context.Context, nonce, consent string) (string, error) {
	defer p.limit.pause()()
	want, err := p.wanted(nonce, consent)
	if err != nil {
		return "", err
	}
	return p.user.prove(func(k *cardsign.Key) (string, error) {
		text, err := proof.Make(statement(want), k.Certificate.Raw, k.Sign)
		if err != nil {
			return "", err
		}
		made, err := proof.Parse(text)
		if err == nil {
			err = made.Verify(want)
		}
		return text, err
	})
}

// statement returns what says all that is wanted.
func statement(want proof.Want) proof.Statement {
	return proof.Statement{Means: proof.MeansCPS, Gateway: want.Gateway, PdT: want.PdT, TLA: want.TLA,
		Session: want.Session, Nonce: want.Nonce, Exporter: want.Exporter, Consent: proof.HashOf(want.Consent),
		At: want.Now}
}

// wanted returns what the proof has to say.
func (p *prover) wanted(nonce, consent string) (w proof.Want, err error) {
	us, err := pki.IdentityOf(p.own)
	if err != nil {
		return w, err
	}
	state := p.outer.ConnectionState()
	exporter, err := state.ExportKeyingMaterial(proof.ExporterLabel, nil, proof.ExporterLen)
	return proof.Want{Gateway: p.peers[0].Identity.String(), PdT: p.pdt.String(), TLA: us.String(),
		Session: p.id.String(), Nonce: nonce, Consent: consent, Exporter: hex.EncodeToString(exporter),
		Now: time.Now()}, err
}

// proverFor returns what proves the user on the outer link of this attempt; nil = none does. Only a start that a user
// began has one: a further link of a session asks nobody anything (C4).
func (a *attempt) proverFor(outer *tls.Conn, limit *standstill) link.Prover {
	switch {
	case a.again != nil:
		return nil
	case a.test:
		return asking{}
	}
	a.user.begin()
	return &prover{a, limit, outer}
}

// asking ends a rehearsal where a start would ask the user for their code: a test has no code.
type asking struct{}

var errAsking = errors.New("a start would ask the user for their code now")

// Ready implements link.Prover.
func (asking) Ready(context.Context) error { return errAsking }

// Prove implements link.Prover.
func (asking) Prove(context.Context, string, string) (string, error) { return "", errAsking }

// asked is how far a rehearsal got: a gateway let us in so far that it wants the user's proof.
type asked struct {
	gateway string
	peers   []*trust.Peer
}

func (a *asked) Error() string { return errAsking.Error() }
