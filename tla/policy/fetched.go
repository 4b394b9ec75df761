package policy

import (
	"bytes"
	"sync"
)

// fetched is the response that a prediction fetched from the card with GET RESPONSE, until a program asks for it or
// gives another command. The card has it no longer, so the guard answers in its place, as a card with T=0 would
// (docs/policy.md, "Read-ahead"). Guard and predictor share it, and may use it at the same time.
type fetched struct {
	mu       sync.Mutex
	command  []byte // GET RESPONSE; nil = there is none
	response []byte // owned, as is command
	went     bool   // a program has it by a promise, or has lost it, and the guard has not learnt of that
	more     bool   // of went: the card has more
}

// put keeps a copy of what a prediction fetched.
func (f *fetched) put(command, response []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wipe()
	f.command, f.response = bytes.Clone(command), bytes.Clone(response)
}

// has reports whether there is one.
func (f *fetched) has() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.command != nil
}

// answer answers a command of a program that is to reach the card: the same GET RESPONSE with the response, which the
// caller owns, and one of another length with the right one. Without ok it is for the card, which a program thereby
// asks for something else: it would have lost the response.
func (f *fetched) answer(c command, apdu []byte) (response []byte, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.command == nil:
		return nil, false
	case bytes.Equal(apdu, f.command):
		return f.take(), true
	case c.ins == insGetResponse && string(apdu[:4]) == string(f.command[:4]) && len(c.data) == 0:
		return []byte{0x6C, f.command[4]}, true
	}
	f.leave(false)
	return nil, false
}

// gave takes note of a command whose answer a program has. The response is its own if a prediction had fetched it for
// that very command.
func (f *fetched) gave(apdu []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.command != nil && bytes.Equal(apdu, f.command) {
		f.leave(true)
	}
}

// took takes note of a command that took a promise, nil = it is not known which: the response, if it is not the
// promised one, is lost, as with a card at hand.
func (f *fetched) took(apdu []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.command != nil {
		f.leave(apdu == nil || bytes.Equal(apdu, f.command))
	}
}

// lose takes note that the card executes something by which a program would have lost the response.
func (f *fetched) lose() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.command != nil {
		f.leave(false)
	}
}

// leave gives the response up; had says that a program has it. The caller holds f.mu.
func (f *fetched) leave(had bool) {
	sw1, _ := status(f.response)
	f.went, f.more = true, had && sw1 == 0x61
	f.wipe()
}

// settle reports, once, whether a response went to a program by a promise, and whether the card has more.
func (f *fetched) settle() (went, more bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	went, f.went = f.went, false
	return went, f.more
}

// drop wipes the response (EL3).
func (f *fetched) drop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wipe()
	f.went = false
}

// take takes the response out. The caller holds f.mu.
func (f *fetched) take() (response []byte) {
	response, f.command, f.response = f.response, nil, nil
	return response
}

// wipe wipes the response. The caller holds f.mu.
func (f *fetched) wipe() { clear(f.take()) }
