package doctor

import (
	"context"
	"encoding/binary"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// machine returns a machine whose root directory has these files; "-> X" makes a link to X.
func machine(t *testing.T, files map[string]string) System {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		file := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		if to, link := strings.CutPrefix(text, "-> "); link {
			require.NoError(t, os.Symlink(to, file))
			continue
		}
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	}
	return System{Root: root, Program: "tla-relay"}
}

// running adds a process; its command line is made of words.
func running(files map[string]string, pid, cmdline string, more ...string) map[string]string {
	dir := "proc/" + pid + "/"
	words := strings.Fields(cmdline)
	files[dir+"comm"] = filepath.Base(words[0]) + "\n"
	files[dir+"cmdline"] = strings.Join(words, "\x00") + "\x00"
	files[dir+"environ"] = ""
	for i := 0; i+1 < len(more); i += 2 {
		files[dir+more[i]] = more[i+1]
	}
	return files
}

type tree = map[string]string

// traps has the checks of the system, each with machines that have the trap and machines that do not.
var traps = []struct {
	name string
	run  func(System) Finding
	on   tree
	want State
	says string
}{
	{"swap", System.swap, tree{"proc/swaps": "Filename Type Size\n/dev/sda2 partition 1 0 -2\n"}, Failure,
		"/dev/sda2"},
	{"swap, none", System.swap, tree{"proc/swaps": "Filename Type Size\n"}, OK, "no swap"},
	{"swap, in memory", System.swap, tree{"proc/swaps": "Filename Type\n/dev/zram0 partition 1 0 -2\n"}, OK, "zram0"},
	{"swap, encrypted", System.swap, tree{"proc/swaps": "Filename Type\n/dev/dm-1 partition 1 0 -2\n",
		"sys/block/dm-1/dm/uuid": "CRYPT-PLAIN-swap\n"}, OK, "dm-1"},
	{"swap, LVM", System.swap, tree{"proc/swaps": "Filename Type\n/dev/dm-1 partition 1 0 -2\n",
		"sys/block/dm-1/dm/uuid": "LVM-x\n"}, Failure, "dm-1"},
	{"swap, unseen", System.swap, tree{}, Unknown, ""},

	{"hibernation", System.hibernation, tree{"sys/power/state": "freeze mem disk\n",
		"sys/power/disk": "[platform] shutdown\n", "proc/swaps": "F T\n/dev/sda2 p\n"}, Warning, "can hibernate"},
	{"hibernation, no kernel", System.hibernation, tree{"sys/power/state": "freeze mem\n"}, OK, ""},
	{"hibernation, disabled", System.hibernation,
		tree{"sys/power/state": "mem disk\n", "sys/power/disk": "[disabled]\n"}, OK, ""},
	{"hibernation, no swap", System.hibernation, tree{"sys/power/state": "mem disk\n", "proc/swaps": "F T\n"}, OK, ""},
	{"hibernation, masked", System.hibernation,
		tree{"sys/power/state": "mem disk\n", "etc/systemd/system/hibernate.target": "-> /dev/null",
			"etc/systemd/system/hybrid-sleep.target": "-> /dev/null"}, OK, "masked"},
	{"hibernation, half masked", System.hibernation,
		tree{"sys/power/state": "mem disk\n", "etc/systemd/system/hibernate.target": "-> /dev/null"}, Warning, ""},

	{"core, running", System.coreDumps, running(tree{"proc/sys/kernel/core_pattern": "core\n"}, "7",
		"/usr/bin/tla-relay run",
		"limits", "Limit Soft Hard\nMax core file size        unlimited            unlimited            bytes\n"),
		Failure, "process 7"},
	{"core, limited", System.coreDumps, running(tree{"proc/sys/kernel/core_pattern": "core\n"}, "7",
		"/usr/bin/tla-relay run",
		"limits", "Max core file size        0                    unlimited            bytes\n"), OK, ""},
	{"core, a command is not the daemon", System.coreDumps, running(tree{"proc/sys/kernel/core_pattern": "core\n"},
		"7", "/usr/bin/tla-relay doctor",
		"limits", "Max core file size        0                    unlimited            bytes\n"), Unknown, ""},
	{"core, by the unit", System.coreDumps, tree{"proc/sys/kernel/core_pattern": "core\n",
		"lib/systemd/system/tla-relay.service": "[Service]\nLimitCORE=0\n"}, OK, ""},
	{"core, unit without", System.coreDumps, tree{"proc/sys/kernel/core_pattern": "core\n",
		"lib/systemd/system/tla-relay.service": "[Service]\nType=exec\n"}, Failure, ""},
	{"core, piped", System.coreDumps, tree{"proc/sys/kernel/core_pattern": "|/usr/bin/apport %p\n",
		"lib/systemd/system/tla-relay.service": "LimitCORE=0\n"}, Warning, "apport"},
	{"core, systemd", System.coreDumps, tree{"proc/sys/kernel/core_pattern": "|/lib/systemd/systemd-coredump %P\n",
		"lib/systemd/system/tla-relay.service": "LimitCORE=0\n"}, OK, ""},
	{"core, nowhere", System.coreDumps, tree{"proc/sys/kernel/core_pattern": "\n"}, OK, ""},

	{"apdu", System.apduLog, running(tree{}, "9", "/usr/sbin/pcscd --foreground --apdu"), Failure, "process 9"},
	{"apdu, abbreviated", System.apduLog, running(tree{}, "9", "/usr/sbin/pcscd --foreground --ap"), Failure, "--ap"},
	{"apdu, short", System.apduLog, running(tree{}, "9", "/usr/sbin/pcscd -fa"), Failure, "-fa"},
	{"debug", System.apduLog, running(tree{}, "9", "/usr/sbin/pcscd -f --debug"), Failure, "--debug"},
	{"apdu, a directory of that name", System.apduLog, running(tree{}, "9", "/usr/sbin/pcscd -f -cdata --auto-exit"),
		OK, ""},
	{"apdu, in a drop-in", System.apduLog,
		tree{"lib/systemd/system/pcscd.service": "ExecStart=/usr/sbin/pcscd --foreground\n",
			"etc/systemd/system/pcscd.service.d/x.conf": "[Service]\nExecStart=\nExecStart=/usr/sbin/pcscd " +
				"--foreground --apdu\n"}, Failure, "configuration"},
	{"apdu, in the defaults", System.apduLog, tree{"etc/default/pcscd": "PCSCD_ARGS=\"--apdu\"\n"}, Failure,
		"configuration"},
	{"apdu, by the client's library", System.apduLog, running(tree{}, "7", "/usr/bin/tla-relay run",
		"environ", "A=b\x00PCSCLITE_DEBUG=0\x00"), Failure, "PCSCLITE_DEBUG"},
	{"apdu, by the spy", System.apduLog, running(tree{}, "9", "/usr/sbin/pcscd -f",
		"environ", "LD_PRELOAD=/usr/lib/libpcscspy.so\x00"), Failure, "LD_PRELOAD"},
	{"apdu, none", System.apduLog,
		running(tree{"lib/systemd/system/pcscd.service": "ExecStart=/usr/sbin/pcscd --foreground --auto-exit " +
			"$PCSCD_ARGS\n"},
			"9", "/usr/sbin/pcscd --foreground --auto-exit"), OK, ""},

	{"polkit without a rule", found(System.Polkit),
		tree{"usr/share/polkit-1/actions/org.debian.pcsc-lite.policy": "<action " +
			"id=\"org.debian.pcsc-lite.access_pcsc\">",
			"usr/share/polkit-1/rules.d/50.rules": "polkit.addAdminRule()"}, Failure, "SCARD_W_SECURITY_VIOLATION"},
	{"polkit without a rule, of programs", found(func(s System) Check { return Driver{System: s}.PolkitOfPrograms() }),
		tree{"usr/share/polkit-1/actions/org.debian.pcsc-lite.policy": "<action " +
			"id=\"org.debian.pcsc-lite.access_pcsc\">"}, Warning, "only root, and who sits at this machine"},
	{"polkit with a rule", found(System.Polkit),
		tree{"usr/share/polkit-1/actions/org.debian.pcsc-lite.policy": "<action " +
			"id=\"org.debian.pcsc-lite.access_pcsc\">",
			"etc/polkit-1/rules.d/50-tla.rules": "action.id == \"org.debian.pcsc-lite.access_pcsc\""}, OK,
		"50-tla.rules"},
	{"no polkit", found(System.Polkit), tree{}, OK, ""},
}

