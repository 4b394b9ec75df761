package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const pcscdUnit = "pcscd.service"

// APDULog returns the check that neither pcscd nor its client library logs what cards say.
func (s System) APDULog() Check { return s.linux("APDU logging", s.apduLog) }

func (s System) apduLog() Finding {
	const do = "take the option away (systemctl cat pcscd, /etc/default/pcscd), restart pcscd, and erase the log"
	hidden := 0
	for _, p := range s.pcscds() {
		if option := logging(p.args[1:]); option != "" {
			return Fail(do, "pcscd (process %d) runs with %s: card data gets into its log", p.pid, option)
		}
	}
	for _, line := range append(s.unit(pcscdUnit), s.defaults()...) {
		name, value, _ := strings.Cut(line, "=")
		if option := logging(strings.Fields(strings.Trim(value, `"'`))); option != "" &&
			(name == "ExecStart" || name == "PCSCD_ARGS") {
			return Fail(do, "the configuration of pcscd has %s: card data will get into its log", option)
		}
	}
	for _, p := range append(s.pcscds(), s.daemons()...) {
		env, err := p.environ()
		if err != nil {
			hidden++
		}
		if name := debugging(env); name != "" {
			return Fail("take the variable out of the environment, and restart",
				"%s is set for process %d: card data can get into its output", name, p.pid)
		}
	}
	if hidden > 0 {
		return Cannot(asRoot, "no option logs commands; the environment of %d processes cannot be seen", hidden)
	}
	return Good("neither pcscd nor its clients log commands")
}

// defaults returns the lines of the file from which Debian's unit reads its arguments.
func (s System) defaults() []string {
	text, err := s.read("/etc/default/pcscd")
	if err != nil {
		return nil
	}
	return assignments(text)
}

// logging returns the option by which pcscd logs commands, or lets drivers do it; getopt_long accepts abbreviations.
func logging(args []string) string {
	for _, arg := range args {
		switch {
		case len(arg) > 3 && strings.HasPrefix("--apdu", arg), len(arg) > 3 && strings.HasPrefix("--debug", arg):
			return arg
		case strings.HasPrefix(arg, "-") && !strings.HasPrefix(arg, "--"):
			letters, _, _ := cutAny(arg[1:], "cstr") // what follows these is their value
			if strings.ContainsAny(letters, "ad") {
				return arg
			}
		}
	}
	return ""
}

func cutAny(text, letters string) (before, after string, found bool) {
	if i := strings.IndexAny(text, letters); i >= 0 {
		return text[:i], text[i:], true
	}
	return text, "", false
}

// debugging returns the variable by which libpcsclite, libccid or the spy library log commands.
func debugging(env []string) string {
	for _, v := range env {
		name, value, _ := strings.Cut(v, "=")
		switch {
		case name == "PCSCLITE_DEBUG", name == "LIBPCSCLITE_DEBUG", name == "LIBCCID_ifdLogLevel",
			name == "LIBPCSCSPY_PIPE":
			return name
		case name == "LD_PRELOAD" && strings.Contains(value, "pcscspy"):
			return name
		}
	}
	return ""
}

const polkitAction = "org.debian.pcsc-lite.access_pcsc"

// Polkit returns the check that a pcscd which asks polkit lets our daemon in (Debian 13).
func (s System) Polkit() Check {
	user := "the user of " + s.Program
	return s.polkit(Fail("put a rule into /etc/polkit-1/rules.d that allows "+polkitAction+" to "+user,
		"pcscd asks polkit and no rule speaks of it: %s is refused (SCARD_W_SECURITY_VIOLATION)", user))
}

// PolkitOfPrograms returns the check whom such a pcscd lets in where programs of others use our readers.
func (d Driver) PolkitOfPrograms() Check {
	for _, p := range d.pcscds() {
		if d.serves(p.readers()) && slices.Contains(p.args, "--disable-polkit") {
			return Check{"polkit", func(context.Context) Finding { return Good("our readers' pcscd asks no polkit") }}
		}
	}
	return d.polkit(Warn("examples/60-tlagate-pcscd.rules, for services and who comes from afar (docs/setup.md, 6)",
		"pcscd asks polkit and no rule speaks of it: only root, and who sits at this machine, can use its readers"))
}

func (s System) polkit(ruleless Finding) Check {
	return s.linux("polkit", func() Finding { return s.polkitRules(ruleless) })
}

func (s System) polkitRules(ruleless Finding) Finding {
	policy, _ := s.read("/usr/share/polkit-1/actions/org.debian.pcsc-lite.policy")
	if !strings.Contains(policy, polkitAction) {
		return Good("this pcscd asks no polkit")
	}
	unseen := false
	for _, dir := range []string{"/etc/polkit-1/rules.d", "/usr/share/polkit-1/rules.d",
		"/usr/local/share/polkit-1/rules.d", "/run/polkit-1/rules.d"} {
		for _, file := range s.glob(dir + "/*.rules") {
			text, err := os.ReadFile(file)
			if strings.Contains(string(text), "org.debian.pcsc-lite") {
				return Good("%s has a rule for pcscd", filepath.Base(file))
			}
			unseen = unseen || err != nil
		}
		_, err := os.ReadDir(s.path(dir))
		unseen = unseen || denied(err)
	}
	if unseen {
		return Cannot(asRoot, "pcscd asks polkit, and not all of its rules can be seen")
	}
	return ruleless
}

// Service returns the check that PC/SC answers, and with which readers; expected returns names that must be among them.
func (s System) Service(socket string, expected func() []string) Check {
	return s.linux("PC/SC service", func() Finding {
		names, err := readers(socket)
		switch {
		case errors.Is(err, errRefused):
			return Fail("see the check polkit, or run this as root",
				"pcscd refuses this user (SCARD_W_SECURITY_VIOLATION)")
		case errors.Is(err, errVersion):
			return Cannot("apt install pcsc-tools; pcsc_scan -r lists the readers", "%v", err)
		case denied(err):
			return Cannot(asRoot, "this user may not use the socket %s", socket)
		case err != nil && socket != usualSocket:
			return Fail("start the pcscd that listens there, or put PCSCLITE_CSOCK_NAME right",
				"no pcscd answers at %s: %v", socket, err)
		case err != nil:
			return Fail("apt install pcscd; systemctl start pcscd.socket", "pcscd does not answer at %s: %v", socket,
				err)
		}
		return judgeReaders(socket, names, expected())
	})
}

func judgeReaders(socket string, names, expected []string) Finding {
	has := map[string]bool{}
	for _, n := range names {
		has[n] = true
	}
	for _, e := range expected {
		if !has[e] {
			return Fail("if there are several pcscd, say which by PCSCLITE_CSOCK_NAME; else restart it and look into "+
				"its log, for billing software finds readers by these names",
				"the reader %q is configured and pcscd at %s does not have it; it has %s", e, socket, list(names))
		}
	}
	switch {
	case len(names) == 0:
		return Warn("connect a reader; lsusb, and pcscd's log, say whether it is seen",
			"pcscd answers and has no reader")
	case len(names) >= maxReaders:
		return Warn("take readers away: pcscd leaves out what comes after", "pcscd has %d readers, the most it can",
			len(names))
	}
	return Good("pcscd answers, readers: %s", list(names))
}

func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = fmt.Sprintf("%q", n)
	}
	return strings.Join(quoted, ", ")
}
