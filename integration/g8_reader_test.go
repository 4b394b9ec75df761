package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/integration/cardsim"
	"tlagate/integration/lab"
	"tlagate/integration/pages"
	"tlagate/integration/world"
	"tlagate/tla/seat"
	"tlagate/tla/seat/seattest"
)

// source is where a reader has the source tree.
const source = "/root/tlagate"

// reader is somebody who types the commands of the documents, block by block, on machines of their own.
type reader struct {
	t      *testing.T
	root   string // of the module
	all    *world.Machines
	code   string // the last one that was printed, for the next program that asks for one
	vitale *cardsim.Vitale
	slots  []*cardsim.Slot

	hasRead bool // the vitale, at the PdT, before the trial's programs are stopped
}

// newReader returns a reader with machines that have the names that the documents use; the first has the source tree.
// The terminal's user exists already, and sits before it.
func newReader(t *testing.T, machines ...string) *reader {
	t.Helper()
	if !world.HasUsers() {
		t.Skip("a machine has several users: this needs root, and no user namespace that maps one user alone")
	}
	t.Parallel()
	root, err := world.ModuleRoot()
	require.NoError(t, err)
	built := builtForMachines(t, root)
	r := &reader{t: t, root: root, vitale: cardsim.NewVitale(cardsim.VitaleConfig{})}
	r.all, err = world.StartMachines(machines...)
	require.NoError(t, err)
	t.Cleanup(func() {
		r.showLogs(machines)
		r.removeCards()
		require.NoError(t, r.all.Close())
	})
	require.NoError(t, r.all.Hosts(r.names(machines)))
	for _, name := range machines {
		r.furnish(name, machines, built)
	}
	require.NoError(t, r.all.Machine(machines[0]).Overlay(root, source))
	r.write(machines[0], keptFor("root"), "cd "+source+"\n")
	r.seatUser()
	return r
}

// names returns the text of /etc/hosts, which the documents leave to the reader.
func (r *reader) names(machines []string) string {
	text := "127.0.0.1 localhost\n"
	for _, name := range machines {
		domain := map[string]string{"bureau": "cabinet-a.example", "valise": "cabinet-a.example"}[name]
		if domain == "" {
			domain = "operateur.example"
		}
		text += fmt.Sprintf("%s %s.%s %[2]s\n", r.all.Machine(name).Addr, name, domain)
	}
	return text
}

// furnish gives a machine stand-ins for programs that it cannot have, what was built, and the way to the others.
func (r *reader) furnish(name string, machines []string, built string) {
	m := r.all.Machine(name)
	standIn, err := os.ReadFile(filepath.Join(r.root, "integration/testdata/machine/standin.sh"))
	require.NoError(r.t, err)
	for _, program := range []string{"systemctl", "systemd-run", "apt-get", "scp", "make"} {
		path := "/usr/local/sbin/" + program // before the real ones
		require.NoError(r.t, os.WriteFile(m.Path(path), standIn, 0o755))
	}
	require.NoError(r.t, m.Bind(built, "/run/built"))
	if name == "bureau" { // it has no simulated cards, whose package is for tests alone
		require.NoError(r.t, os.RemoveAll(m.Path("/etc/reader.conf.d/vpcd")))
	}
	for _, peer := range machines {
		if peer != name {
			require.NoError(r.t, m.Bind(r.all.Machine(peer).Path("/"), "/run/peers/"+peer))
		}
	}
}

// seatUser makes the terminal's user, and a logind that says that everybody there sits before it.
func (r *reader) seatUser() {
	bus := filepath.Join(r.t.TempDir(), "bus")
	seattest.StartFor(r.t, bus, r.all.Machine("valise").Path("/etc")).Everybody(seattest.AtTheMachine)
	require.NoError(r.t, r.all.Machine("valise").Bind(bus, seat.Bus))
	r.meanwhile("valise", "useradd --create-home --shell /bin/bash dominique")
}

func (r *reader) write(machine, path, text string) {
	require.NoError(r.t, os.WriteFile(r.all.Machine(machine).Path(path), []byte(text), 0o644))
}

// keptFor returns where a user's shell saves what that user's next block finds again: variables and directory.
func keptFor(user string) string { return "/tmp/session-" + user }

// blockTime bounds one block.
const blockTime = 10 * time.Minute

// shell is what a reader's shell does with a block: $1 is the block, $2 is keptFor the user.
const shell = `
cd "$(getent passwd "$(id -un)" | cut -d: -f6)"
[ ! -e "$2" ] || . "$2"
set -eu -o pipefail
. "$1"
{ export -p; printf 'cd %q\n' "$PWD"; } >"$2"
`

// read types all commands of a page.
func (r *reader) read(page string) {
	blocks, err := pages.Commands(r.root, page, true)
	require.NoError(r.t, err)
	require.NotEmpty(r.t, blocks, page)
	for _, b := range blocks {
		r.prepare(b)
		out := r.typeIn(b)
		if codes := printedCode.FindAllString(out, -1); codes != nil {
			r.code = codes[len(codes)-1]
		}
	}
}