// TestDaemonOfSeveral: on a host of several practices, it is the one daemon that is asked about.
func TestDaemonOfSeveral(t *testing.T) {
	limits := func(core string) []string { return []string{"limits", "Max core file size  " + core + "  0  bytes\n"} }
	on := tree{"proc/sys/kernel/core_pattern": "core\n", "lib/systemd/system/tla-relay.service": "LimitCORE=0\n"}
	running(running(on, "7", "/usr/bin/tla-relay run", limits("0")...), "8", "/usr/bin/tla-relay run",
		limits("unlimited")...)
	s := machine(t, on)
	for pid, want := range map[int]State{7: OK, 8: Failure, -1: Unknown} {
		s.Daemon = &pid
		require.Equal(t, want, s.coreDumps().State, pid)
	}
}

// found returns what a check finds.
func found(check func(System) Check) func(System) Finding {
	return func(s System) Finding { return check(s).Run(context.Background()) }
}

func TestTrapsOfTheSystem(t *testing.T) {
	for _, c := range traps {
		t.Run(c.name, func(t *testing.T) {
			got := c.run(machine(t, c.on))
			require.Equal(t, c.want, got.State, "%+v", got)
			require.Contains(t, got.Found, c.says)
			require.Equal(t, got.State == Failure || got.State == Warning, got.Do != "" && got.State != Unknown,
				"what is wrong comes with what to do: %+v", got)
		})
	}
}

