package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"text/template"

	"tlagate/integration/lab"
	"tlagate/integration/world"
)

// tunnel is pcscd's socket over stunnel, set up with care: TLS 1.3 with certificates on both sides and the cipher of
// tlagate's links, chain and revocation checked, small packets sent at once. One stunnel runs at the terminal, and one
// at the PdT, which has a near and a far way to the first.
type tunnel struct {
	Readers      string // pcscd's socket
	Server       string // host:port at the terminal
	ViaProxy     string // host:port of the proxy in front of Server
	Near, Far    string // sockets at the PdT
	Root, CRL    string
	Terminal, PC lab.Keys

	procs []*world.Process
}

var tunnelConfig = template.Must(template.New("").Parse(`
{{define "terminal"}}{{template "process"}}
[readers]
accept = {{.Server}}
connect = {{.Readers}}
cert = {{.Terminal.Cert}}
key = {{.Terminal.Key}}
socket = l:TCP_NODELAY=1
{{template "trust" .}}
{{end}}

{{define "workstation"}}{{template "process"}}
[near]
accept = {{.Near}}
connect = {{.Server}}
{{template "client" .}}
[far]
accept = {{.Far}}
connect = {{.ViaProxy}}
{{template "client" .}}
{{end}}

{{define "client"}}client = yes
cert = {{.PC.Cert}}
key = {{.PC.Key}}
checkHost = localhost
socket = r:TCP_NODELAY=1
{{template "trust" .}}
{{end}}

{{define "process"}}foreground = yes
pid =
syslog = no
{{end}}

{{define "trust"}}CAfile = {{.Root}}
CRLfile = {{.CRL}}
verifyChain = yes
sslVersionMin = TLSv1.3
ciphersuites = TLS_AES_128_GCM_SHA256
libwrap = no
TIMEOUTclose = 0
{{end}}
`))

// newTunnel returns a tunnel to a pcscd's socket, with certificates of the lab's CA.
func newTunnel(l *lab.Lab, readers string) (*tunnel, error) {
	port, err := world.Port()
	if err != nil {
		return nil, err
	}
	t := &tunnel{Readers: readers, Server: world.Addr(port), Near: l.Path("near.comm"), Far: l.Path("far.comm"),
		Root: l.TLATrust.Anchor, CRL: l.Path("stunnel.crl")}
	if t.Terminal, err = l.Issue("stunnel-terminal", "gateway-server", lab.Gateway, "localhost"); err != nil {
		return nil, err
	}
	if t.PC, err = l.Issue("stunnel-pc", "pdt-client", lab.PdT); err != nil {
		return nil, err
	}
	return t, concatenate(t.CRL, l.TLATrust.CRLs)
}

func concatenate(to string, from []string) error {
	var all []byte
	for _, f := range from {
		b, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		all = slices.Concat(all, b)
	}
	return os.WriteFile(to, all, 0o600)
}

// start starts both ends; ViaProxy must be set.
func (t *tunnel) start(l *lab.Lab) error {
	for _, end := range []string{"terminal", "workstation"} {
		if err := t.startEnd(end, l.Path("stunnel-"+end+".conf")); err != nil {
			return err
		}
	}
	return world.Poll(world.Patience, "stunnel", t.ready)
}

func (t *tunnel) startEnd(end, path string) error {
	var text strings.Builder
	if err := tunnelConfig.ExecuteTemplate(&text, end, t); err != nil {
		return err
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		return err
	}
	proc, err := world.Start(world.Command{Name: "stunnel", Path: "stunnel", Args: []string{path}})
	if err != nil {
		return fmt.Errorf("%w; install the package stunnel4", err)
	}
	t.procs = append(t.procs, proc)
	return nil
}

// ready returns nil when all ends accept connections.
func (t *tunnel) ready() error {
	for _, p := range t.procs {
		select {
		case <-p.Done():
			return errors.New("it ended: " + strings.Join(p.Lines(), " | "))
		default:
		}
	}
	for _, at := range [][2]string{{"tcp", t.Server}, {"unix", t.Near}, {"unix", t.Far}} {
		c, err := net.Dial(at[0], at[1])
		if err != nil {
			return err
		}
		_ = c.Close()
	}
	return nil
}

// said returns the last lines of both ends, for an error message.
func (t *tunnel) said() string {
	var all []string
	for _, p := range t.procs {
		lines := p.Lines()
		all = append(all, lines[max(0, len(lines)-10):]...)
	}
	return strings.Join(all, "\n")
}

func (t *tunnel) stop() {
	for _, p := range t.procs {
		_ = p.Stop()
	}
}
