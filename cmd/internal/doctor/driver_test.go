package doctor

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/pdt/ifd"
)

const socket = "/run/tla-pdt/readers.sock"

// ours returns our entries in reader.conf.
func ours(owner string, more ...ifd.Entry) string {
	return string(ifd.ReaderConf(append([]ifd.Entry{{Name: "A", Socket: socket, Owner: owner, Slot: 0},
		{Name: "B", Socket: socket, Owner: owner, Slot: 1}}, more...)))
}

const vpcdEntry = "FRIENDLYNAME \"Virtual PCD\"\nDEVICENAME   /dev/null:0x8C7B\nLIBPATH\t/l/libifdvpcd.so\n"

func TestDriverEntries(t *testing.T) {
	const conf = "etc/reader.conf.d/tlagate"
	lib := strings.TrimPrefix(ifd.Library, "/")
	other := ifd.Entry{Name: "C", Socket: "/run/other/readers.sock", Owner: "x"}
	for name, c := range map[string]struct {
		on   tree
		want State
		says string
	}{
		"as they should be": {tree{conf: ours("tla-pdt"), lib: ""}, OK, `"A 00 00", "B 01 00"`},
		"with others before": {tree{conf: string(ifd.ReaderConf([]ifd.Entry{other, {Name: "P", Placeholder: true}})) +
			ours("x"), lib: ""}, OK, `"A 02 00", "B 03 00"`},
		"no driver": {tree{conf: ours("tla-pdt")}, Failure, "is missing"},
		"none":      {tree{conf: vpcdEntry}, Failure, "no reader that finds"},
		"of others": {tree{conf: string(ifd.ReaderConf([]ifd.Entry{other})), lib: ""}, Failure,
			"no reader that finds"},
		"one slot": {tree{conf: strings.Replace(ours("x"), "ifd:1:", "ifd:0:", 1), lib: ""}, Failure, "slot 1"},
		"in several files": {tree{conf: ours("x"), conf + "2": string(ifd.ReaderConf([]ifd.Entry{other})), lib: ""},
			Failure, "/etc/reader.conf.d/tlagate2"},
		"twice": {tree{conf: ours("x"), conf + ".old": ours("x"), lib: ""}, Failure, "tlagate.old"},
		"of another pcscd": {running(running(tree{"opt/a/r": string(ifd.ReaderConf([]ifd.Entry{other})),
			"opt/b/r": ours("x"), lib: ""}, "8", "pcscd -f --config /opt/a"), "9", "pcscd -f --config /opt/b"), OK,
			`"A 00 00", "B 01 00"`},
		"under other names": {tree{conf: strings.Replace(ours("x"), `"B"`, `"D"`, 1), lib: ""}, Warning,
			`"D" should be called "B"`},
		"too many": {tree{conf: ours("x", slicesOf(other, 15)...), lib: ""}, Failure, "17 readers"},
	} {
		names := map[string]string{"0": "A", "1": "B"}
		got := Driver{System: machine(t, c.on), Socket: socket, Names: names}.entries()
		require.Equal(t, c.want, got.State, "%s: %+v", name, got)
		require.Contains(t, got.Found, c.says, name)
	}
	for _, name := range []string{conf, "etc/reader.conf.d", lib} {
		s := machine(t, tree{conf: ours("x"), lib: ""})
		require.NoError(t, os.Chmod(s.path(name), 0o777))
		got := Driver{System: s, Socket: socket}.entries()
		require.Equal(t, Failure, got.State, name)
		require.Contains(t, got.Found, "others than root can change "+s.path(name))
	}
	s := machine(t, running(tree{"opt/c/r": ours("x")}, "9", "pcscd -f --config /opt/c"))
	require.Equal(t, []string{"A 00 00", "B 01 00"}, Driver{System: s, Socket: socket}.Expected(),
		"the running pcscd says where its configuration is")
}

