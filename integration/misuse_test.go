package integration

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ebfe/scard"
	"github.com/stretchr/testify/require"

	"tlagate/integration/cardsim"
	"tlagate/integration/lab"
	"tlagate/integration/world"
)

// PC/SC's programming interface, used as programs use it and misused as some do: each script runs once with a reader of
// this machine and once with the remote one, and programs must get the same, unless docs/compatibility.md says why not.

// place is where a script runs: a reader with the card, or programs of the PdT that see it.
type place struct {
	t      *testing.T
	l      *lab.Lab
	p      *world.PCSCD
	slot   int
	crash  func() // ends the place's pcscd as a crash would, and starts it again; returns when programs see the card
	began  <-chan uint32
	serial uint32

	programs map[string]*pcscClient
	said     []string // what each program was told, in order
}

// program returns the program of that name, started at its first use.
func (x *place) program(name string) *pcscClient {
	x.t.Helper()
	if x.programs[name] == nil {
		x.programs[name] = startClient(x.t, x.p)
		x.programs[name].do("reader " + slotName(x.p, x.slot))
	}
	return x.programs[name]
}

// do has programs do one line after the other, each "PROGRAM: verb …", and notes what they got.
func (x *place) do(lines ...string) {
	x.t.Helper()
	for _, line := range lines {
		x.ask(line)
		x.answer(line)
	}
}

// ask has a program begin a line.
func (x *place) ask(line string) {
	x.t.Helper()
	name, what, _ := strings.Cut(line, ": ")
	x.t.Log(line)
	x.program(name).ask(what)
}

// answer notes what the program got for a line that it was asked.
func (x *place) answer(line string) {
	x.t.Helper()
	name, _, _ := strings.Cut(line, ": ")
	got := x.programs[name].answer()
	if strings.Contains(line, slowCommand) && strings.HasPrefix(got, "ok ") { // it has a serial number
		line, got = name+": transmit a slow command", "ok "+got[len(got)-4:]
	}
	x.note(line, got)
}

func (x *place) note(line, got string) { x.said = append(x.said, line+" → "+inWords(got)) }

// kill ends a program as a crash would.
func (x *place) kill(name string) {
	x.programs[name].kill()
	delete(x.programs, name)
}

// slow returns a command that takes the card so long, and waits until the card has begun it.
func (x *place) slow(program string, takes time.Duration) (line string) {
	x.t.Helper()
	x.serial++
	line = program + ": " + slowCommand + hex.EncodeToString(cardsim.CountCommand(x.serial, takes))[2:]
	x.ask(line)
	for serial := range x.began {
		if serial == x.serial {
			return line
		}
	}
	return line
}

// errorNames are those of the PC/SC API.
var errorNames = map[string]string{"80100001": "F_INTERNAL_ERROR", "80100002": "E_CANCELLED",
	"80100003": "E_INVALID_HANDLE", "80100004": "E_INVALID_PARAMETER", "80100008": "E_INSUFFICIENT_BUFFER",
	"80100009": "E_UNKNOWN_READER", "8010000A": "E_TIMEOUT", "8010000B": "E_SHARING_VIOLATION",
	"8010000C": "E_NO_SMARTCARD", "8010000F": "E_PROTO_MISMATCH", "80100011": "E_INVALID_VALUE",
	"80100013": "F_COMM_ERROR", "80100016": "E_NOT_TRANSACTED", "80100017": "E_READER_UNAVAILABLE",
	"8010001D": "E_NO_SERVICE", "8010001F": "E_UNSUPPORTED_FEATURE", "80100066": "W_UNRESPONSIVE_CARD",
	"80100067": "W_UNPOWERED_CARD", "80100068": "W_RESET_CARD", "80100069": "W_REMOVED_CARD"}

func inWords(got string) string {
	code, failed := strings.CutPrefix(got, "error ")
	if !failed {
		return got
	}
	return "SCARD_" + cmp.Or(errorNames[code], code)
}

const (
	slowCommand = "transmit 80"
	enterVitale = "transmit 00A404000B" + cardsim.AIDVitale
	readFile    = "transmit 00A4000002D001"
)

func attribID(a scard.Attrib) string { return fmt.Sprintf("%x", uint32(a)) }

