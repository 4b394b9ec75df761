package policy

import "fmt"

// predictor expects what a program will read next (docs/policy.md, "Read-ahead"): the next part of a file that it reads
// part by part, and what the card said to ask for instead; if the profile says so, what waits to be fetched, and the
// beginning and the records of the files that it lists. It implements session.Predictor.
type predictor struct {
	profile   *profile
	fetched   *fetched
	on        bool
	responses bool // what waits is fetched

	given trail // after the commands that the program gave
	head  trail // and after the predictions that it may give next

	hidden  bool           // since the reset there was something of which only the card knows what it was
	ended   bool           // a prediction went past the end of a file whose length was not known
	wrong   bool           // or of one whose length was thought to be known
	lengths map[string]int // of files, by how they were found since the insertion
}

// trail is what the last commands tell of the next.
type trail struct {
	read     command // the last READ BINARY of the current EF, if it was successful and full
	row      int     // how many of these there were in a row, each where the one before had ended; 0 = none
	length   int     // of the current EF, if it is known; 0 = not
	exact    []byte  // what the card wants to be asked instead (6Cxx); nil = nothing
	waits    []byte  // the GET RESPONSE for what waits at the card (61xx); nil = nothing does
	fetching bool    // what waits is that of a SELECT, and will tell the length
	at       string  // the SELECTs since the reset, or the last by name; lost = not known
	file     string  // and how the current EF was found from there
	app      string  // selected, as the guard has it
	listed   *listed // the current EF, if the profile lists it
	fresh    bool    // it was selected, and nothing else happened since
	record   command // the last READ RECORD by its number, if it was successful and nothing else happened since
}

const (
	insReadBinary = 0xB0
	insGetData    = 0xCA

	inARow    = 2       // reads after which the next one is predicted
	maxOffset = 1 << 15 // of READ BINARY without a short identifier
	maxTrail  = 64      // octets that name a file
	maxFiles  = 64      // whose length is remembered
	lost      = "?"
	sfiBit    = 0x80 // in P1: the rest of it is a short identifier
)

// newPredictor returns the predictor for a card of that profile; nil = none, and nothing is predicted.
func newPredictor(p *profile, f *fetched) *predictor {
	if p == nil {
		p = &profile{ahead: Ahead{Reads: Off}}
	}
	return &predictor{profile: p, fetched: f, on: p.ahead.Reads != Off, responses: p.ahead.Responses == On,
		lengths: map[string]int{}}
}

// Gave implements session.Predictor.
func (p *predictor) Gave(apdu, response []byte) {
	c, err := parse(apdu)
	if err != nil || response == nil {
		p.Lose()
	}
	if err == nil {
		p.hidden = p.hidden || c.secure() || c.veiled()
	}
	if err == nil && response != nil {
		p.fetched.gave(apdu)
		p.follow(&p.given, c, apdu, response)
	}
	p.Drop()
}

// Took implements session.Predictor. Nothing was predicted beyond a response of which the card has more.
func (p *predictor) Took(apdu, response []byte) {
	p.fetched.took(apdu)
	if c, err := parse(apdu); err == nil {
		p.follow(&p.given, c, apdu, response)
	}
	if p.given.waits != nil {
		p.Drop()
	}
}

// Missed implements session.Predictor.
func (p *predictor) Missed() {
	p.fetched.took(nil)
	p.Lose()
}

// Predicted implements session.Predictor.
func (p *predictor) Predicted(apdu, response []byte) {
	c, err := parse(apdu)
	if err != nil {
		return
	}
	asked, known := p.head.exact != nil, p.head.length > 0
	p.follow(&p.head, c, apdu, response)
	p.given.length = p.head.length        // it is the same file
	p.head.exact, p.head.waits = nil, nil // one prediction that went wrong is enough, and so is one that waits
	switch sw1, _ := status(response); c.ins {
	case insReadBinary:
		failed, probe := !asked && p.head.row == 0, p.profile.ahead.EOF == Probe
		p.ended = p.ended || failed && !known && !probe
		p.wrong = p.wrong || failed && (known || sw1 == 0x69) // an end is never not allowed
	case insReadRecord:
		p.wrong = p.wrong || sw1 != 0x90
	case insGetResponse:
		p.responses = p.responses && (sw1 == 0x90 || sw1 == 0x61)
	}
}

// Wasted implements session.Predictor: a read that failed has failed, whether anybody wanted it or not. After one that
// the reader could not have executed, no more is tried with this card.
func (p *predictor) Wasted(apdu, response []byte) {
	if response == nil {
		p.on = false
		return
	}
	head := p.head
	p.Predicted(apdu, response)
	p.head, p.head.length = head, p.given.length
}

