package cardsim

import "encoding/hex"

// Applications of a Vitale card (public AIDs).
const (
	AIDVitale   = "D250000002564954414C45"       // "VITALE"
	AIDVitaleMF = "D2500000024D465F564954414C45" // "MF_VITALE", the MF's name
	AIDVitaleCP = "D2500000044164E86C650101"
)

// vitaleATR is a Vitale 2's. It has no check byte, because it offers T=0 alone.
const vitaleATR = "3B751300004509EA9000"

// VitaleConfig makes one card different from another.
type VitaleConfig struct {
	// Serial is in every file. "" = "0000000001".
	Serial string
}

// Vitale is a T=0 card with transparent files. It follows the TPDU rules of its protocol: SELECT announces its response
// data by 61xx, GET RESPONSE fetches it, and a wrong Le is answered 6Cxx.
type Vitale struct {
	ledger
	tree []*folder // the MF first

	// Owned by the caller of Process.
	folder  *folder
	file    *file // nil: no current EF
	waiting []byte
}

// NewVitale returns a card with the contents of its serial number.
func NewVitale(cfg VitaleConfig) *Vitale {
	if cfg.Serial == "" {
		cfg.Serial = "0000000001"
	}
	v := &Vitale{tree: vitaleTree(cfg.Serial)}
	v.forget()
	return v
}

// Content returns what a program must read from an EF of the application aid (hex); nil when there is none.
func (v *Vitale) Content(aid string, fid uint16) []byte {
	for _, d := range v.tree {
		if hex.EncodeToString(d.aid) != lower(aid) {
			continue
		}
		if f := d.byFID(fid); f != nil {
			return append([]byte(nil), f.body...)
		}
	}
	return nil
}

// ATR implements [Card].
func (v *Vitale) ATR() []byte { return unhex(vitaleATR) }

// PowerOn implements [Card].
func (v *Vitale) PowerOn() { v.count(func(c *Counts) { c.PowerOns++ }); v.forget() }

// PowerOff implements [Card].
func (v *Vitale) PowerOff() { v.count(func(c *Counts) { c.PowerOffs++ }); v.forget() }

// Reset implements [Card].
func (v *Vitale) Reset() { v.count(func(c *Counts) { c.Resets++ }); v.forget() }

func (v *Vitale) forget() { v.folder, v.file, v.waiting = v.tree[0], nil, nil }

// Process implements [Card].
func (v *Vitale) Process(cmd []byte) []byte {
	resp := v.execute(cmd)
	v.executed(cmd, resp)
	return resp
}

func (v *Vitale) execute(cmd []byte) []byte {
	a, sw := parse(cmd)
	if sw != swOK {
		return status(sw)
	}
	waiting := v.waiting
	v.waiting = nil
	switch {
	case a.cla != 0:
		return status(swUnknownCLA)
	case a.ins == insSelect:
		return v.selectFile(a)
	case a.ins == insReadBinary:
		return v.readBinary(a)
	case a.ins == insGetResponse:
		return v.getResponse(a, waiting)
	}
	return status(swUnknownINS)
}

// selectFile answers SELECT with 61xx: the file control information waits for GET RESPONSE.
func (v *Vitale) selectFile(a apdu) []byte {
	if a.p2 != 0x00 && a.p2 != 0x0C {
		return status(swWrongP1P2)
	}
	info, sw := v.enter(a)
	if sw != swOK || a.p2 == 0x0C {
		return status(sw)
	}
	v.waiting = info
	return status(bytesLeft(len(info)))
}

// enter changes the current file; after an error it is the one that it was.
func (v *Vitale) enter(a apdu) ([]byte, uint16) {
	switch a.p1 {
	case 0x00:
		return v.enterByFID(a.data)
	case 0x04:
		return v.enterByAID(a.data)
	}
	return nil, swWrongP1P2
}

func (v *Vitale) enterByFID(id []byte) ([]byte, uint16) {
	if len(id) == 0 {
		id = []byte{0x3F, 0x00}
	}
	if len(id) != 2 {
		return nil, swWrongLength
	}
	fid := uint16(id[0])<<8 | uint16(id[1])
	if f := v.folder.byFID(fid); f != nil {
		v.file = f
		return f.info(), swOK
	}
	for _, d := range v.tree {
		if d.fid == fid {
			v.folder, v.file = d, nil
			return d.info(), swOK
		}
	}
	return nil, swNotFound
}

func (v *Vitale) enterByAID(aid []byte) ([]byte, uint16) {
	for _, d := range v.tree {
		if string(d.aid) == string(aid) {
			v.folder, v.file = d, nil
			return d.info(), swOK
		}
	}
	return nil, swNotFound
}

// readBinary answers READ BINARY from the current EF, or with bit 8 of P1 from the EF of that short identifier, which
// becomes current.
func (v *Vitale) readBinary(a apdu) []byte {
	if len(a.data) != 0 || a.le == 0 {
		return status(swWrongLength)
	}
	offset := int(a.p1)<<8 | int(a.p2)
	if a.p1&0x80 != 0 {
		f := v.folder.bySFI(a.p1 & 0x1F)
		if f == nil {
			return status(swNotFound)
		}
		v.file, offset = f, int(a.p2)
	}
	if v.file == nil {
		return status(swNoCurrentEF)
	}
	return v.file.read(offset, a.le)
}

func (v *Vitale) getResponse(a apdu, waiting []byte) []byte {
	switch {
	case a.p1 != 0 || a.p2 != 0:
		return status(swWrongP1P2)
	case len(a.data) != 0 || a.le == 0:
		return status(swWrongLength)
	case len(waiting) == 0:
		return status(swConditions)
	case a.le > len(waiting):
		v.waiting = waiting
		return status(swExactLength | uint16(len(waiting)))
	case a.le < len(waiting):
		v.waiting = waiting[a.le:]
		return respond(waiting[:a.le], bytesLeft(len(v.waiting)))
	}
	return respond(waiting, swOK)
}
