package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"tlagate/cmd/internal/sandbox"
)

// insideEnv makes the test's binary enter the sandbox of a configuration file, and try out what it can do in there.
const insideEnv = "TLAGATE_TEST_INSIDE"

func TestMain(m *testing.M) {
	if file := os.Getenv(insideEnv); file != "" {
		if err := tryOut(file); err != nil {
			fmt.Println("error", err)
		}
		os.Exit(0)
	}
	if os.Getenv(programEnv) != "" {
		main()
	}
	os.Exit(m.Run())
}

// programEnv makes the test's binary act as the program.
const programEnv = "TLA_RELAY_TEST_PROGRAM"

// act is something that is tried in the sandbox.
type act struct {
	name string
	do   func() error
}

func readFile(name string) act {
	return act{"read " + name, func() error { _, err := os.ReadFile(name); return err }}
}

// replaceFile writes a file as our own state is written.
func replaceFile(name string) act {
	return act{"replace " + name, func() error {
		return errors.Join(os.WriteFile(name+".tmp", []byte("new"), 0o600), os.Rename(name+".tmp", name))
	}}
}

func dial(address string) act {
	return act{"dial " + address, func() error {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
		}
		return err
	}}
}

// acts returns what is tried, for a configuration in dir: first what a relay needs, then what it does not.
func acts(dir, gateway string) (needed, not []act) {
	listen := func(network, address string) func() error {
		return func() error {
			config := net.ListenConfig{}
			config.SetMultipathTCP(false) // which Landlock does not restrict (cmd/internal/sandbox)
			l, err := config.Listen(context.Background(), network, address)
			if err == nil {
				l.Close()
			}
			return err
		}
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	needed = []act{
		readFile(in("etc/relay.yaml")), readFile(in("etc/root.crt")), readFile(in("pki/crl.pem")),
		readFile(in("etc/wrap")),
		replaceFile(in("state/tla.crt")), replaceFile(in("state/tla.key")), replaceFile(in("state/numbers")),
		replaceFile(in("log/audit.jsonl")),
		replaceFile(in("state/bundle.p7m")), replaceFile(in("log/audit-000000000001.jsonl")),
		replaceFile(in("maker/lock")),
		readFile("/etc/hosts"), readFile("/etc/passwd"), readFile("/proc/self/status"),
		readFile("/var/lib/dpkg/status"), readFile("/proc/self/exe"), // what is compared
		{"look up a user", func() error { _, err := user.LookupId("0"); return err }},
		{"open the control socket", listen("unix", in("run/control.sock"))},
		{"remove it", func() error { return os.WriteFile(in("run/x"), nil, 0o600) }},
		dial(gateway),
	}
	not = []act{
		readFile(in("home/secret")), replaceFile(in("home/secret")), replaceFile(in("etc/relay.yaml")),
		readFile("/usr/share/common-licenses/GPL-3"), readFile("/proc/1/status"),
		{"list /root", func() error { _, err := os.ReadDir("/root"); return err }},
		{"write into /etc", func() error {
			defer os.Remove("/etc/tlagate-test")
			return os.WriteFile("/etc/tlagate-test", nil, 0o600)
		}},
		{"run a program", func() error { return exec.Command("/bin/true").Run() }},
		{"listen on TCP", listen("tcp4", "127.0.0.1:0")},
		{"make a device", func() error { return syscall.Mknod(in("state/device"), syscall.S_IFCHR|0o600, 1<<8|3) }},
		{"link a secret", func() error { return os.Link(in("home/secret"), in("state/secret")) }},
		dial("127.0.0.1:9"),
	}
	return needed, not
}

// tryOut prints a line for each act: "yes" or "no", its kind and its name.
func tryOut(file string) error {
	c, err := withConfig{file}.load()
	if err != nil {
		return err
	}
	if err := new(box).enter(sandbox.Kernel(), c, c.Gateways.Texts(), slog.New(slog.DiscardHandler)); err != nil {
		return err
	}
	needed, not := acts(filepath.Dir(filepath.Dir(file)), string(c.Gateways[0]))
	for kind, list := range map[string][]act{"needed": needed, "not": not} {
		for _, a := range list {
			fmt.Println(answer(a.do()), kind, a.name)
		}
	}
	return nil
}

// answer returns "yes" for success, "no" for a refusal by the sandbox, and any other error with its text.
func answer(err error) string {
	switch {
	case err == nil:
		return "yes"
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EXDEV): // a link into another directory is one
		return "no"
	}
	return "error " + err.Error()
}

