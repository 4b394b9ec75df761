package cardsign

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"

	"tlagate/tla/pin"
	"tlagate/tla/policy"
)

// Card is a card as this package needs it.
type Card interface {
	// Exchange sends a command with short lengths and returns the whole answer, whatever it takes to fetch it: data and
	// status word.
	Exchange(apdu []byte) ([]byte, error)
}

// Why a card cannot sign who its holder is.
var (
	ErrNoApplication = errors.New("the card has no application by which the card policy lets it prove its holder")
	ErrUnfitKey      = errors.New("the key of the card is not one for authentication")
)

// Key is a key of a card for authentication, and its certificate.
type Key struct {
	Certificate *x509.Certificate

	card Card
	app  policy.Application
}

// Find selects the first of the applications that the card has, and reads the certificate of its key.
func Find(card Card, apps []policy.Application) (*Key, error) {
	for _, app := range apps {
		k := &Key{card: card, app: app}
		has, err := k.selectApplication()
		if err != nil {
			return nil, err
		}
		if has {
			return k, k.readCertificate()
		}
	}
	return nil, ErrNoApplication
}

// PIN returns header and format of the VERIFY that the key wants before it signs.
func (k *Key) PIN() (header [4]byte, f pin.Format) {
	return [4]byte{k.app.Channel, insVerify, 0, k.app.PINRef}, k.app.PIN
}

// Select selects the application again: what is selected, and whether a code was verified, is then as after a reset.
func (k *Key) Select() error {
	has, err := k.selectApplication()
	if err == nil && !has {
		err = ErrNoApplication
	}
	return err
}

// selectApplication reports whether the card has the application.
func (k *Key) selectApplication() (bool, error) {
	p2, le := byte(selectNoData), noLe
	if k.app.Verb == policy.GeneralAuthenticate { // PIV knows no other
		p2, le = 0, withLe
	}
	_, sw, err := k.send(insSelect, selectByName, p2, k.app.AID, le)
	return sw == swOK, err
}

// readCertificate reads the certificate, and refuses that of a key which is not for authentication.
func (k *Key) readCertificate() error {
	text, err := k.certificate()
	if err != nil {
		return err
	}
	if k.Certificate, err = x509.ParseCertificate(text); err != nil { // whose error may quote a name in it
		return errors.New("cannot read the certificate on the card: it cannot be parsed")
	}
	const not = x509.KeyUsageContentCommitment | x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	if use := k.Certificate.KeyUsage; use&x509.KeyUsageDigitalSignature == 0 || use&not != 0 {
		return ErrUnfitKey
	}
	return nil
}

// Sign has the key sign a digest.
func (k *Key) Sign(digest [sha256.Size]byte) ([]byte, error) {
	var signature []byte
	var err error
	switch k.app.Verb {
	case policy.GeneralAuthenticate:
		signature, err = k.generalAuthenticate(digest)
	case policy.InternalAuthenticate:
		signature, err = k.inEnvironment(insInternalAuthenticate, 0, 0, digestInfo(digest))
	default:
		signature, err = k.inEnvironment(insPSO, 0x9E, 0x9A, digest[:])
	}
	if err != nil {
		return nil, fmt.Errorf("cannot have the card sign: %w", err)
	}
	return asASN1(k.Certificate.PublicKey, signature), nil
}

// inEnvironment sets the security environment, and has the key sign input.
func (k *Key) inEnvironment(ins, p1, p2 byte, input []byte) ([]byte, error) {
	e := k.app.Environment
	if _, err := k.must(insMSE, e[0], e[1], e[2:], noLe); err != nil {
		return nil, err
	}
	return k.must(ins, p1, p2, input, withLe)
}

// generalAuthenticate has a PIV key sign (SP 800-73-4, part 2, 3.2.4).
func (k *Key) generalAuthenticate(digest [sha256.Size]byte) ([]byte, error) {
	algorithm, input, err := pivInput(k.Certificate.PublicKey, digest)
	if err != nil {
		return nil, err
	}
	template := tlv(tagAuthentication, append(tlv(tagResponse, nil), tlv(tagChallenge, input)...))
	answer, err := k.must(insGeneralAuthenticate, algorithm, k.app.Key, template, withLe)
	if err != nil {
		return nil, err
	}
	inner, err := only(answer, tagAuthentication)
	if err != nil {
		return nil, err
	}
	return only(inner, tagResponse)
}

// pivInput returns the algorithm of a key (SP 800-78-4, table 6-2), and what it signs for a digest.
func pivInput(public any, digest [sha256.Size]byte) (algorithm byte, input []byte, err error) {
	switch p := public.(type) {
	case *rsa.PublicKey:
		known, ok := map[int]byte{2048: 0x07, 3072: 0x05, 4096: 0x16}[p.N.BitLen()]
		if !ok {
			return 0, nil, fmt.Errorf("%w: RSA of %d bits", ErrUnfitKey, p.N.BitLen())
		}
		input, err = encodePSS(digest, p.N.BitLen())
		return known, input, err
	case *ecdsa.PublicKey:
		switch size := p.Curve.Params().BitSize; size {
		case 256:
			return 0x11, digest[:], nil
		case 384: // as the number that it is
			return 0x14, append(make([]byte, 48-len(digest)), digest[:]...), nil
		}
	}
	return 0, nil, fmt.Errorf("%w: neither RSA nor P-256 nor P-384", ErrUnfitKey)
}
