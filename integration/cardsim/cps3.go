package cardsim

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
)

// Applications of a CPS3 (public AIDs).
const (
	AIDCPSRoot = "8025000001FF0100"           // the master file's name
	AIDCPS     = "E828BD080F8025000001FF0010" // PKCS#15
)

const (
	cps3ATR = "3BAC00402A001225006480000310009000" // T=0 alone, so without check byte

	fidRoot = 0x3F00
	fidCPS  = 0x0001
)

// Key references of a CPS3. The bit 0x80 says: of the application.
const (
	KeyCPSSignature      = 0x81 // for signatures that its person wants (PERFORM SECURITY OPERATION)
	KeyCPSAuthentication = 0x82 // for INTERNAL AUTHENTICATE, and to decipher
)

// CPS3 is a card of the IAS-ECC family with the ATR of a CPS3: T=0, a file tree, PKCS#15, one PIN and two RSA keys,
// each for its own use. It was written from public sources alone: ISO/IEC 7816, OpenSC's driver for such cards, and
// what its users reported of theirs. What they leave open is not what a real card does: numbers of the files of PKCS#15
// and of the certificates, and that the PIN is padded to eight octets and has the references 01 and 81.
type CPS3 struct {
	ledger
	root, app *folder
	keys      map[byte]*iasKey
	issuer    *x509.Certificate

	// Owned by the caller of Process.
	pin secret // in EEPROM: it survives resets
	iasState
}

// iasKey is a private key, and what it may be used for.
type iasKey struct {
	key  *rsa.PrivateKey
	cert *x509.Certificate
	uses map[byte]bool // by tag of the control reference template
}

// iasState is what a reset clears.
type iasState struct {
	folder   *folder
	file     *file            // nil: no current EF
	verified bool             // the PIN
	env      map[byte]iasRefs // by tag of the control reference template; SELECT of a DF clears it
	hash     []byte           // of PERFORM SECURITY OPERATION: HASH
	transport
}

// iasRefs is a control reference template.
type iasRefs struct{ key, algorithm byte }

// NewCPS3 makes a card with certificates of a fictitious person.
func NewCPS3(cfg CPSConfig) (*CPS3, error) {
	cfg = cfg.withDefaults()
	c := &CPS3{pin: newSecret(cfg.PIN)}
	if err := c.personalise(cfg); err != nil {
		return nil, fmt.Errorf("cannot make a simulated CPS3: %w", err)
	}
	c.forget()
	return c, nil
}

// Certificate returns a key's (KeyCPSSignature …); nil when there is none.
func (c *CPS3) Certificate(ref byte) *x509.Certificate {
	if k := c.keys[ref]; k != nil {
		return k.cert
	}
	return nil
}

// Issuer returns the throw-away CA of this card's certificates, but for one that [CPSConfig] has another issue.
func (c *CPS3) Issuer() *x509.Certificate { return c.issuer }

// ATR implements [Card].
func (c *CPS3) ATR() []byte { return unhex(cps3ATR) }

// PowerOn implements [Card].
func (c *CPS3) PowerOn() { c.count(func(n *Counts) { n.PowerOns++ }); c.forget() }

// PowerOff implements [Card].
func (c *CPS3) PowerOff() { c.count(func(n *Counts) { n.PowerOffs++ }); c.forget() }

// Reset implements [Card].
func (c *CPS3) Reset() { c.count(func(n *Counts) { n.Resets++ }); c.forget() }

func (c *CPS3) forget() { c.iasState = iasState{folder: c.root, env: map[byte]iasRefs{}} }

// Process implements [Card].
func (c *CPS3) Process(cmd []byte) []byte {
	resp := c.execute(cmd)
	c.executed(cmd, resp)
	return resp
}