// misuses are what programs do.
var misuses = []struct {
	name string
	run  func(x *place)
}{
	{"share modes", func(x *place) {
		x.do("A: open shared any", "B: open shared any", "C: open exclusive any", "A: disconnect", "B: disconnect",
			"C: open exclusive any", "A: open shared any", "A: open direct none", "C: transmit "+readSerial,
			"C: disconnect", "A: open direct none", "A: status", "A: transmit "+readSerial, "A: disconnect")
	}},
	{"protocols", func(x *place) {
		for _, p := range []string{"T0", "T1", "any", "none"} {
			x.do("A: open shared "+p, "A: disconnect")
		}
		x.do("A: open shared any", "A: status", "A: reconnect shared T1 leave", "A: reconnect shared T0 reset",
			"A: status", "A: disconnect")
	}},
	{"dispositions of a disconnect", func(x *place) {
		for _, d := range []string{"leave", "reset", "unpower", "eject"} {
			x.do("A: open shared any", "A: "+enterVitale, "A: disconnect "+d, "A: open shared any",
				"A: "+readFile, "A: reconnect shared any reset", "A: disconnect")
		}
	}},
	{"dispositions of a reconnect", func(x *place) {
		x.do("A: open shared any")
		for _, d := range []string{"leave", "reset", "unpower", "eject"} {
			x.do("A: "+enterVitale, "A: reconnect shared any "+d, "A: "+readFile, "A: status")
		}
		x.do("A: reconnect exclusive any leave", "B: open shared any", "A: disconnect", "B: open shared any",
			"B: reconnect direct none leave", "B: disconnect")
	}},
	{"a reset under another program", func(x *place) {
		x.do("A: open shared any", "B: open shared any", "A: transmit "+readSerial, "B: reconnect shared any reset",
			"A: transmit "+readSerial, "A: status", "A: begin", "A: reconnect shared any leave",
			"A: transmit "+readSerial, "B: disconnect unpower", "A: transmit "+readSerial,
			"A: reconnect shared any leave", "A: transmit "+readSerial, "A: disconnect reset")
	}},
	{"transactions", func(x *place) {
		x.do("A: open shared any", "B: open shared any", "A: end", "A: begin", "A: begin")
		x.ask("B: transmit " + readSerial)
		x.do("A: transmit "+readSerial, "A: end", "A: end")
		x.answer("B: transmit " + readSerial)
		x.do("A: begin")
		x.ask("B: begin")
		x.do("A: transmit "+readSerial, "A: end reset", "A: end")
		x.answer("B: begin")
		x.do("B: reconnect shared any leave", "B: transmit "+readSerial, "B: end", "B: end", "A: disconnect",
			"B: disconnect")
	}},
	{"a transaction's program disconnects", func(x *place) {
		x.do("A: open shared any", "B: open shared any", "A: begin")
		x.ask("B: begin")
		x.do("A: disconnect")
		x.answer("B: begin")
		x.do("B: transmit "+readSerial, "B: end", "B: disconnect")
	}},
	{"a transaction's program is killed", func(x *place) {
		x.do("A: open shared any", "B: open shared any", "A: begin")
		x.ask("B: begin")
		x.kill("A")
		x.answer("B: begin")
		x.do("B: reconnect shared any leave", "B: transmit "+readSerial, "B: end", "B: disconnect")
	}},
	{"handles that are none", func(x *place) {
		x.do("A: open shared any", "A: disconnect", "A: disconnect", "A: transmit "+readSerial, "A: begin",
			"A: status", "A: reconnect shared any reset", "A: attrib "+attribID(scard.AttrAtrString),
			"A: control 42000D48")
	}},
	{"readers that are none", func(x *place) {
		x.do("A: reader no such reader", "A: open shared any", "A: open direct none", "A: watch 0")
	}},
	{"waits", func(x *place) {
		x.do("A: watch 0 unaware", "A: watch 50", "A: cancel", "B: open exclusive any", "A: watch 0 unaware",
			"B: disconnect", "A: watch 0 unaware")
	}},
	{"attributes", func(x *place) {
		x.do("A: open shared any")
		for _, a := range []scard.Attrib{scard.AttrVendorName, scard.AttrVendorIfdSerialNo, scard.AttrAtrString,
			scard.AttrMaxinput, scard.AttrDeviceFriendlyName, scard.AttrIccPresence, scard.AttrEscCancel} {
			x.do("A: attrib " + attribID(a))
		}
		x.do("A: disconnect")
	}},
	{"control", func(x *place) {
		x.do("A: open direct none", "A: control 42000D48", "A: control 42000001", "A: disconnect")
	}},
	{"commands that are none", func(x *place) {
		x.do("A: open shared any", "A: transmit 00B0", "A: transmit 00B08200", "A: transmit 00B082000001",
			"A: transmit "+readSerial, "A: disconnect")
	}},
	{"long commands", func(x *place) {
		x.do("A: open shared any", "A: transmit 00A4040000000B"+cardsim.AIDVitale+"0000",
			"A: transmit 00B08200000000", "A: transmit 00B0820000FFFF",
			"A: transmit 00D60000001000"+strings.Repeat("00", 0x1000), "A: transmit "+readSerial, "A: disconnect")
	}},
	{"ten programs", func(x *place) { x.tenPrograms() }},
	{"a program killed under its command", func(x *place) {
		x.do("A: open shared any")
		x.slow("A", time.Second)
		x.kill("A")
		x.do("B: open shared any", "B: transmit "+readSerial, "B: disconnect", "B: open exclusive any",
			"B: transmit "+readSerial, "B: disconnect")
	}},
	{"a card removed", func(x *place) {
		x.do("A: open shared any", "B: open shared any", "A: begin")
		x.l.VitaleSlot.Remove()
		waitCard(x.t, x.p, x.slot, false)
		x.do("A: transmit "+readSerial, "A: end", "B: transmit "+readSerial, "B: status",
			"B: reconnect shared any reset", "C: open shared any", "C: open direct none", "C: status",
			"C: watch 0 unaware")
		require.NoError(x.t, x.l.VitaleSlot.Insert(x.l.Counter))
		waitCard(x.t, x.p, x.slot, true)
		x.do("A: transmit "+readSerial, "B: reconnect shared any leave", "B: transmit "+readSerial, "A: disconnect",
			"B: disconnect", "C: disconnect", "C: open shared any", "C: transmit "+readSerial, "C: disconnect")
	}},
	{"a card removed under a command", func(x *place) {
		x.do("A: open shared any")
		line := x.slow("A", time.Second)
		x.l.VitaleSlot.Remove()
		x.answer(line)
		waitCard(x.t, x.p, x.slot, false)
		x.do("A: transmit "+readSerial, "A: disconnect")
		require.NoError(x.t, x.l.VitaleSlot.Insert(x.l.Counter))
		waitCard(x.t, x.p, x.slot, true)
	}},
	{"pcscd killed", func(x *place) {
		x.do("A: open shared any", "B: open shared any", "A: begin")
		x.crash()
		x.do("B: transmit "+readSerial, "C: open shared any", "C: transmit "+readSerial, "C: disconnect")
	}},
	{"pcscd killed under a command", func(x *place) {
		x.do("A: open shared any")
		line := x.slow("A", time.Second)
		x.crash()
		x.answer(line)
		x.do("C: open shared any", "C: transmit "+readSerial, "C: disconnect")
	}},
}