var printedCode = regexp.MustCompile(`\b[0-9A-HJKMNP-TV-Z]{5}(-[0-9A-HJKMNP-TV-Z]{5}){8}\b`)

// typeIn types a block at a terminal of its machine, and the answers to what its last command asks.
func (r *reader) typeIn(b pages.Block) string {
	m := r.all.Machine(b.Machine)
	require.NotNil(r.t, m, "%v: the machine %q is none of this page's", b, b.Machine)
	user := b.User
	if user == "" {
		user = "root"
	}
	r.write(b.Machine, "/tmp/shell", shell)
	r.write(b.Machine, "/tmp/block", b.Text)
	command := "bash /tmp/shell /tmp/block " + keptFor(user)
	terminal := []string{"-u", user, "--", "script", "--quiet", "--return", "--command", command, "/dev/null"}
	out, err := m.Run(blockTime, r.answers(b), "runuser", terminal...)
	require.NoError(r.t, err, "%v, on %s:\n%s\nsaid:\n%s", b, b.Machine, b.Text, out)
	return out
}

// answers returns what is typed when a program asks: the code and a yes, or the name of what is destroyed.
func (r *reader) answers(b pages.Block) string {
	switch {
	case strings.Contains(b.Text, "tla-relay enroll"):
		return r.code + "\no\n"
	case strings.Contains(b.Text, " enroll "):
		return r.code + "\ny\n"
	case strings.Contains(b.Text, " erase"):
		return "valise\n"
	}
	return ""
}

// prepare makes happen at the machines what must happen before a block, and is no command.
func (r *reader) prepare(b pages.Block) {
	if strings.HasPrefix(b.Text, "tla-relay start") && r.slots == nil {
		r.insertCards()
	}
	if b.Machine == "valise" && strings.Contains(b.Text, "flows --nft") {
		r.write("valise", "/etc/tlagate/simulated-readers.nft", simulatedReaders)
	}
	if strings.HasPrefix(b.Text, "opensc-tool") { // the driver needs a moment, which a real reader takes to type
		r.readsTheVitale()
	}
	if b.Page == "docs/trial.md" && strings.HasPrefix(b.Text, "systemctl stop tla-relay") {
		r.readsTheVitale()
		r.hasRead = true
	}
	if b.Page == "docs/fr/guide-operateur.md" && strings.Contains(b.Text, "tla-pki invite --role tla") {
		r.lose("valise")
	}
}

// simulatedReaders lets the terminal's cards in, which are none of the machine's devices but come over its network.
const simulatedReaders = `table inet tlagate {
	chain input_local { tcp dport 35963-35964 accept; }
	chain output_local { tcp sport 35963-35964 accept; }
}
`

// insertCards puts a CPS and a Vitale into the terminal's readers.
func (r *reader) insertCards() {
	cps, err := cardsim.NewCPS(cardsim.CPSConfig{})
	require.NoError(r.t, err)
	for port, card := range map[int]cardsim.Card{35963: cps, 35964: r.vitale} {
		slot := cardsim.NewSlot(fmt.Sprintf("%s:%d", r.all.Machine("valise").Addr, port))
		require.NoError(r.t, slot.Insert(card))
		r.slots = append(r.slots, slot)
	}
}

func (r *reader) removeCards() {
	for _, slot := range r.slots {
		slot.Remove()
	}
}

// lose makes a terminal one that was never enrolled, like a new one from the box.
func (r *reader) lose(name string) {
	r.meanwhile("pki", "runuser -u tla-ca -- tla-pki revoke --dir /var/lib/tlagate/ca --reason superseded "+
		"--identity urn:tlagate:cabinet-a:tla:"+name)
	r.meanwhile(name, "systemctl stop tla-relay && rm /var/lib/tla-relay/tla.*")
}

// meanwhile runs a script on a machine, for something of which the documents do not speak.
func (r *reader) meanwhile(machine, script string) {
	_, err := r.all.Machine(machine).Run(blockTime, "", "sh", "-ec", script)
	require.NoError(r.t, err)
}

// readsTheVitale asserts that an unmodified program at the PdT reads what is on the card in the terminal.
func (r *reader) readsTheVitale() {
	require.NoError(r.t, world.Poll(patience, "the card at the PdT", func() error {
		read := []string{"--reader", vitaleReader, "--card-driver", "default", "-s", readSerial}
		out, err := r.all.Machine("bureau").Run(patience, "", "opensc-tool", read...)
		if got := lab.Responses(out); err == nil && (len(got) != 1 || got[0] != serialFile(r.vitale)) {
			err = fmt.Errorf("opensc-tool says: %s", out)
		}
		return err
	}))
}

// showLogs prints what the programs said, if the test has failed.
func (r *reader) showLogs(machines []string) {
	if !r.t.Failed() {
		return
	}
	for _, name := range machines {
		for _, program := range []string{"pcscd", "tla-pki", "tla-ocsp", "tla-gateway", "tla-pdt", "tla-relay"} {
			if text, err := os.ReadFile(r.all.Machine(name).Path("/var/log/" + program + ".log")); err == nil {
				r.t.Logf("%s, %s:\n%s", name, program, text)
			}
		}
	}
}
