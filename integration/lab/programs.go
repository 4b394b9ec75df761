package lab

import (
	"cmp"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"text/template"

	"tlagate/integration/world"
)

// configurations are the YAML files of the programs, as an operator would write them.
var configurations = template.Must(template.New("").Funcs(template.FuncMap{"server": server}).Parse(`
{{define "trust"}}trust:
  anchors: [{file: {{.Anchor}}, practices: [{{range $i, $p := .Practices}}{{if $i}}, {{end}}{{$p}}{{else}}"*"{{end}}]}]
  crls: [{{range $i, $f := .CRLs}}{{if $i}}, {{end}}{{$f}}{{end}}]
{{- if .State}}
  state: {{.State}}{{end}}
{{- if .Production}}
  production: true{{end}}
{{- if .OCSP}}
  ocsp: {responders: [{{range $i, $u := .OCSP}}{{if $i}}, {{end}}"{{$u}}"{{end}}], refresh: 1s}{{end}}
{{- if .ARL}}
  arl: {{.ARL}}{{end}}
{{- if .Denials}}
  denials: {{.Denials}}{{end}}
{{- if .Answers}}
  answers: {{.Answers}}{{end}}
{{- if .DenyList}}
  deny_list: {{.DenyList}}{{end}}
{{end}}
{{define "user"}}{{if .User}}user: {{.User}}
{{end}}{{if .Persons}}{{.Persons.Section}}{{end}}{{end}}
{{define "gateway"}}listen: "{{.GatewayAddr}}"
identity: {cert: {{.GatewayKeys.Cert}}, key: {{.GatewayKeys.Key}}}
{{template "trust" .GatewayTrust}}{{template "user" .}}{{end}}
{{define "ocsp"}}listen: {{.OCSPAddr}}
issuer: {{.Path "pki/public/issuing.crt"}}
identity: {cert: {{.OCSPKeys.Cert}}, key: {{.OCSPKeys.Key}}}
database: {{.Path "pki/ca.db"}}
{{end}}
{{define "pdt"}}gateways: [{{range $i, $a := .PdTDials}}{{if $i}}, {{end}}{{server $a}}{{end}}]
client: {cert: {{.ClientKeys.Cert}}, key: {{.ClientKeys.Key}}}
server: {cert: {{.ServerKeys.Cert}}, key: {{.ServerKeys.Key}}}
status: {{.Path "pdt.sock"}}
{{template "trust" .PdTTrust}}{{template "user" .}}{{end}}
{{define "relay"}}gateways: [{{range $i, $a := .TLADials}}{{if $i}}, {{end}}{{server $a}}{{end}}]
pdt: {{.AskFor}}
identity: {cert: {{.TLAKeys.Cert}}, key: {{.TLAKeys.Key}}}
policy: {{.Path "policy.yaml"}}
control: {socket: {{.Path "relay.sock"}}{{if .Seat}}, seat: {{.Seat}}{{end}}}
{{template "trust" .TLATrust}}{{end}}
`))

// server returns the YAML of a gateway's address, or of NAME=ADDRESS, as an operator would write it.
func server(text string) string {
	name, at, beside := strings.Cut(text, "=")
	if !beside {
		return fmt.Sprintf("%q", text)
	}
	return fmt.Sprintf("{address: %q, name: %s}", at, name)
}

// Via returns the address at which the TLA dials the gateway.
func (l *Lab) Via() string { return l.Named(cmp.Or(l.GatewayVia, l.GatewayAddr)) }

// Named returns an address of this world under the name that the gateway's certificate has.
func (l *Lab) Named(addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	return net.JoinHostPort(cmp.Or(l.Host, "localhost"), port)
}

// TLADials returns the gateways that the TLA dials.
func (l *Lab) TLADials() []string { return l.dials(l.TLAVia, l.Via()) }

// PdTDials returns the gateways that the PdT dials.
func (l *Lab) PdTDials() []string { return l.dials(l.PdTVia, l.Named(l.GatewayAddr)) }

