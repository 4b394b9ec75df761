package integration

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/audit"
	"tlagate/integration/lab"
	"tlagate/integration/world"
)

// compared is a program with a manifest of its own: its file, and a directory of drop-ins.
type compared struct {
	l       *lab.Lab
	name    string
	program string
	trace   string
	proc    func() *world.Process
	start   func(lines ...string) error // returns once it is ready
	config  string
}

func (c compared) dropIns() string  { return c.l.Path(c.name + ".service.d") }
func (c compared) dropIn() string   { return c.dropIns() + "/limits.conf" }
func (c compared) manifest() string { return c.l.Path(c.name + ".manifest.p7m") }

const asItWas = "[Service]\nLimitCORE=0\n"

// layOut makes the drop-in, and a manifest of it and the program, as an officer does.
func (c compared) layOut(t *testing.T) {
	t.Helper()
	require.NoError(t, os.MkdirAll(c.dropIns(), 0o755))
	c.write(t, asItWas)
	binary, err := world.Binary(c.program)
	require.NoError(t, err)
	out, err := c.l.Run("tla-pki", "manifest", "list", "--name", c.name, "-o", c.l.Path("list.json"), binary,
		c.dropIns())
	require.NoError(t, err, out)
	out, err = c.l.Run("tla-pki", "manifest", "sign", "--in", c.l.Path("list.json"), "--cert", c.l.Path("ops.crt"),
		"--key", c.l.Path("ops.key"), "-o", c.manifest())
	require.NoError(t, err, out)
}

func (c compared) write(t *testing.T, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(c.dropIn(), []byte(text), 0o644))
}

// lines are those of the configuration that have it compared every second.
func (c compared) lines(onMismatch string) string {
	return fmt.Sprintf("integrity: {manifests: [%s], anchors: [%s], on_mismatch: %s, every: 1s}", c.manifest(),
		c.l.Path("pki/public/root.crt"), onMismatch)
}

// last returns the last line of a kind; the zero Entry if there is none.
func (c compared) last(t *testing.T, kind string) (last audit.Entry) {
	t.Helper()
	events, _ := traced(t, c.trace, 0)
	for _, e := range events {
		if string(e.Event) == kind {
			last = e
		}
	}
	return last
}

func (c compared) waitFor(t *testing.T, kind string) audit.Entry {
	t.Helper()
	require.Eventually(t, func() bool { return c.last(t, kind).Event != "" }, patience, 20*time.Millisecond, kind)
	return c.last(t, kind)
}

// programs returns all five; the gateway, which the PdT needs, is the first.
func programs(t *testing.T, l *lab.Lab, metrics string) []compared {
	t.Helper()
	_, err := l.Issue("ops", "bundle", lab.Ops)
	require.NoError(t, err)
	push, err := l.StartPush()
	require.NoError(t, err)
	require.NoError(t, push.Proc.Stop())
	t.Cleanup(func() {
		if push.Proc != nil {
			push.Proc.Kill()
		}
	})
	plain, err := os.ReadFile(l.Path("serve.yaml"))
	require.NoError(t, err)
	audited := func(name string) string { return "audit: " + l.Path(name+".jsonl") }
	list := []compared{
		{name: "gateway", program: "tla-gateway", proc: func() *world.Process { return l.GatewayProc },
			start: func(lines ...string) error {
				return l.StartGateway(append(lines, audited("gateway"), metrics)...)
			}},
		{name: "pdt", program: "tla-pdt", proc: func() *world.Process { return l.PdTProc },
			start: func(lines ...string) error { return l.StartPdT(append(lines, audited("pdt"))...) }},
		{name: "relay", program: "tla-relay", proc: func() *world.Process { return l.RelayProc },
			start: func(lines ...string) error { return l.StartRelay(append(lines, audited("relay"))...) }},
		{name: "ocsp", program: "tla-ocsp", proc: func() *world.Process { return l.OCSPProc },
			start: func(lines ...string) error {
				_, err := l.StartOCSP(append(lines, audited("ocsp"))...)
				return err
			}},
		{name: "serve", program: "tla-pki", trace: l.Path("pki/audit.jsonl"),
			proc: func() *world.Process { return push.Proc }, start: func(lines ...string) error {
				text := string(plain) + strings.Join(lines, "\n") + "\n"
				if err := os.WriteFile(l.Path("serve.yaml"), []byte(text), 0o600); err != nil {
					return err
				}
				return l.RestartPush(push)
			}},
	}
	for i := range list {
		c := &list[i]
		c.l, c.config = l, l.Path(c.name+".yaml")
		if c.trace == "" {
			c.trace = l.Path(c.name + ".jsonl")
		}
		c.layOut(t)
	}
	return list
}

