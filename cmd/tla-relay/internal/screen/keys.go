package screen

import (
	tea "charm.land/bubbletea/v2"

	"tlagate/tla"
)

// keyOf returns the name of a key, the same on keyboard and numeric keypad: "enter", "esc", a digit, "+", "-", "/",
// "."; for other keys, bubbletea's name.
func keyOf(k tea.Key) string {
	switch {
	case k.Mod.Contains(tea.ModCtrl) && k.Code == 'c':
		return "quit"
	case k.Code == tea.KeyEnter, k.Code == tea.KeyKpEnter:
		return "enter"
	case k.Code == tea.KeyEscape:
		return "esc"
	case k.Code >= tea.KeyKp0 && k.Code <= tea.KeyKp9:
		return string('0' + k.Code - tea.KeyKp0)
	}
	if name, ok := keypad[k.Code]; ok {
		return name
	}
	return k.String()
}

var keypad = map[rune]string{tea.KeyKpPlus: "+", tea.KeyKpMinus: "-", tea.KeyKpDivide: "/", tea.KeyKpDecimal: "."}

// key acts on a key as the present page says.
func (m model) key(k string) (tea.Model, tea.Cmd) {
	no := k == "0" || k == "esc"
	switch {
	case k == "quit":
		return m, tea.Quit
	case m.status == nil || m.down != nil:
		return m, nil
	case m.status.PIN != nil && m.status.PIN.Pad: // what is typed now is meant for the reader
		return m, nil
	case m.lastTry():
		return m.keyLastTry(k)
	case m.stopping:
		return m.keyStopping(k, no)
	case m.pinTaken() && k == "enter": // ask the relay once more; with one try left, its page comes first
		m.pinAt = 0
		return m.pinNow()
	case m.fault != nil && m.state() != tla.StateIdle: // any key takes the message away, and does nothing else
		m.fault = nil
		return m, nil
	}
	switch m.state() {
	case tla.StateUp, tla.StateReconnecting:
		return m.keyUp(k, no)
	case tla.StateStarting, tla.StateRehearsing:
		if no {
			return m, m.do("stop")
		}
	case tla.StateIdle:
		return m.keyIdle(k, no)
	}
	return m, nil
}

// keyIdle acts on a key without a session: Enter starts, digits choose, + tests, 0 takes a message away.
func (m model) keyIdle(k string, no bool) (tea.Model, tea.Cmd) {
	switch {
	case k == "enter" && m.now.Sub(m.endedAt) < deafTime:
		return m, nil
	case k == "enter":
		return m.begin("start")
	case k == "+":
		return m.begin("check")
	case no:
		return m.cleared(), nil
	case k == "-" && len(m.status.PdTs) > pageOfPdTs:
		m.choice = (m.choice/pageOfPdTs + 1) * pageOfPdTs
		if m.choice >= len(m.status.PdTs) {
			m.choice = 0
		}
	case len(k) == 1 && k[0] >= '1' && k[0] <= '9':
		if at := m.choice/pageOfPdTs*pageOfPdTs + int(k[0]-'1'); at < len(m.status.PdTs) {
			m.choice = at
		}
	}
	return m, nil
}

func (m model) begin(command string) (tea.Model, tea.Cmd) {
	m = m.cleared()
	m.busy = command
	return m, m.do(command)
}

// cleared returns m without the messages that the user has seen.
func (m model) cleared() model {
	m.failed, m.rehearsal, m.fault, m.note = nil, nil, nil, ""
	if m.status.Last != nil {
		m.seen = m.status.Last.At
	}
	return m
}

// keyUp acts on a key in a session: 0 asks whether to end it; while the relay asks, Enter stays.
func (m model) keyUp(k string, no bool) (tea.Model, tea.Cmd) {
	switch {
	case no:
		m.stopping = true
	case (m.asked() || m.keepable()) && k == "enter":
		return m, m.do("stay")
	}
	return m, nil
}

func (m model) keyStopping(k string, no bool) (tea.Model, tea.Cmd) {
	switch {
	case k == "enter":
		m.stopping = false
		return m, m.do("stop")
	case no:
		m.stopping = false
	}
	return m, nil
}

func (m model) keyLastTry(k string) (tea.Model, tea.Cmd) {
	switch k {
	case "enter":
		return m.openPIN(true)
	case "0", "esc", "/":
		return m.openPIN(false)
	}
	return m, nil
}

// keepable reports whether the session ends soon unless the user says that they are there.
func (m model) keepable() bool {
	n := m.status.Session
	return n != nil && n.Warning != nil && (n.Warning.Code == tla.CodeInactive || n.Warning.Code == tla.CodeAbsent)
}

// asked reports whether the relay asks if the user is there.
func (m model) asked() bool {
	return m.status != nil && m.status.Session != nil && m.status.Session.Ask != nil
}