// Next implements session.Predictor.
func (p *predictor) Next() (apdu []byte, most int) {
	t := &p.head
	switch known := t.length > 0; {
	case !p.on || p.hidden:
	case t.waits != nil:
		apdu = fetch(t.waits, p.responses)
	case t.exact != nil:
		apdu = append(apdu, t.exact...)
	case p.wrong:
	case t.listed != nil && t.record.p1 > 0:
		apdu = t.nextRecord()
	case p.ended && !known:
	case t.listed != nil && t.fresh:
		apdu = t.first()
	case t.row >= inARow:
		return t.next(), t.read.le + 2
	}
	if apdu == nil {
		return nil, 0
	}
	return apdu, orMax(int(apdu[4]), 256) + 2
}

// fetch returns a copy of a GET RESPONSE, if it may be predicted.
func fetch(waits []byte, may bool) []byte {
	if !may {
		return nil
	}
	return append([]byte(nil), waits...)
}

// Drop implements session.Predictor.
func (p *predictor) Drop() { p.head = p.given }

// Lose implements session.Predictor.
func (p *predictor) Lose() { p.given, p.head = astray, astray }

// astray is a trail of which nothing is known.
var astray = trail{at: lost, app: unknown}

// Reset implements session.Predictor.
func (p *predictor) Reset() {
	p.given, p.head, p.hidden = trail{}, trail{}, false
	p.fetched.drop()
}

// follow takes in a command and its response.
func (p *predictor) follow(t *trail, c command, apdu, response []byte) {
	fetched := t.fetching && c.ins == insGetResponse && c.cla == 0
	t.exact, t.waits, t.fetching, t.fresh, t.record = nil, nil, false, false, command{}
	sw1, sw2 := status(response)
	switch data := response[:len(response)-2]; {
	case c.cla == 0 && c.ins == insReadBinary && len(c.data) == 0 && c.le > 0:
		p.followRead(t, c, sw1, sw2, len(data))
		t.askExactly(c, apdu, sw1, sw2)
	case c.cla == 0 && c.ins == insGetData:
		t.row = 0
		t.askExactly(c, apdu, sw1, sw2)
	case c.cla == 0 && c.ins == insSelect:
		p.followSelect(t, c, response)
	case fetched:
		p.measure(t, lengthIn(data))
		t.fetching, t.fresh = sw1 == 0x6C, sw1 == 0x90
	case c.cla == 0 && c.byNumber():
		t.row = 0
		if sw1 == 0x90 {
			t.record = c
		}
	case c.cla == 0 && keepsFile(c.ins):
		t.row = 0
	default:
		*t = astray // another channel, perhaps another file, or only the card knows what it was
	}
	if sw1 == 0x61 && c.cla == 0 {
		t.waits = []byte{0, insGetResponse, 0, 0, sw2}
	}
}

// keepsFile reports whether an instruction leaves the current EF as it is. Others may name a file by its short
// identifier, which makes that one the current, or change what there is.
func keepsFile(ins byte) bool {
	switch ins {
	case insVerify, insGetResponse, 0x22, 0x2A, 0x82, 0x84, 0x86, 0x88: // security environments and operations
		return true
	}
	return false
}

func (p *predictor) followSelect(t *trail, c command, response []byte) {
	sw1, _ := status(response)
	t.chose(c, succeeded(response), sw1 == 0x61)
	p.measure(t, lengthIn(response[:len(response)-2]))
	if t.fresh = sw1 == 0x90; t.fresh || t.fetching {
		t.listed = p.profile.listedAs(c, t.app)
	}
}

// chose takes in a SELECT. After one that failed, what is selected is not known.
func (t *trail) chose(c command, done, more bool) {
	at := fmt.Sprintf("%s/%02X%02X%X", t.at, c.p1, c.p2&0xF3, c.data)
	switch {
	case !done:
		at = lost
	case c.p1 == 0x04 && c.p2&0x03 == 0 && len(c.data) > 0: // as Guard.selected has it
		at = fmt.Sprintf("%X", c.data)
	case c.p1 == 0x04: // another occurrence, or the card's own choice
		at = lost
	case t.at == lost || len(at) > maxTrail:
		at = lost
	}
	app := unknown
	if done {
		app = c.selects(t.app)
	}
	*t = trail{at: at, file: at, fetching: more, app: app}
}

// measure notes how long the current file is; 0 = it was not told, and may be known from earlier.
func (p *predictor) measure(t *trail, length int) {
	t.length = length
	switch known := p.lengths[t.file]; {
	case t.at == lost:
	case length == 0:
		t.length = known
	case known > 0 || len(p.lengths) < maxFiles:
		p.lengths[t.file] = length
	}
}