// TestDriverOfOneOfSeveral: the pcscd of a practice is not that of another, and the usual one counts though it does not
// run.
func TestDriverOfOneOfSeveral(t *testing.T) {
	polkit := "usr/share/polkit-1/actions/org.debian.pcsc-lite.policy"
	s := machine(t, running(tree{"etc/reader.conf.d/t": ours("x"), "etc/reader.conf.d/vpcd": vpcdEntry,
		"opt/c/r": strings.ReplaceAll(ours("y"), socket, "/run/c"), "proc/net/tcp": "sl\n", polkit: polkitAction,
		strings.TrimPrefix(ifd.Library, "/"): ""}, "9", "pcscd -f --config /opt/c --disable-polkit"))
	for socket, polkit := range map[string]State{socket: Warning, "/run/c": OK} {
		d := Driver{System: s, Socket: socket}
		require.Equal(t, OK, d.entries().State, socket)
		require.Equal(t, Warning, d.vpcd().State)
		require.Equal(t, polkit, d.PolkitOfPrograms().Run(t.Context()).State, socket)
	}
	require.NoError(t, os.RemoveAll(s.path("/proc/9")))
	require.Equal(t, Failure, Driver{System: s, Socket: "/run/c"}.entries().State)
	require.Equal(t, OK, Driver{System: s, Socket: "/run/c", Beside: "/opt/c"}.entries().State, "it does not run")
}

// TestAnybodyCanBeCalledPcscd: another account's process may say anything, and is not believed; what may be our pcscd
// is, but not about where its readers are.
func TestAnybodyCanBeCalledPcscd(t *testing.T) {
	s := machine(t, running(tree{"opt/c/r": ours("x"), strings.TrimPrefix(ifd.Library, "/"): "",
		"usr/share/polkit-1/actions/org.debian.pcsc-lite.policy": polkitAction,
	}, "9", "pcscd -f --config /opt/c --disable-polkit --apdu"))
	if err := os.Chown(s.path("/proc/9"), 65534, -1); err != nil {
		t.Skip("needs a second account, hence root:", err)
	}
	d := Driver{System: s, Socket: socket, Beside: "/opt/c"}
	require.Equal(t, Warning, d.PolkitOfPrograms().Run(t.Context()).State)
	require.Equal(t, OK, s.apduLog().State)
	d.PCSCD = []string{"65534"}
	require.Equal(t, OK, d.PolkitOfPrograms().Run(t.Context()).State)
	require.Equal(t, Failure, d.apduLog().State)
	d.Beside = ""
	require.Equal(t, Failure, d.entries().State)
}

// TestPCSCUsers: who can open pcscd's socket matters where several practices are on one host.
func TestPCSCUsers(t *testing.T) {
	const dir, pcsc = "run/pcscd-c", "/run/pcscd-c/pcscd.comm"
	one := running(tree{pcsc[1:]: ""}, "7", "/usr/bin/tla-relay run")
	several := running(running(tree{pcsc[1:]: ""}, "7", "/usr/bin/tla-relay run"), "8", "/usr/bin/tla-relay run")
	group := "group " + groupOf(strconv.Itoa(os.Getgid()))
	for name, c := range map[string]struct {
		on          tree
		modeOfDir   os.FileMode
		modeOfComm  os.FileMode
		want        State
		says, never string
	}{
		"of one":                 {one, 0o755, 0o666, OK, everybody, group},
		"of several":             {several, 0o755, 0o666, Warning, everybody, group},
		"in a group's directory": {several, 0o750, 0o666, OK, group, everybody},
		"of a group":             {several, 0o755, 0o660, OK, group, everybody},
		"of its owner":           {several, 0o700, 0o666, OK, nameOf(strconv.Itoa(os.Getuid())), everybody},
		"gone":                   {tree{}, 0, 0, Unknown, "no socket", everybody},
	} {
		s := machine(t, c.on)
		require.NoError(t, os.Chmod(s.Root, 0o755))
		if c.modeOfDir != 0 {
			require.NoError(t, os.Chmod(s.path(pcsc), c.modeOfComm))
			require.NoError(t, os.Chmod(s.path("/"+dir), c.modeOfDir))
		}
		got := Driver{System: s, PCSC: pcsc}.users()
		require.Equal(t, c.want, got.State, "%s: %+v", name, got)
		require.Contains(t, got.Found, c.says, name)
		require.NotContains(t, got.Found, c.never, name)
	}
}