func TestLockedMemory(t *testing.T) {
	for limit, want := range map[string]State{"0": Failure, "4095": Failure, "4096": OK, "unlimited": OK} {
		s := machine(t, running(tree{}, "7", "tla-relay run", "limits", "Max locked memory         "+limit+
			"              8388608              bytes\n"))
		require.Equal(t, want, s.Locked(4096).Run(t.Context()).State, limit)
	}
}

// TestC2AKeyboardOrAKeypad: what the kernel says of this machine's devices, the words of a power button and of a mouse
// among them.
func TestC2AKeyboardOrAKeypad(t *testing.T) {
	const button = "N: Name=\"Power Button\"\nB: EV=3\nB: KEY=10000000000000 0\n\n" +
		"N: Name=\"Mouse\"\nB: KEY=70000 0 0 0 0\n"
	for keys, want := range map[string]State{
		"0": Warning,
		"402000000 3803078f800d001 feffffdfffefffff fffffffffffffffe": OK,
		"1 7fb80 0":   Warning,
		"10007bb80 0": OK,
		"xyz -1":      Warning,
	} {
		devices := tree{"/proc/bus/input/devices": button + "\nN: Name=\"Keys\"\nB: KEY=" + keys + "\n"}
		require.Equal(t, want, machine(t, devices).Keyboard().Run(t.Context()).State, keys)
	}
	require.Equal(t, Unknown, machine(t, tree{}).Keyboard().Run(t.Context()).State)
}

