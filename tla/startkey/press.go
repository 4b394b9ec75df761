package startkey

import "time"

// Acts are what the user does with the key. None may block: an event is judged when it comes.
type Acts interface {
	Start() bool // a session; false: there is one, or it is starting or ending
	Stay()       // the user is still there
	Stop()       // the session
}

// hand follows one key. A press that starts a session does nothing else, however long it lasts.
type hand struct {
	code       uint16
	acts       Acts
	hold, long time.Duration

	down        bool
	used        bool // this press has done its act
	start, stop <-chan time.Time
}

// see takes in an event.
func (h *hand) see(e event) {
	switch {
	case e.typ == evSyn && e.code == synDropped:
		h.forget()
	case e.typ != evKey || e.code != h.code:
	case e.value == pressed && !h.down:
		h.press()
	case e.value == released && h.down:
		h.release()
	}
}

func (h *hand) press() {
	h.down, h.used = true, false
	h.stop = time.After(h.long)
	if h.hold > 0 {
		h.start = time.After(h.hold)
		return
	}
	h.used = h.acts.Start()
}

func (h *hand) release() {
	used := h.used
	h.forget()
	if !used {
		h.acts.Stay()
	}
}

// held: the key has been down for long enough to start.
func (h *hand) held() {
	h.start = nil
	h.used = h.acts.Start()
}

// heldLong: for long enough to stop.
func (h *hand) heldLong() {
	h.stop = nil
	if !h.used {
		h.used = true
		h.acts.Stop()
	}
}

func (h *hand) forget() { h.down, h.used, h.start, h.stop = false, false, nil, nil }