// layOutTerminal makes the directories of a terminal and its configuration, and listens as its gateway does.
func layOutTerminal(t *testing.T, more string) (file string) {
	dir := t.TempDir()
	for _, d := range []string{"etc", "state", "log", "run", "home", "pki", "maker"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, d), 0o700))
	}
	for _, f := range []string{"etc/root.crt", "etc/wrap", "pki/crl.pem", "home/secret", "state/tla.crt"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, f), []byte("x"), 0o600))
	}
	gateway, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { gateway.Close() })
	file = filepath.Join(dir, "etc/relay.yaml")
	text := fmt.Sprintf(`gateways: [%q]
pdt: bureau
identity: {cert: ../state/tla.crt, key: ../state/tla.key, wrapping_key: wrap}
trust: {anchors: [{file: root.crt, practices: ["*"]}], crls: [../pki/crl.pem], state: ../state/numbers}
bundle: ../state/bundle.p7m
audit: ../log/audit.jsonl
control: {socket: ../run/control.sock}
sandbox_paths: [../maker]
%s
`, fmt.Sprintf("localhost:%d", gateway.Addr().(*net.TCPAddr).Port), more)
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

// inside returns the outcomes of the acts in the sandbox of a configuration.
func inside(t *testing.T, file string) []string {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), insideEnv+"="+file)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

// TestEL2SandboxLeavesWhatIsNeeded: under the very rules of its configuration, a process does what a relay does, and
// nothing else: no other file, no other program, no listening, no other port.
func TestEL2SandboxLeavesWhatIsNeeded(t *testing.T) {
	if level := sandbox.Kernel(); level.Lacks() != "" {
		t.Skipf("this kernel cannot restrict %s: Landlock's ABI is %d, want 6", level.Lacks(), level)
	}
	lines := inside(t, layOutTerminal(t, ""))
	needed, not := acts("", "")
	require.Len(t, lines, len(needed)+len(not))
	for _, line := range lines {
		require.Regexp(t, "^(yes needed|no not) ", line)
	}
}

// TestEL2SandboxOffRestrictsNothing: so it is the sandbox that refuses what the other test sees refused.
func TestEL2SandboxOffRestrictsNothing(t *testing.T) {
	lines := strings.Join(inside(t, layOutTerminal(t, "sandbox: off")), "\n")
	require.NotContains(t, lines, "no needed")
	for _, was := range []string{"read .*/home/secret", "replace .*/relay.yaml", "run a program", "listen on TCP",
		"link a secret"} {
		require.Regexp(t, "(?m)^yes not "+was+"$", lines)
	}
}

// TestEL2SandboxIsNotOffUnderSeal: nor may its value be misspelt.
func TestEL2SandboxIsNotOffUnderSeal(t *testing.T) {
	for want, c := range map[string]config{
		"this device is sealed": {Box: confinement{Sandbox: "off"}},
		"is neither on nor off": {Box: confinement{Sandbox: "of"}},
		"":                      {Box: confinement{Sandbox: "on"}},
	} {
		c.Sealed = true
		if want == "" {
			require.NoError(t, c.checkSandbox())
		} else {
			require.ErrorContains(t, c.checkSandbox(), want)
		}
	}
}

