package lab

import (
	"fmt"
	"os"
	"os/exec"

	"tlagate/integration/world"
	"tlagate/keys/keystest"
)

// Operator is somebody who looks at a gateway and acts from afar, with a key that never leaves its token (SoftHSM2).
type Operator struct {
	Identity string
	Token    *keystest.Token
	Config   string // the operator's file
	API      string // the section of the gateway's configuration that lets them in

	lab *Lab
}

// NewOperator makes an operator of that name, whose roles are words of docs/api.md, separated by commas.
func (l *Lab) NewOperator(name, roles string) (*Operator, error) {
	port, err := world.Port()
	if err != nil {
		return nil, err
	}
	o := &Operator{Identity: "urn:tlagate:operateur-demo:admin:" + name, lab: l, Config: l.Path(name + ".yaml")}
	o.API = fmt.Sprintf("api: {socket: %s, listen: %q, admins: [{identity: %q, roles: [%s]}]}", l.Path("api.sock"),
		world.Addr(port), o.Identity, roles)
	keys, err := l.Issue(name, "admin", o.Identity)
	if err != nil {
		return nil, err
	}
	if err := o.moveKey(keys.Key, name); err != nil {
		return nil, err
	}
	text := fmt.Sprintf("gateway: %q\nidentity: {cert: %s, key: %q}\n"+
		"trust:\n  anchors: [{file: %s, practices: [\"*\"]}]\n  crls: [%s, %s]\n",
		"https://"+l.Named(world.Addr(port)), keys.Cert, o.Token.URI(name), l.GatewayTrust.Anchor,
		l.GatewayTrust.CRLs[0], l.GatewayTrust.CRLs[1])
	return o, os.WriteFile(o.Config, []byte(text), 0o600)
}

// moveKey moves a key into a new token.
func (o *Operator) moveKey(file, name string) error {
	dir := o.lab.Path(name + "-token")
	err := os.Mkdir(dir, 0o700)
	if err == nil {
		o.Token, err = keystest.MakeToken(dir)
	}
	if err != nil {
		return fmt.Errorf("cannot make a token of SoftHSM2: %w", err)
	}
	move := exec.Command("softhsm2-util", "--import", file, "--token", o.Token.Label, "--label", name, "--id", "01",
		"--pin", keystest.PIN)
	move.Env = append(os.Environ(), o.Env())
	if out, err := move.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot move a key into the token: %w: %s", err, out)
	}
	return os.Remove(file)
}

// Env returns the variable by which programs find the token.
func (o *Operator) Env() string { return "SOFTHSM2_CONF=" + o.Token.Conf }

// Run runs a command of tla-gateway from afar, and returns its standard output.
func (o *Operator) Run(args ...string) (string, error) {
	program, err := o.lab.Binary("tla-gateway")
	if err != nil {
		return "", err
	}
	return world.Type(world.Patience, "", []string{o.Env()}, program, append(args, "--operator", o.Config)...)
}
