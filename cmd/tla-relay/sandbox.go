package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync/atomic"

	"tlagate/audit/host"
	"tlagate/cmd/internal/cli"
	"tlagate/cmd/internal/intact"
	"tlagate/cmd/internal/sandbox"
	"tlagate/internal/address"
	"tlagate/keys"
	"tlagate/tla"
)

// confinement is the part of the configuration about the sandbox.
type confinement struct {
	Sandbox string     `yaml:"sandbox"`       // "on" (default); "off" for debugging, never on a sealed device
	Paths   []cli.Path `yaml:"sandbox_paths"` // directories that a PKCS#11 module reads and writes
}

const sandboxOff = "off"

// checkSandbox refuses to run a sealed device without a sandbox.
func (c config) checkSandbox() error {
	switch {
	case c.Box.Sandbox != "" && c.Box.Sandbox != "on" && c.Box.Sandbox != sandboxOff:
		return fmt.Errorf("cannot use sandbox: %q is neither on nor off", c.Box.Sandbox)
	case c.Sealed && c.Box.Sandbox == sandboxOff:
		return errors.New("cannot use sandbox: off: this device is sealed; remove the line")
	}
	return nil
}

// box is the sandbox of a running relay. No sandbox can be widened: a relay that no longer fits into its own must be
// restarted, and likewise one whose bundle changes what is fixed at a program's start.
type box struct {
	ports    []uint16              // TCP ports that may be connected to; nil = any
	outgrown atomic.Pointer[error] // why the relay must be restarted; nil = it need not be
	again    chan<- error          // as in daemon
}

// errSmall ends the program, so that its unit starts it again (Restart=).
var errSmall = errors.New("the bundle names a gateway's port that this program's sandbox has closed: it must be " +
	"started again")

// enter restricts the program, now that everything is open (EL2), on a kernel of that level. The ports of gateways may
// be connected to.
func (b *box) enter(level sandbox.Level, c config, gateways []string, log *slog.Logger) error {
	if c.Box.Sandbox == sandboxOff {
		log.Warn("no sandbox: through a flaw of this program every file of its user could be reached (EL2)",
			"line", "sandbox: off")
		return nil
	}
	rules := c.rules(gateways)
	if c.Sealed && !level.Files() {
		return fmt.Errorf("cannot run sealed without a sandbox: %w", sandbox.ErrNoKernel)
	}
	if err := rules.Enforce(); err != nil {
		return err
	}
	b.ports = rules.Connect
	if lacks := level.Lacks(); lacks != "" {
		log.Warn("the sandbox is not complete: this kernel cannot restrict "+lacks+" (EL2)", "landlock", int(level))
		return nil
	}
	log.Info("in the sandbox", "landlock", int(level))
	return nil
}

// fit checks whether the gateways of a new bundle can be reached from inside.
func (b *box) fit(gateways []string, log *slog.Logger) {
	for _, port := range ports(gateways) {
		if b.ports != nil && !slices.Contains(b.ports, port) && b.outgrow(errSmall) {
			log.Warn("a gateway of the new bundle cannot be reached from the sandbox: the program ends after this "+
				"session, to be started again", "port", port)
		}
	}
}

// outgrow notes why the program must be restarted after this session. It reports whether that is news.
func (b *box) outgrow(why error) bool { return b.outgrown.CompareAndSwap(nil, &why) }

// leave ends the program if it must be restarted; it is called at the end of a session.
func (b *box) leave() {
	if why := b.outgrown.Load(); why != nil {
		select {
		case b.again <- *why:
		default: // it was said already
		}
	}
}

// watched passes events on, and leaves when a start has come to no session: the gateway that brought the bundle may
// have refused that one.
func (b *box) watched(trace func(tla.Event)) func(tla.Event) {
	return func(e tla.Event) {
		trace(e)
		if e.Kind == tla.EventFailed || e.Kind == tla.EventRehearsed {
			b.leave()
		}
	}
}

// rules returns what a running relay needs. Files that are replaced, by us or by others, are reached through their
// directory.
func (c config) rules(gateways []string) sandbox.Rules {
	r := sandbox.System()
	read := cli.Texts(append(c.Trust.Reads(), c.Policy))
	r.Read = append(r.Read, sandbox.Directories(append(append(read, c.secrets()...), compared(c.Integrity)...)...)...)
	if dir := os.Getenv("CREDENTIALS_DIRECTORY"); dir != "" {
		r.Read = append(r.Read, dir)
	}
	written := cli.Texts(append(c.Trust.Writes(), c.Identity.Cert, c.Audit, c.Bundle, c.Floor))
	r.Write = append(sandbox.Directories(append(written, c.Identity.Key.File())...), cli.Texts(c.Box.Paths)...)
	r.Sockets = sandbox.Directories(string(c.Control.Socket))
	// a key may be plugged in at any time
	r.Devices = append(devices(c.Identity.Key), sandbox.Directories(string(c.StartKey.Device))...)
	r.Connect = ports(c.ways(gateways))
	return r
}

// compared returns what is read when the machine is compared.
func compared(s intact.Section) []string {
	files := append(s.Reads(), host.Files()...)
	if self, err := os.Executable(); err == nil {
		files = append(files, self)
	}
	return files
}

// ways returns what the relay connects to: the gateways, or the proxy that connects to them.
func (c config) ways(gateways []string) []string {
	if proxy, err := url.Parse(c.Proxy.URL); err == nil && proxy.Host != "" {
		return []string{proxy.Host}
	}
	return gateways
}

// secrets returns the files that are needed to open keys.
func (c config) secrets() (files []string) {
	if wrap := string(c.Identity.WrappingKey); !strings.HasPrefix(wrap, "credential:") {
		files = append(files, wrap)
	}
	if pass := string(c.Proxy.Password); !strings.HasPrefix(pass, "credential:") {
		files = append(files, pass)
	}
	module, pin := c.Identity.Key.TokenFiles()
	return append(files, module, pin)
}

// devices returns the TPM, if the key is in it.
func devices(key keys.Spec) []string {
	if device := key.Device(); device != "" {
		return []string{device}
	}
	return nil
}

// dns is the port for answers that are too long for UDP.
const dns = 53

// ports returns the ports of the gateways, and dns.
func ports(gateways []string) []uint16 {
	list := []uint16{dns}
	for _, g := range gateways {
		if at, err := address.Reach(g); err == nil {
			list = append(list, at.Port)
		}
	}
	return list
}
