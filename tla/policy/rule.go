package policy

import (
	"errors"
	"fmt"

	"tlagate/session"
)

// check refuses a rule that reads as if it did something but never can: its author believes otherwise.
func (r *rule) check() error {
	if !r.cla.some(func(b byte) bool { return (command{cla: b}).plainClass() == b }) {
		return errors.New("no class fits: channel and chaining are no part of it, write 00")
	}
	for _, d := range r.data {
		if n := len(d.octets); r.lc.given && (n > r.lc.most || n < r.lc.least && !d.open) {
			return fmt.Errorf("lc excludes data of %d octets", n)
		}
	}
	if r.action != Allow {
		return nil
	}
	if r.ins.mask == 0xFF && r.carriesPIN() {
		return errors.New(`what carries a PIN is never allowed (SP4): write local-pin, or for the tries left of VERIFY lc: "0"`)
	}
	if r.ins.mask != 0xFF && !r.ins.some(func(b byte) bool { return !(command{ins: b}).veiled() }) {
		return errors.New("an ENVELOPE or odd instruction must be named: write it without mask")
	}
	return nil
}

// carriesPIN reports, of a rule for one instruction, whether every command with data that fits it would be stopped
// before any policy.
func (r *rule) carriesPIN() bool {
	with := session.CarriesPIN([]byte{0, r.ins.value, 0, 0, 1, 0})
	without := session.CarriesPIN([]byte{0, r.ins.value, 0, 0})
	return without || with && (!r.lc.given || r.lc.most > 0)
}

// some reports whether any octet that fits also has a property.
func (p pattern) some(has func(byte) bool) bool {
	for b := range 256 {
		if p.fits(byte(b)) && has(byte(b)) {
			return true
		}
	}
	return false
}