// tenPrograms has ten programs read at once, each in transactions, and notes what they got, whoever was first.
func (x *place) tenPrograms() {
	const each = 5
	var got []string
	var mu sync.Mutex // protects got
	var programs sync.WaitGroup
	for i := range 10 {
		c := x.program(fmt.Sprint("P", i))
		programs.Go(func() {
			for range each {
				for _, line := range []string{"open shared any", "begin", enterVitale, readFile,
					"transmit 00B0000010", "end", "disconnect"} {
					answer := c.do(line)
					mu.Lock()
					got = append(got, line+" → "+inWords(answer))
					mu.Unlock()
				}
			}
		})
	}
	programs.Wait()
	slices.Sort(got)
	for len(got) > 0 {
		n := 1
		for n < len(got) && got[n] == got[0] {
			n++
		}
		x.note(fmt.Sprint(n, " times"), got[0])
		got = got[n:]
	}
}

// play runs a script and returns what programs were told.
func (x place) play(t *testing.T, run func(*place)) []string {
	t.Helper()
	x.t, x.programs = t, map[string]*pcscClient{}
	x.do("before: open shared any", "before: disconnect unpower") // whatever the script before has selected
	run(&x)
	for _, c := range x.programs {
		c.close()
	}
	return x.said
}

// TestProgramsGetWhatALocalReaderGives: the same cards, readers and programs, once at the terminal and once at the PdT.
func TestProgramsGetWhatALocalReaderGives(t *testing.T) {
	l := layLab(t)
	began := make(chan uint32, 99)
	l.Limits, l.Counter = &world.Limits{}, cardsim.NewCounter(cardsim.VitaleConfig{})
	l.Counter.Began = func(serial uint32) { began <- serial }
	require.NoError(t, l.StartReaders())
	require.NoError(t, l.InsertCards())
	local := place{l: l, p: l.TLAReaders, slot: 1, began: began, crash: func() { crashTerminal(t, l) }}
	waitCard(t, local.p, local.slot, true)
	want := map[string][]string{}
	for _, s := range misuses {
		t.Run(s.name+", local", func(t *testing.T) { want[s.name] = local.play(t, s.run) })
	}

	require.NoError(t, l.StartGateway())
	require.NoError(t, l.StartPdT())
	require.NoError(t, l.StartRelay())
	startSession(t, l)
	remote := place{l: l, p: l.PdTReaders, slot: vitaleSlot, began: began, serial: 1000, crash: func() {
		l.PdTReaders.Kill()
		require.NoError(t, l.PdTReaders.Start())
		waitCard(t, l.PdTReaders, vitaleSlot, true)
	}}
	page := newCompatibility(t)
	for _, s := range misuses {
		t.Run(s.name, func(t *testing.T) { page.compare(t, s.name, want[s.name], remote.play(t, s.run)) })
	}
	page.used(t)
}