// TestDriverOfNobody: without a configuration there is nothing to say of the driver, and no half of a sentence.
func TestDriverOfNobody(t *testing.T) {
	for _, c := range (Driver{System: machine(t, tree{})}).Checks() {
		if f := c.Run(t.Context()); c.Name != "vpcd" && c.Name != "PC/SC users" {
			require.Equal(t, Cannot("", "see configuration"), f, c.Name)
		}
	}
}

func slicesOf(e ifd.Entry, n int) (all []ifd.Entry) {
	for range n {
		all = append(all, e)
	}
	return all
}

func TestDriverOwner(t *testing.T) {
	uid := strconv.Itoa(os.Getuid())
	for owner, want := range map[string]State{uid: OK, "999999": Failure, "nobody-of-that-name": Failure} {
		s := machine(t, tree{"etc/reader.conf.d/t": ours(owner), strings.TrimPrefix(socket, "/"): ""})
		require.Equal(t, want, Driver{System: s, Socket: socket}.owner().State, owner)
	}
	require.Equal(t, Unknown, Driver{System: machine(t, tree{}), Socket: socket}.owner().State)
}

func TestDriverAsTlaPdTSeesIt(t *testing.T) {
	for _, c := range []struct {
		state     DriverState
		connected State
		strangers State
		says      string
	}{
		{DriverState{Connected: true, Version: "0.2.0"}, OK, OK, ""},
		{DriverState{Connected: true, Version: "0.1.0"}, Warning, OK, "0.1.0"},
		{DriverState{Connected: true, Version: "v0.1.0-3-gabc"}, OK, OK, ""},
		{DriverState{}, Warning, OK, "no driver is connected"},
		{DriverState{Error: "another version"}, Failure, OK, "another version"},
		{DriverState{Connected: true, Foreign: 3, Stranger: "uid 65534"}, OK, Warning, "uid 65534"},
	} {
		d := Driver{Version: "0.2.0", State: func() ([]DriverState, error) { return []DriverState{c.state}, nil }}
		require.Equal(t, c.connected, d.connected().State, "%+v", c.state)
		require.Equal(t, c.strangers, d.strangers().State, "%+v", c.state)
		require.Contains(t, d.connected().Found+d.strangers().Found, c.says)
	}
	away := Driver{State: func() ([]DriverState, error) { return nil, errors.New("it is away") }}
	require.Equal(t, Unknown, away.connected().State)
	require.Equal(t, Unknown, Driver{}.strangers().State)
}

// listening returns /proc/net/tcp for a program that listens on vpcd's port.
func listening(addr string) string {
	return "  sl  local_address\n" + fmt.Sprintf(" 0: %s:%04X 00000000:0000 0A 00000000:00000000 00:00000000 "+
		"00000000 0 0 1 1\n", addr, 35963)
}

func TestVPCDLeftBehind(t *testing.T) {
	for name, c := range map[string]struct {
		on   tree
		want State
	}{
		"no":         {tree{"etc/reader.conf.d/tlagate": ours("x")}, OK},
		"configured": {tree{"etc/reader.conf.d/vpcd": vpcdEntry, "proc/net/tcp": "sl\n"}, Warning},
		"listens":    {tree{"etc/reader.conf.d/vpcd": vpcdEntry, "proc/net/tcp": listening("00000000")}, Failure},
		"listens on IPv6": {tree{"etc/reader.conf.d/vpcd": vpcdEntry, "proc/net/tcp": "sl\n",
			"proc/net/tcp6": listening("00000000000000000000000001000000")}, Failure},
	} {
		got := Driver{System: machine(t, c.on), Socket: socket}.vpcd()
		require.Equal(t, c.want, got.State, "%s: %+v", name, got)
	}
}
