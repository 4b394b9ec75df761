package startkey

import "time"

// Acts are what the user does with the key. None may block: an event is judged when it comes.
type Acts interface {
	Start() bool // starts a session; false: there is one already, or it is starting or ending
	Stay()       // says that the user is still there
	Stop()       // ends the session
}

// presses follows the presses of one key. One that starts a session does nothing else, however long it lasts.
type presses struct {
	code       uint16
	acts       Acts
	hold, long time.Duration

	down        bool
	used        bool // this press has done its act
	start, stop <-chan time.Time
}

// see takes in an event.
func (p *presses) see(e event) {
	switch {
	case e.typ == evSyn && e.code == synDropped:
		p.forget()
	case e.typ != evKey || e.code != p.code:
	case e.value == pressed && !p.down:
		p.press()
	case e.value == released && p.down:
		p.release()
	}
}

func (p *presses) press() {
	p.down, p.used = true, false
	p.stop = time.After(p.long)
	if p.hold > 0 {
		p.start = time.After(p.hold)
		return
	}
	p.used = p.acts.Start()
}

func (p *presses) release() {
	used := p.used
	p.forget()
	if !used {
		p.acts.Stay()
	}
}

// held starts a session: the key has been down for Hold.
func (p *presses) held() {
	p.start = nil
	p.used = p.acts.Start()
}

// heldLong ends the session, unless this press started it: the key has been down for Long.
func (p *presses) heldLong() {
	p.stop = nil
	if !p.used {
		p.used = true
		p.acts.Stop()
	}
}

func (p *presses) forget() { p.down, p.used, p.start, p.stop = false, false, nil, nil }