// followRead takes in a READ BINARY. One by a short identifier makes that file the current one.
func (p *predictor) followRead(t *trail, c command, sw1, sw2 byte, data int) {
	at := offset(c)
	if c.p1&sfiBit != 0 {
		t.row, t.listed, t.file = 0, nil, fmt.Sprintf("%s#%02X", t.at, c.p1)
		p.measure(t, 0)
	}
	if sw1 == 0x90 && sw2 == 0 && data == c.le {
		joins := t.row > 0 && c.le == t.read.le && c.extended == t.read.extended && at == offset(t.read)+t.read.le
		if !joins {
			t.row = 0
		}
		t.row++
		t.read = command{cla: c.cla, ins: c.ins, p1: c.p1, p2: c.p2, le: c.le, extended: c.extended}
		return
	}
	ends := sw1 == 0x6B && t.row > 0 && at == offset(t.read)+t.read.le // where the last read ended
	if end := at + short(sw1, sw2, data, c.le); end > at || ends {
		p.measure(t, end)
	}
	t.row = 0
}

// short returns how many octets there still were, as far as an answer that is not full tells.
func short(sw1, sw2 byte, data, le int) int {
	switch {
	case sw1 == 0x6C:
		return min(orMax(int(sw2), 256), le)
	case sw1 == 0x90 || sw1 == 0x62 && sw2 == 0x82: // end of file reached before Le octets
		return data
	}
	return 0
}

// askExactly notes that the card wants to be asked for exactly so many octets. What a short identifier names may or may
// not be the current file after that, so it is not asked again.
func (t *trail) askExactly(c command, apdu []byte, sw1, sw2 byte) {
	named := c.ins == insReadBinary && c.p1&sfiBit != 0
	if sw1 == 0x6C && !named && !c.extended && len(apdu) == 5 {
		t.exact = append(append([]byte(nil), apdu[:4]...), sw2)
	}
}

// offset returns where a READ BINARY begins.
func offset(c command) int {
	if c.p1&sfiBit != 0 {
		return int(c.p2)
	}
	return int(c.p1)<<8 | int(c.p2)
}

// next returns the read after the last; nil when the file is known to end before it is full.
func (t *trail) next() []byte {
	at := offset(t.read) + t.read.le
	if at >= maxOffset || t.length > 0 && at+t.read.le > t.length {
		return nil
	}
	apdu := []byte{t.read.cla, t.read.ins, byte(at >> 8), byte(at)}
	if t.read.extended {
		apdu = append(apdu, 0, byte(t.read.le>>8))
	}
	return append(apdu, byte(t.read.le))
}

// first returns the first read of a listed file; nil when it is known to end before that is full.
func (t *trail) first() []byte {
	if t.listed.read == 0 || t.length > 0 && t.listed.read > t.length {
		return nil
	}
	return []byte{0, insReadBinary, 0, 0, byte(t.listed.read)}
}

// nextRecord returns the read of the record after the last; nil when there is none.
func (t *trail) nextRecord() []byte {
	if int(t.record.p1) >= t.listed.records {
		return nil
	}
	return []byte{0, insReadRecord, t.record.p1 + 1, t.record.p2, byte(t.record.le)}
}

// lengthIn returns the length of a file in its control information (ISO 7816-4, 5.3.3: tag 80, or else 81, in a
// template 62 or 6F); 0 = it is not there.
func lengthIn(fci []byte) int {
	tag, body, _ := object(fci)
	if tag != 0x62 && tag != 0x6F {
		return 0
	}
	total := 0
	for len(body) > 0 {
		tag, value, rest := object(body)
		switch {
		case tag == 0x80 && number(value) > 0:
			return number(value)
		case tag == 0x81:
			total = number(value)
		}
		body = rest
	}
	return total
}

// object takes one BER-TLV object with a tag of one octet off the front; tag 0 = there is none that can be read.
func object(b []byte) (tag byte, value, rest []byte) {
	if len(b) < 2 || b[0]&0x1F == 0x1F {
		return 0, nil, nil
	}
	n, head := int(b[1]), 2
	if b[1] == 0x81 && len(b) > 2 {
		n, head = int(b[2]), 3
	}
	if n > len(b)-head || b[1] > 0x81 || b[1] == 0x80 {
		return 0, nil, nil
	}
	return b[0], b[head : head+n], b[head+n:]
}

// number returns a number of two to four octets; 0 = none.
func number(b []byte) (n int) {
	if len(b) < 2 || len(b) > 4 {
		return 0
	}
	for _, octet := range b {
		n = n<<8 | int(octet)
	}
	return n
}