// crashTerminal kills the terminal's pcscd and puts the cards into the next one.
func crashTerminal(t *testing.T, l *lab.Lab) {
	l.TLAReaders.Kill()
	<-l.VitaleSlot.Gone()
	<-l.CPSSlot.Gone()
	l.VitaleSlot.Remove()
	l.CPSSlot.Remove()
	require.NoError(t, l.TLAReaders.Start())
	require.NoError(t, l.CPSSlot.Insert(l.CPS))
	require.NoError(t, l.VitaleSlot.Insert(l.Counter))
	waitCard(t, l.TLAReaders, 1, true)
}

// compatibility is docs/compatibility.md: the differences that it explains, each a row "| script | line | local |
// remote | why |".
type compatibility struct {
	known map[[2]string][2]string
	met   map[[2]string]bool
}

var compatibilityRow = regexp.MustCompile("(?m)^\\| ([^|]+) \\| `([^|]+)` \\| `([^|]+)` \\| `([^|]+)` \\| [^|]+ \\|$")

func newCompatibility(t *testing.T) *compatibility {
	text, err := os.ReadFile("../docs/compatibility.md")
	require.NoError(t, err)
	c := &compatibility{map[[2]string][2]string{}, map[[2]string]bool{}}
	for _, m := range compatibilityRow.FindAllStringSubmatch(string(text), -1) {
		c.known[[2]string{m[1], m[2]}] = [2]string{m[3], m[4]}
	}
	return c
}

// compare fails for each line whose answers differ, unless the page has that difference.
func (c *compatibility) compare(t *testing.T, script string, local, remote []string) {
	require.Equal(t, len(local), len(remote), "%q\n%q", local, remote)
	for i := range local {
		line, here, _ := strings.Cut(local[i], " → ")
		_, there, _ := strings.Cut(remote[i], " → ")
		at := [2]string{script, short(line)}
		if here == there {
			continue
		}
		c.met[at] = true
		if c.known[at] != [2]string{here, there} {
			t.Errorf("docs/compatibility.md does not have the row\n| %s | `%s` | `%s` | `%s` | why |", script, at[1], here,
				there)
		}
	}
}

// short returns a line without most of a long command.
func short(line string) string {
	if len(line) > 60 {
		return line[:60] + "…"
	}
	return line
}

// used fails if the page has a difference that there is no more.
func (c *compatibility) used(t *testing.T) {
	for at := range c.known {
		require.True(t, c.met[at] || t.Failed(), "docs/compatibility.md has a difference that there is not: %v", at)
	}
}