func (l *Lab) dials(via []string, first string) []string {
	switch {
	case via != nil:
		return via
	case l.Second != nil:
		return []string{first, l.Named(l.Second.Addr)}
	}
	return []string{first}
}

// write writes the configuration file of a program, with extra lines at its end, and returns its path.
func (l *Lab) write(name string, extra ...string) (string, error) {
	if name == "relay" {
		if err := l.writePolicy(); err != nil {
			return "", err
		}
	}
	var b strings.Builder
	if err := configurations.ExecuteTemplate(&b, name, l); err != nil {
		return "", fmt.Errorf("cannot write the configuration of the %s: %w", name, err)
	}
	if window := os.Getenv("READ_AHEAD"); name == "relay" && !slices.ContainsFunc(extra, isReadAhead) && window != "" {
		extra = append(extra, "read_ahead: "+window)
	}
	text := b.String() + strings.Join(extra, "\n") + "\n"
	path := l.Path(name + l.suffix + ".yaml")
	return path, os.WriteFile(path, []byte(text), 0o600)
}

// isReadAhead reports a line about read-ahead, also one that is a comment, as in the examples.
func isReadAhead(line string) bool {
	return strings.HasPrefix(strings.TrimPrefix(line, "# "), "read_ahead:")
}

// StartGateway starts tla-gateway; extra lines are added to its configuration.
func (l *Lab) StartGateway(extra ...string) error {
	path, err := l.write("gateway", extra...)
	if err != nil {
		return err
	}
	l.GatewayProc, err = l.start("tla-gateway", "listening", nil, "serve", "--config", path)
	return err
}

// StartOCSP starts tla-ocsp on the lab's CA, at the same address each time, and returns its URL.
func (l *Lab) StartOCSP(extra ...string) (url string, err error) {
	if l.OCSPAddr == "" {
		if err := l.layOutOCSP(); err != nil {
			return "", err
		}
	}
	path, err := l.write("ocsp", extra...)
	if err != nil {
		return "", err
	}
	l.OCSPProc, err = l.start("tla-ocsp", "listening", nil, "serve", "--config", path)
	return "http://" + l.OCSPAddr + "/ocsp", err
}

func (l *Lab) layOutOCSP() error {
	port, err := world.Port()
	if err != nil {
		return err
	}
	l.OCSPAddr = world.Addr(port)
	l.OCSPKeys, err = l.Issue("ocsp", "ocsp", OCSP)
	return err
}

// StartPdT starts tla-pdt and waits until it is parked.
func (l *Lab) StartPdT(extra ...string) error { return l.startPdT("parked", extra) }

// LaunchPdT starts tla-pdt and does not wait: the gateway may refuse it.
func (l *Lab) LaunchPdT(extra ...string) error { return l.startPdT("", extra) }

func (l *Lab) startPdT(ready string, extra []string) error {
	path, err := l.write("pdt", extra...)
	if err != nil {
		return err
	}
	l.PdTProc, err = l.start("tla-pdt", ready, nil, "run", "--config", path)
	return err
}

// StartRelay starts tla-relay run, which opens no connection by itself. It runs without readers as well.
func (l *Lab) StartRelay(extra ...string) error {
	path, err := l.write("relay", extra...)
	if err != nil {
		return err
	}
	var env []string
	if l.TLAReaders != nil {
		env = l.TLAReaders.Env()
	}
	l.RelayProc, err = l.start("tla-relay", "ready", env, "run", "--config", path)
	return err
}

// Relay runs a command of the TLA's user: start, stop or status.
func (l *Lab) Relay(command string, args ...string) (string, error) {
	return l.Run("tla-relay", append([]string{command, "--config", l.Path("relay.yaml")}, args...)...)
}

// Start starts everything but a session: readers, cards, gateway, PdT, relay.
func (l *Lab) Start() error {
	for _, step := range []func() error{
		l.StartReaders, l.InsertCards,
		func() error { return l.StartGateway() }, func() error { return l.StartPdT() }, func() error {
			return l.StartRelay(l.RelayLines...)
		},
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}