// TestDL3EveryProgramComparesItsMachine: each real program, while it runs and reports: an octet changed in a drop-in is
// in its trace, log, metrics and in what its command prints, once; so is that it was mended.
func TestDL3EveryProgramComparesItsMachine(t *testing.T) {
	l := layLab(t)
	metrics, scrapeIt := meter(t)
	for i, c := range programs(t, l, metrics) {
		require.NoError(t, c.start(c.lines("report")), c.name)
		t.Run(c.name, func(t *testing.T) {
			taken := c.waitFor(t, "integrity.manifest").With
			require.Equal(t, []string{c.name, ""}, []string{taken["manifest"], taken["version"]}, "it has no version")
			require.Equal(t, "as the manifests say", c.last(t, "integrity.compared").With["reason"])
			out, err := l.Run(c.program, "integrity", "-c", c.config)
			require.NoError(t, err, out)
			require.Regexp(t, `(?m)^ok +`+c.dropIn()+`$`, out)

			c.write(t, "[Service]\nLimitCORE=1\n")
			differs := c.waitFor(t, "integrity.differs")
			require.Equal(t, []string{c.dropIn(), "changed"}, []string{differs.With["file"], differs.With["reason"]})
			logged(t, c.proc(), 0, "this machine is not as its manifest says", "file="+c.dropIn(),
				"incident="+differs.With["incident"])
			_, err = l.Run(c.program, "integrity", "-q", "-c", c.config)
			require.ErrorContains(t, err, "lines compared: 3; what differs: 1")
			if i == 0 {
				becomes(t, scrapeIt, "tlagate_integrity_differs", func(v float64) bool { return v == 1 })
				require.Equal(t, 3.0, scrapeIt(t)["tlagate_integrity_lines"])
				require.Equal(t, 1.0, scrapeIt(t)["tlagate_integrity_interval_seconds"])
			}
			c.write(t, asItWas)
			require.Equal(t, c.dropIn(), c.waitFor(t, "integrity.restored").With["names"])
			require.Equal(t, differs.Seq, c.last(t, "integrity.differs").Seq, "it was recorded once")
			if i == 0 {
				becomes(t, scrapeIt, "tlagate_integrity_differs", func(v float64) bool { return v == 0 })
			}
		})
	}
}

// TestDL3EveryProgramStopsByChoice: with on_mismatch: stop, each ends when something differs; it does not start until
// that is mended, and its unit does not try again, but for the relay, which tells its user instead.
func TestDL3EveryProgramStopsByChoice(t *testing.T) {
	l := layLab(t)
	for _, c := range programs(t, l, "") {
		require.NoError(t, c.start(c.lines("stop")), c.name)
		t.Run(c.name, func(t *testing.T) {
			c.write(t, "[Service]\nLimitCORE=1\n")
			code, err := c.proc().Wait(patience)
			require.NoError(t, err)
			require.Equal(t, 1, code)
			logged(t, c.proc(), 0, c.program+": cannot work on a machine that is not as its manifest says: "+c.dropIn()+
				": changed")
			t.Run("start", func(t *testing.T) { c.refuses(t) })
			c.write(t, asItWas)
			require.NoError(t, c.start(c.lines("stop")))
			require.Equal(t, c.dropIn(), c.waitFor(t, "integrity.restored").With["names"])
		})
	}
}

// refuses requires that the program does not start.
func (c compared) refuses(t *testing.T) {
	t.Helper()
	if c.name == "relay" {
		c.relayRefuses(t)
		return
	}
	serve := "serve"
	if c.name == "pdt" {
		serve = "run"
	}
	_, err := c.l.Run(c.program, serve, "--config", c.config)
	require.ErrorContains(t, err, "exit status 78")
	require.ErrorContains(t, err, "cannot work on a machine that is not as its manifest says: ")
}

func (c compared) relayRefuses(t *testing.T) {
	t.Helper()
	require.NoError(t, c.l.StartSealedRelay("refusing to work"))
	number := c.last(t, "integrity.differs").With["incident"]
	logged(t, c.proc(), 0, "refusing to work", "reason=integrity", "why=changed", "file="+c.dropIn(),
		"incident="+number)
	a := (&bed{Lab: c.l, t: t}).relay(t, "start")
	require.False(t, a.OK)
	require.Equal(t, []string{"integrity", "changed", number}, []string{a.Error.Code, a.Error.Reason, a.Error.Incident},
		"the number that the user reads out is the one of the difference")
	require.Equal(t, number, c.waitFor(t, "session.failed").With["incident"])
	require.NoError(t, c.proc().Stop())
}

// TestDL3AForeignManifestIsNoManifest: one that another CA's officer signed, one without a signature, and none at all
// are differences, and a program that is to stop does not start.
func TestDL3AForeignManifestIsNoManifest(t *testing.T) {
	l := layLab(t)
	c := programs(t, l, "")[0]
	whole, err := os.ReadFile(c.manifest())
	require.NoError(t, err)
	for _, bad := range []struct{ text, why string }{{"{}", "altered"}, {"", "missing"}} {
		if bad.text == "" {
			require.NoError(t, os.Remove(c.manifest()))
		} else {
			require.NoError(t, os.WriteFile(c.manifest(), []byte(bad.text), 0o644))
		}
		require.Error(t, c.start(c.lines("stop")))
		c.refuses(t)
		require.Equal(t, bad.why, c.last(t, "integrity.differs").With["reason"])
	}
	require.NoError(t, os.WriteFile(c.manifest(), whole, 0o644))
	require.NoError(t, c.start(c.lines("stop")))
}