func (c *CPS3) execute(cmd []byte) []byte {
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

// Instructions of IAS-ECC that no other personality has.
const (
	insMSE          = 0x22
	insPSO          = 0x2A
	insGetChallenge = 0x84
	insInternalAuth = 0x88
)

func (c *CPS3) perform(a apdu) []byte {
	waiting := c.waiting
	c.waiting = nil
	switch a.ins {
	case insGetResponse:
		return c.getResponse(a, waiting)
	case insSelect:
		return c.selectFile(a)
	case insReadBinary:
		return c.readBinary(a)
	case insGetData:
		return c.getData(a)
	case insVerify:
		return status(c.verify(a))
	case insMSE:
		return status(c.manage(a))
	case insPSO:
		return c.operate(a)
	case insInternalAuth:
		return c.internalAuthenticate(a)
	case insGetChallenge:
		return c.challenge(a)
	}
	return status(swUnknownINS)
}

func (c *CPS3) getResponse(a apdu, waiting []byte) []byte {
	switch {
	case a.p1 != 0 || a.p2 != 0:
		return status(swWrongP1P2)
	case len(a.data) != 0 || a.le == 0:
		return status(swWrongLength)
	}
	return c.give(waiting, a.le)
}

func (c *CPS3) challenge(a apdu) []byte {
	if a.p1 != 0 || a.p2 != 0 {
		return status(swWrongP1P2)
	}
	if len(a.data) != 0 || a.le == 0 {
		return status(swWrongLength)
	}
	octets := make([]byte, a.le)
	_, _ = rand.Read(octets) // never fails
	return respond(octets, swOK)
}

// How SELECT names what it selects (P1), and what it returns (P2).
const (
	selectByFID  = 0x00
	selectEF     = 0x02
	selectByName = 0x04
	selectByPath = 0x09
	withFCP      = 0x04
	withoutData  = 0x0C
)

// selectFile answers SELECT. Without P2 04 it returns nothing.
func (c *CPS3) selectFile(a apdu) []byte {
	if a.p2 != 0 && a.p2 != withFCP && a.p2 != withoutData {
		return status(swWrongP1P2)
	}
	folder, f, sw := c.find(a.p1, a.data)
	if sw != swOK {
		return status(sw)
	}
	if folder != c.folder {
		c.folder, c.env, c.hash = folder, map[byte]iasRefs{}, nil
	}
	c.file = f
	if a.p2 != withFCP {
		return status(swOK)
	}
	return c.give(fcp(folder, f), a.le)
}

// find returns the DF that is current after a SELECT, and the EF; nil = none.
func (c *CPS3) find(how byte, id []byte) (*folder, *file, uint16) {
	switch how {
	case selectByFID:
		if len(id) == 0 {
			return c.root, nil, swOK
		}
		return c.walk(c.folder, id, true)
	case selectEF:
		switch {
		case len(id) != 2:
			return nil, nil, swWrongLength
		case bytes.Equal(id, fidBytes(fidRoot)): // no EF, but OpenSC returns to the master file so
			return c.root, nil, swOK
		}
		return c.walk(c.folder, id, false)
	case selectByName:
		for _, d := range []*folder{c.root, c.app} {
			if bytes.Equal(id, d.aid) {
				return d, nil, swOK
			}
		}
		return nil, nil, swNotFound
	case selectByPath:
		if len(id) == 0 {
			return nil, nil, swWrongLength
		}
		return c.walk(c.folder, id, true)
	}
	return nil, nil, swWrongP1P2
}

// walk follows a path, from the master file if it begins with that, else from a DF.
func (c *CPS3) walk(from *folder, path []byte, folders bool) (*folder, *file, uint16) {
	for len(path) > 0 {
		if len(path)%2 != 0 {
			return nil, nil, swWrongLength
		}
		fid := uint16(path[0])<<8 | uint16(path[1])
		path = path[2:]
		f := from.byFID(fid)
		switch {
		case f != nil && len(path) == 0:
			return from, f, swOK
		case folders && fid == fidRoot:
			from = c.root
		case folders && fid == fidCPS && (from == c.root || from == c.app):
			from = c.app
		default:
			return nil, nil, swNotFound
		}
	}
	return from, nil, swOK
}

// readBinary answers READ BINARY from the current EF, or with bit 8 of P1 from the EF of that short identifier.
func (c *CPS3) readBinary(a apdu) []byte {
	if len(a.data) != 0 || a.le == 0 {
		return status(swWrongLength)
	}
	offset := int(a.p1)<<8 | int(a.p2)
	if a.p1&0x80 != 0 {
		f := c.folder.bySFI(a.p1 & 0x1F)
		if f == nil {
			return status(swNotFound)
		}
		c.file, offset = f, int(a.p2)
	}
	if c.file == nil {
		return status(swNoCurrentEF)
	}
	return c.file.read(offset, a.le)
}

// fcp returns the file control parameters of a DF or, unless nil, of an EF in it: anybody may read, nobody may change.
func fcp(d *folder, f *file) []byte {
	rights := tlv(0xA1, tlv(0x8C, unhex("7BFFFFFFFFFF00")))
	const activated = 0x05
	if f == nil {
		return tlv(0x62, tlv(0x82, []byte{0x38}), tlv(0x83, fidBytes(d.fid)), tlv(0x84, d.aid), rights,
			tlv(0x8A, []byte{activated}))
	}
	size := []byte{byte(len(f.body) >> 8), byte(len(f.body))}
	sfi := tlv(0x88, []byte{f.sfi << 3})
	if f.sfi == 0 {
		sfi = tlv(0x88)
	}
	return tlv(0x62, tlv(0x80, size), tlv(0x82, []byte{0x01}), tlv(0x83, fidBytes(f.fid)), sfi, rights,
		tlv(0x8A, []byte{activated}))
}
