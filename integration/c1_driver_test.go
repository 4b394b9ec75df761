package integration

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/integration/cardsim"
	"tlagate/integration/lab"
	"tlagate/integration/world"
	"tlagate/pdt"
	"tlagate/pdt/ifd"
	"tlagate/session"
)

// nobody is an account that is neither pcscd's nor tla-pdt's.
const nobody = 65534

// needsAccounts skips a test that needs a second account where there is none: in a user namespace there is only root.
func needsAccounts(t *testing.T) {
	t.Helper()
	if text, _ := os.ReadFile("/proc/self/uid_map"); len(strings.Fields(string(text))) != 3 ||
		strings.Fields(string(text))[2] == "1" {
		t.Skip("there is no second account in this world: run the tests as root")
	}
}

// asAccount returns a command that runs as an account.
func asAccount(uid uint32, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid, NoSetGroups: true},
		Pdeathsig: syscall.SIGKILL}
	return cmd
}

// openTo lets an account reach a file.
func openTo(t *testing.T, path string) {
	t.Helper()
	for dir := filepath.Dir(path); dir != "/" && dir != os.TempDir(); dir = filepath.Dir(dir) {
		require.NoError(t, os.Chmod(dir, 0o755))
	}
}

// TestC1NoOtherAccountTakesACard: who connects to tla-pdt and is neither root nor pcscd's account gets not an octet,
// and is told of in log, status and doctor; programs go on.
func TestC1NoOtherAccountTakesACard(t *testing.T) {
	needsAccounts(t)
	l := newLab(t)
	startSession(t, l)
	socket := l.Path("readers.sock")
	openTo(t, socket)
	hello := `\001\000\000\000\000\000\000\000\013\001\001\000\000\000\000\000\000\000\000\000`
	out, err := asAccount(nobody, "sh", "-c",
		"printf '"+hello+"' | socat -t5 - UNIX-CONNECT:"+socket).Output() // it may complain that we hung up
	require.Empty(t, string(out), "%v", err)
	logged(t, l.PdTProc, 0, "an account that may not be the reader driver tried", "account=\"uid 65534\"")
	st, _, err := pdt.AskStatus(l.Path("pdt.sock"))
	require.NoError(t, err)
	require.EqualValues(t, 1, st.Slots[0].Driver.Foreign)
	require.Contains(t, strings.Join(st.Warnings, "\n"), "uid 65534")
	f := doctor(t, l, "tla-pdt", l.PdTReaders.Env())
	f.are(t, "warning", "driver strangers")
	require.Contains(t, f["driver strangers"].Found, "uid 65534")
	readVitale(t, l)
}

// TestC1NoOtherAccountIsTheCard: another account listens in tla-pdt's place, and pcscd's driver says nothing to it.
func TestC1NoOtherAccountIsTheCard(t *testing.T) {
	needsAccounts(t)
	t.Parallel()
	dir, err := os.MkdirTemp("", "stranger-")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	require.NoError(t, os.Chown(dir, nobody, nobody))
	require.NoError(t, os.Chmod(dir, 0o755)) // Debian 13's pcscd is root without capabilities
	socket, heard := filepath.Join(dir, "readers.sock"), filepath.Join(dir, "heard")
	stranger := asAccount(nobody, "socat", "UNIX-LISTEN:"+socket+",fork,mode=666", "OPEN:"+heard+",creat,append")
	require.NoError(t, stranger.Start())
	t.Cleanup(func() { _ = stranger.Process.Kill(); _ = stranger.Wait() })
	require.Eventually(t, func() bool { _, err := os.Stat(socket); return err == nil }, patience, 10*time.Millisecond)
	p, err := world.StartPCSCD(world.PCSCDConfig{Conf: ifd.ReaderConf([]ifd.Entry{
		{Name: "tlagate Vitale", Socket: socket, Owner: "root", Slot: 0}})})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	_, err = p.Process().WaitLine(patience, "another user than the owner")
	require.NoError(t, err, "pcscd's log says so")
	require.Equal(t, map[string]bool{vitaleReader: false}, readers(tool(t, p, "opensc-tool", "-l")))
	said, err := os.ReadFile(heard)
	require.True(t, err == nil || os.IsNotExist(err), err)
	require.Empty(t, string(said))
}

// TestC1NothingListensAtThePdT: the workstation has no listener on a network, in its own world.
func TestC1NothingListensAtThePdT(t *testing.T) {
	l := newLab(t)
	startSession(t, l)
	for _, p := range []*world.Process{l.PdTProc, l.PdTReaders.Process()} {
		out, err := world.Run(patience, nil, "ss", "-Hltunp")
		require.NoError(t, err)
		require.NotContains(t, out, fmt.Sprintf("pid=%d,", p.PID()))
	}
}

// practice is a Poste de Travail on a host of several: pcscd, the account of its programs, and its card.
type practice struct {
	uid   uint32
	pcscd *world.PCSCD
	card  *cardsim.Vitale
}

// TestC1PracticesSeeTheirOwnCardsAlone: three practices on one host, each with a pcscd whose directory is in one that
// only its own account may enter, as deploy/examples/pcscd@.service has it: none sees another's card. (pcscd opens its
// own directory to everybody. The units themselves are tried by make units.)
func TestC1PracticesSeeTheirOwnCardsAlone(t *testing.T) {
	needsAccounts(t)
	t.Parallel()
	var all []practice
	for i := range 3 {
		b := newIFDBed(t, world.PCSCDConfig{})
		s := b.session()
		p := practice{uid: uint32(70001 + i), pcscd: b.pcscd,
			card: cardsim.NewVitale(cardsim.VitaleConfig{Serial: fmt.Sprintf("%010d", i+1)})}
		s.insert(session.SlotVitale, p.card)
		s.waitShown(session.SlotVitale)
		around := filepath.Dir(filepath.Dir(p.pcscd.Socket()))
		openTo(t, around)
		require.NoError(t, os.Chown(around, 0, int(p.uid)))
		require.NoError(t, os.Chmod(around, 0o750))
		require.NoError(t, p.pcscd.Restart())
		s.waitShown(session.SlotVitale)
		all = append(all, p)
	}
	for i, who := range all {
		for j, whose := range all {
			cmd := asAccount(who.uid, "opensc-tool", "--reader", vitaleReader, "--card-driver", "default", "-s",
				readSerial)
			cmd.Env = append(os.Environ(), append(whose.pcscd.Env(), "HOME=/nonexistent")...)
			out, err := cmd.CombinedOutput()
			if i == j {
				require.NoError(t, err, "%s", out)
				require.Equal(t, []string{serialFile(whose.card)}, lab.Responses(string(out)))
				continue
			}
			require.Error(t, err)
			require.NotContains(t, string(out), vitaleReader)
			_, err = net.Dial("unix", whose.pcscd.Socket())
			require.NoError(t, err, "it is there, for root")
		}
	}
}