func TestNothingListens(t *testing.T) {
	const header = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	for table, want := range map[string]State{
		"0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 4711 1": Failure,
		"0: 0100007F:1F90 0200007F:0001 01 00000000:00000000 00:00000000 00000000 0 0 4711 1": OK, // connected
		"0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 4712 1": OK, // another process's
	} {
		s := machine(t, running(tree{}, "7", "tla-relay run", "fd/3", "-> socket:[4711]", "net/tcp",
			header+table+"\n"))
		require.Equal(t, want, s.NoNetwork().Run(t.Context()).State, table)
	}
	require.Equal(t, Unknown, machine(t, tree{}).NoNetwork().Run(t.Context()).State)
}

func TestMembers(t *testing.T) {
	dir := t.TempDir()
	group, passwd := filepath.Join(dir, "group"), filepath.Join(dir, "passwd")
	require.NoError(t, os.WriteFile(group, []byte("root:x:0:\ntla-users:x:990:anne,paul\nempty:x:991:\n"), 0o600))
	require.NoError(t, os.WriteFile(passwd, []byte("root:x:0:0::/root:/bin/sh\nkiosk:x:1000:990::/:/bin/sh\n"), 0o600))
	got, err := membersOf(group, passwd, "tla-users")
	require.NoError(t, err)
	require.Equal(t, []string{"anne", "paul", "kiosk"}, got)
	got, err = membersOf(group, passwd, "empty")
	require.NoError(t, err)
	require.Empty(t, got)
	_, err = membersOf(group, passwd, "nobody")
	require.ErrorContains(t, err, "there is no group nobody")
}

// TestTheScreensOwnUserIsNobody: members of the group count, except the account of a screen that is not enabled.
func TestTheScreensOwnUserIsNobody(t *testing.T) {
	const enabled, unit = "etc/systemd/system/multi-user.target.wants/tla-relay-ui.service",
		"lib/systemd/system/tla-relay-ui.service"
	for name, c := range map[string]struct {
		group string
		more  tree
		want  State
		says  string
	}{
		"a person":            {"tla-users:x:990:tla-ui,anne", nil, OK, "[anne]"},
		"the screen alone":    {"tla-users:x:990:tla-ui", nil, Warning, "screen's own user tla-ui"},
		"the screen, enabled": {"tla-users:x:990:tla-ui", tree{enabled: "-> /" + unit}, OK, "at the screen"},
		"another's name for it": {"tla-users:x:990:kiosk", tree{unit: "[Service]\nUser=kiosk\n"}, Warning,
			"own user kiosk"},
		"no screen on the system": {"tla-users:x:990:tla-ui", tree{unit: ""}, OK, "[tla-ui]"},
		"nobody":                  {"tla-users:x:990:", nil, Warning, "nobody"},
		"no group":                {"", nil, Failure, "no group tla-users"},
	} {
		on := tree{"etc/group": c.group + "\n", "etc/passwd": "anne:x:1000:1000::/:/bin/sh\n",
			unit: "[Service]\nUser=tla-ui\n"}
		maps.Copy(on, c.more)
		got := machine(t, on).Users("tla-users").Run(t.Context())
		require.Equal(t, c.want, got.State, "%s: %+v", name, got)
		require.Contains(t, got.Found, c.says, name)
	}
	require.Equal(t, Warning, machine(t, tree{}).Users("").Run(t.Context()).State)
}

// TestZombiesAreNoProcesses: of a process that has ended nothing can be read, not even by root.
func TestZombiesAreNoProcesses(t *testing.T) {
	for stat, want := range map[string]int{"9 (pcscd) S 1": 1, "9 (pcscd) Z 1": 0, "9 (a) Z) R 1": 1, "9 (a) R) Z 1": 0,
		"9 (pcscd) X 1": 0, "": 1} {
		require.Len(t, machine(t, running(tree{}, "9", "/usr/sbin/pcscd -f", "stat", stat)).processes("pcscd"), want,
			stat)
	}
	require.Len(t, machine(t, running(tree{}, "9", "/usr/sbin/pcscd -f")).processes("pcscd"), 1, "it is not known")
	if runtime.GOOS != "linux" {
		t.Skip("there is no /proc here")
	}
	name := filepath.Join(t.TempDir(), "tlagate-zombie")
	program, err := exec.LookPath("true")
	require.NoError(t, err)
	code, err := os.ReadFile(program)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(name, code, 0o700))
	child := exec.Command(name)
	require.NoError(t, child.Start())
	defer child.Wait()
	dir := filepath.Join("/proc", strconv.Itoa(child.Process.Pid))
	require.Eventually(t, func() bool { return ended(dir) }, time.Minute, time.Millisecond,
		"it ends at once, and nobody waits for it")
	require.DirExists(t, dir)
	require.Empty(t, System{}.processes("tlagate-zombie"))
}

