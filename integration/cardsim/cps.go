package cardsim

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
)

const (
	cpsATR = "3B9B188001001225006480040100009044" // of a CPS4: T=0 and T=1
	// AIDPIV names the PIV application.
	AIDPIV = "A000000308000010000100"
)

// Instructions of PIV.
const (
	insVerify        = 0x20
	insChange        = 0x24
	insResetCounter  = 0x2C
	insAuthenticate  = 0x87
	insGetData       = 0xCB
	defaultPIN       = "1234"
	defaultPUK       = "12345678"
	cpsDefaultSerial = "0000000001"
)

// CPSConfig makes one card different from another.
type CPSConfig struct {
	// Serial is part of the names and identifiers of the card. "" = "0000000001".
	Serial string
	// PIN has four to eight digits. "" = "1234".
	PIN string
	// PUK has eight digits. "" = "12345678".
	PUK string
	// Key is the RSA key of the person's certificate. nil = one that all cards of this process share.
	Key *rsa.PrivateKey
	// Certify has a CA of the caller's issue the person's certificate, that of 9A, for a key. nil = a throw-away CA of
	// the card's own does.
	Certify func(key crypto.PublicKey) (*x509.Certificate, error)
}

// CPS is a PIV card (NIST SP 800-73-4) with the ATR of a CPS4. It has the four usual certificates: 9A (RSA-2048, after
// the PIN), 9C (P-256, PIN each time), 9D (P-256, key agreement after the PIN) and 9E (P-256, no PIN).
//
// It treats T=0 and T=1 alike: a command without Le is answered 61xx, one with Le is answered with data, and with 61xx
// for what is left.
type CPS struct {
	ledger
	keys    map[byte]*pivKey
	objects map[string]object
	issuer  *x509.Certificate

	// Owned by the caller of Process.
	pin, puk secret // in EEPROM: they survive resets
	session
}

// session is what a reset clears.
type session struct {
	selected bool // the PIV application
	verified bool // the PIN
	fresh    bool // the PIN, by the command before this one
	transport
}

// NewCPS makes a card with new keys and certificates of a fictitious person.
func NewCPS(cfg CPSConfig) (*CPS, error) {
	cfg = cfg.withDefaults()
	c := &CPS{pin: newSecret(cfg.PIN), puk: newSecret(cfg.PUK)}
	if err := c.personalise(cfg); err != nil {
		return nil, err
	}
	return c, nil
}

func (cfg CPSConfig) withDefaults() CPSConfig {
	for field, value := range map[*string]string{
		&cfg.Serial: cpsDefaultSerial, &cfg.PIN: defaultPIN, &cfg.PUK: defaultPUK,
	} {
		if *field == "" {
			*field = value
		}
	}
	return cfg
}

// ATR implements [Card].
func (c *CPS) ATR() []byte { return unhex(cpsATR) }

// PowerOn implements [Card].
func (c *CPS) PowerOn() { c.count(func(n *Counts) { n.PowerOns++ }); c.session = session{} }

// PowerOff implements [Card].
func (c *CPS) PowerOff() { c.count(func(n *Counts) { n.PowerOffs++ }); c.session = session{} }

// Reset implements [Card].
func (c *CPS) Reset() { c.count(func(n *Counts) { n.Resets++ }); c.session = session{} }

// Process implements [Card].
func (c *CPS) Process(cmd []byte) []byte {
	resp := c.execute(cmd)
	c.executed(cmd, resp)
	return resp
}

func (c *CPS) execute(cmd []byte) []byte {
	a, sw := parse(cmd)
	if sw != swOK {
		return status(sw)
	}
	if a.cla&^chaining != 0 {
		return status(swUnknownCLA)
	}
	a, done, sw := c.unchain(a)
	if sw != swOK || !done {
		return status(sw)
	}
	return c.perform(a)
}

func (c *CPS) perform(a apdu) []byte {
	waiting, fresh := c.waiting, c.fresh
	c.waiting, c.fresh = nil, false
	if a.ins == insSelect {
		return c.selectApplication(a)
	}
	if !c.selected {
		return status(swUnknownINS)
	}
	switch a.ins {
	case insGetResponse:
		return c.give(waiting, a.le)
	case insGetData:
		return c.getData(a)
	case insVerify:
		return status(c.verify(a))
	case insChange:
		return status(c.change(a))
	case insResetCounter:
		return status(c.resetCounter(a))
	case insAuthenticate:
		return c.authenticate(a, fresh)
	}
	return status(swUnknownINS)
}

// selectApplication answers SELECT with the PIV AID, in full or without its version.
func (c *CPS) selectApplication(a apdu) []byte {
	full := unhex(AIDPIV)
	switch {
	case a.p1 != 0x04:
		return status(swNotFound) // no file tree
	case string(a.data) != string(full) && string(a.data) != string(full[:9]):
		return status(swNotFound)
	case a.p2 != 0x00:
		return status(swWrongP1P2)
	}
	c.selected = true
	return c.give(applicationTemplate(full), a.le)
}

func applicationTemplate(aid []byte) []byte {
	return tlv(0x61,
		tlv(0x4F, aid[5:]),
		tlv(0x50, []byte("tlagate cardsim")),
		tlv(0x79, tlv(0x4F, aid[:5])))
}

// getData answers GET DATA with the object of a tag: 5C 03 5FC105, for example.
func (c *CPS) getData(a apdu) []byte {
	if a.p1 != 0x3F || a.p2 != 0xFF {
		return status(swWrongP1P2)
	}
	tag, name, rest, err := cutTLV(a.data)
	if err != nil || tag != 0x5C || len(rest) != 0 {
		return status(swBadData)
	}
	o, ok := c.objects[string(name)]
	switch {
	case !ok:
		return status(swNotFound)
	case o.needsPIN && !c.verified:
		return status(swNotSatisfied)
	}
	return c.give(o.content, a.le)
}