// TestEL2NoSandboxUnderSealIsNoRelay: on a kernel without Landlock a sealed relay does not run; one that is not sealed
// warns. (Neither restricts this test's own process, whatever its kernel: the rules are not reached, or are off.)
func TestEL2NoSandboxUnderSealIsNoRelay(t *testing.T) {
	var c config
	c.Sealed = true
	err := new(box).enter(0, c, nil, slog.New(slog.DiscardHandler))
	require.ErrorIs(t, err, sandbox.ErrNoKernel)
	require.ErrorContains(t, err, "cannot run sealed without a sandbox")
	c.Sealed, c.Box.Sandbox = false, sandboxOff
	var said bytes.Buffer
	require.NoError(t, new(box).enter(0, c, nil, slog.New(slog.NewTextHandler(&said, nil))))
	require.Contains(t, said.String(), "level=WARN")
}

// TestEL2BoxThatIsTooSmall: a bundle moves the gateway to another port; the relay ends when the session ends, and asks
// for it only once.
func TestEL2BoxThatIsTooSmall(t *testing.T) {
	again := make(chan error, 1)
	b := &box{ports: ports([]string{"gw1:8443"}), again: again}
	log := slog.New(slog.DiscardHandler)
	b.fit([]string{"gw2:8443", "gw1:53"}, log)
	b.leave()
	require.Empty(t, again)
	b.fit([]string{"gw1:8443", "gw2:9443"}, log)
	b.leave()
	b.leave()
	require.ErrorIs(t, <-again, errSmall)
}

// TestEL2RulesFollowTheKey: the rules allow the device of a key in hardware, or its module's files.
func TestEL2RulesFollowTheKey(t *testing.T) {
	var c config
	c.Identity.Key = "tpm:/var/lib/tla-relay/tla.tpm"
	require.Equal(t, []string{"/dev/tpmrm0"}, c.rules(nil).Devices)
	c.Identity.Key = "tpm:/var/lib/tla-relay/tla.tpm?device=/dev/tpm0"
	require.Equal(t, []string{"/dev/tpm0"}, c.rules(nil).Devices)
	c.Identity.Key = "pkcs11:token=t;object=o?module-path=/opt/maker/lib/module.so&pin-source=file:/run/secret/pin"
	c.Box.Paths = append(c.Box.Paths, "/var/lib/maker")
	r := c.rules(nil)
	require.Empty(t, r.Devices)
	require.Subset(t, r.Read, []string{"/opt/maker/lib", "/run/secret"})
	require.Contains(t, r.Write, "/var/lib/maker")
}

// TestEL2PackagedConfiguration: the package's configuration can be read, writes only where the unit allows it, and has
// the sandbox.
func TestEL2PackagedConfiguration(t *testing.T) {
	c, err := withConfig{"../../deploy/relay/relay.yaml"}.load()
	require.NoError(t, err)
	require.Empty(t, c.Box.Sandbox)
	require.True(t, c.Trust.Production)
	require.NotEmpty(t, c.Audit)
	r := c.rules(nil)
	require.Equal(t, []string{"/var/lib/tla-relay"}, r.Write)
	require.Equal(t, []string{"/run/tla-relay"}, r.Sockets)
}

// TestEL2PackageIsWhole: each file that the package names exists, and each file in the package's directory is named.
func TestEL2PackageIsWhole(t *testing.T) {
	var manifest struct {
		Contents []struct{ Src, Dst string }
		Scripts  map[string]string
	}
	raw, err := os.ReadFile("../../deploy/relay/nfpm.yaml")
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(raw, &manifest))
	named := map[string]bool{"nfpm.yaml": true, "tla-relay.1": true}
	note := func(src string) {
		if !strings.Contains(src, "$") {
			require.FileExists(t, filepath.Join("../..", src))
			named[strings.TrimPrefix(src, "deploy/relay/")] = true
		}
	}
	for _, c := range manifest.Contents {
		note(c.Src)
	}
	for _, script := range manifest.Scripts {
		note(script)
	}
	require.NoError(t, fs.WalkDir(os.DirFS("../../deploy/relay"), ".",
		func(name string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				require.True(t, named[name], "nfpm.yaml does not name %s", name)
			}
			return err
		}))
}
