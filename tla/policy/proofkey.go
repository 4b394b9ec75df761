package policy

import (
	"errors"
	"fmt"
)

// ProofKey is whether programs of the Poste de Travail may sign with the key by which the user proves who they are.
type ProofKey string

// The settings of proof-key.
const (
	// Shared is the default: online services of the health insurance use that key. Each such signature is told
	// (Hooks.Signed).
	Shared ProofKey = "shared"
	// Reserved keeps the key for proofs: what may sign with it is refused.
	Reserved ProofKey = "reserved"
)

func (w Profile) checkProofKey() error {
	switch w.ProofKey {
	case "", Shared:
		return nil
	case Reserved:
		if len(w.Proof) == 0 {
			return errors.New("proof-key: reserved names no key: the profile has no proof")
		}
		return nil
	}
	return fmt.Errorf("proof-key: %q is none of %s, %s", w.ProofKey, Shared, Reserved)
}

// Instructions that sign, or choose a key for it; each also has an odd form, whose data are BER-TLV.
const (
	oddGeneralAuthenticate  = 0x87
	oddInternalAuthenticate = 0x89
	oddManageEnvironment    = 0x23
	oddSecurityOperation    = 0x2B
)

// Control reference templates that choose a private key.
const (
	forAuthentication = 0xA4
	forSignature      = 0xB6
	forDeciphering    = 0xB8
)

// proofKeys follows which key the card would use next. What it does not know for certain to be another key counts as
// that of the proof: cards have environments of their own making, and default ones.
type proofKeys struct {
	reserved bool
	slots    map[byte]bool // of PIV: keys of proofs
	refs     map[byte]bool // references, without the bit that says "of the application"
	opaque   bool          // an environment of a proof is not as ISO 7816-8 has it: who knows what its key is called

	other map[int]map[byte]bool // by channel and template: another key was chosen
}

// global leaves out of a key's reference whether it is of the application or of the card.
func global(ref byte) byte { return ref &^ 0x80 }

func newProofKeys(reserved bool, apps []Application) *proofKeys {
	k := &proofKeys{reserved: reserved, slots: map[byte]bool{}, refs: map[byte]bool{}, other: map[int]map[byte]bool{}}
	for _, a := range apps {
		switch {
		case a.Verb == GeneralAuthenticate:
			k.slots[a.Key] = true
		case keyIn(a.Environment[2:]) == int(a.Key):
			k.refs[global(a.Key)] = true
		default:
			k.opaque = true
		}
	}
	return k
}

// unnamed says that a template names no key, or not one that can be told.
const unnamed = -1

// keyIn returns the one key that a control reference template names.
func keyIn(template []byte) int {
	key := unnamed
	for len(template) > 0 {
		if len(template) < 2 || len(template) < 2+int(template[1]) || template[1] >= 0x80 {
			return unnamed
		}
		tag, value := template[0], template[2:2+int(template[1])]
		template = template[2+len(value):]
		switch {
		case tag == 0x80 && len(value) == 1: // the algorithm
		case (tag == 0x83 || tag == 0x84) && len(value) == 1 && key == unnamed:
			key = int(value[0])
		default:
			return unnamed
		}
	}
	return key
}

// mayUse reports whether a command may have the card use the key of a proof. No rule can allow an ENVELOPE, which could
// hide it.
func (k *proofKeys) mayUse(c command) bool {
	signs := k.opaque || len(k.refs) > 0
	switch c.ins | 1 {
	case oddGeneralAuthenticate:
		return k.slots[c.p2] || len(k.slots) > 0 && c.p2 == 0
	case oddInternalAuthenticate:
		return signs && (k.refs[global(c.p2)] || !k.chosen(c, forAuthentication))
	case oddSecurityOperation:
		return signs && k.operates(c)
	}
	return false
}

// operates reports whether a PERFORM SECURITY OPERATION may use the key. One that returns nothing, and a hash, use
// none.
func (k *proofKeys) operates(c command) bool {
	switch c.p1 {
	case 0x00, 0x90:
		return false
	case 0x80:
		return !k.chosen(c, forDeciphering)
	}
	return !k.chosen(c, forSignature)
}

// chosen reports whether it is certain that a template of the command's channel names another key.
func (k *proofKeys) chosen(c command, template byte) bool { return k.other[c.channel()][template] }

// judge refuses what may use a key that is reserved.
func (k *proofKeys) judge(c command, v Verdict, refuse [2]byte) Verdict {
	if v.Action == Allow && k.reserved && k.mayUse(c) {
		v.Action, v.Answer = Refuse, refuse
		v.Why = "it may sign with the key by which the user proves who they are (proof-key: reserved)"
	}
	return v
}

// note takes in what a command has changed.
func (k *proofKeys) note(c command, response []byte, err error) {
	switch {
	case c.ins|1 == oddManageEnvironment:
		k.environment(c, err == nil && string(response) == "\x90\x00")
	case c.hides():
		k.forget()
	case c.ins == insSelect && (err != nil || !failed(response)):
		delete(k.other, c.channel())
	case c.ins == insManageChannel:
		k.forget()
	}
}

// environment takes in a MANAGE SECURITY ENVIRONMENT. Only SET for what a private key does, in clear, well-formed and
// answered without a warning, tells of a key: one that is set to verify with (81) or for messages leaves it.
func (k *proofKeys) environment(c command, done bool) {
	const set = 0x41 // P1
	channel := c.channel()
	if c.p1 != set || c.ins != oddManageEnvironment&^1 || c.secure() || c.proprietary() {
		delete(k.other, channel)
		return
	}
	key := keyIn(c.data)
	if !done || key == unnamed || k.refs[global(byte(key))] || k.opaque {
		delete(k.other[channel], c.p2)
		return
	}
	if k.other[channel] == nil {
		k.other[channel] = map[byte]bool{}
	}
	k.other[channel][c.p2] = true
}

func (k *proofKeys) forget() { clear(k.other) }