// TestNotOnThisSystem: on systems other than Linux, no check of a trap of Linux says that all is well.
func TestNotOnThisSystem(t *testing.T) {
	s := System{Elsewhere: true}
	for _, c := range append(append(s.Memory(), Driver{System: s}.Checks()...), s.APDULog(), s.Polkit(),
		s.NoNetwork(), s.Locked(1)) {
		require.Equal(t, elsewhere(), c.Run(t.Context()), c.Name)
	}
}

// daemon answers as pcscd does: each request on a connection with the next of answers; it closes when none is left.
func daemon(t *testing.T, answers ...[]byte) (socket string) {
	socket = filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		for _, a := range answers {
			var head [8]byte
			if _, err := io.ReadFull(c, head[:]); err != nil {
				return
			}
			_, _ = io.CopyN(io.Discard, c, int64(binary.NativeEndian.Uint32(head[:])))
			_, _ = c.Write(a)
		}
	}()
	return socket
}

func ints(v ...uint32) (b []byte) {
	for _, n := range v {
		b = binary.NativeEndian.AppendUint32(b, n)
	}
	return b
}

func TestPCSCService(t *testing.T) {
	states := make([]byte, maxReaders*readerSize)
	copy(states, "tlagate 00 00")
	copy(states[3*readerSize:], "tlagate 00 01")
	good := [][]byte{ints(4, 4, 0), ints(2, 1, 0), states}
	for _, c := range []struct {
		answers  [][]byte
		expected []string
		want     State
		says     string
	}{
		{good, nil, OK, `"tlagate 00 00", "tlagate 00 01"`},
		{good, []string{"tlagate 00 00", "tlagate 00 01"}, OK, ""},
		{good, []string{"tlagate 01 00"}, Failure, `"tlagate 01 00" is configured`},
		{[][]byte{ints(4, 4, 0), ints(2, 1, 0), make([]byte, maxReaders*readerSize)}, nil, Warning, "no reader"},
		{[][]byte{ints(4, 4, 0), ints(2, 0, securityViolation)}, nil, Failure, "SCARD_W_SECURITY_VIOLATION"},
		{[][]byte{ints(4, 4, 0), nil}, nil, Failure, "SCARD_W_SECURITY_VIOLATION"},
		{[][]byte{ints(4, 5, 0x8010001E), ints(4, 5, 0), ints(2, 1, 0), states}, nil, OK,
			`"tlagate 00 00", "tlagate 00 01"`},
		{[][]byte{ints(9, 0, 0x8010001E), ints(9, 0, 0x8010001E)}, nil, Unknown, "9.0"},
	} {
		got := System{}.Service(daemon(t, c.answers...), func() []string { return c.expected }).Run(t.Context())
		require.Equal(t, c.want, got.State, "%+v", got)
		require.Contains(t, got.Found, c.says)
	}
	full := make([]byte, maxReaders*readerSize)
	for i := range maxReaders {
		full[i*readerSize] = 'A' + byte(i)
	}
	require.Equal(t, Warning, System{}.Service(daemon(t, ints(4, 4, 0), ints(2, 1, 0), full), func() []string {
		return nil
	}).Run(t.Context()).State)
	require.Equal(t, Failure, System{}.Service(filepath.Join(t.TempDir(), "none"), func() []string {
		return nil
	}).Run(t.Context()).State)
}
