package tla

import (
	"crypto"
	"errors"
	"time"

	"tlagate/pki"
	"tlagate/session/consent"
)

// Act is the local act of the user behind a start (C4).
type Act struct {
	Kind consent.Act
	By   string // the user, as this machine knows them: "uid 1000"; "" = not known
	PdT  string // which PdT they chose, one of Config.PdTs; "" = the first
}

// consent signs, with the device's key, that the user asked for this session (C4). It is the last thing before the
// gateway joins, and is made over the gateway's nonce.
func (a *attempt) consent(nonce string) (string, error) {
	pair := a.cfg.Party.Certificate()
	key, ok := pair.PrivateKey.(crypto.Signer)
	if !ok {
		return "", errors.New("cannot sign the user's consent: the key of our certificate cannot sign")
	}
	us, err := pki.IdentityOf(a.own)
	if err != nil {
		return "", err
	}
	return consent.Sign(consent.Statement{TLA: us.String(), PdT: a.pdt.String(), Session: a.id.String(), Nonce: nonce,
		Act: a.act.Kind, By: a.act.By, At: time.Now()}, key)
}
