package lab

import (
	"os"
	"strings"

	"tlagate/integration/world"
)

// Unbox takes every certificate and key of devices away, and leaves them their configuration: a device trusts nobody,
// and is nobody, until it is enrolled. The TLA is brought the answers about certificates by its gateway, and has no
// CRL.
func (l *Lab) Unbox() {
	pair := func(name string) Keys { return Keys{l.Path(name + ".crt"), l.Path(name + ".key")} }
	own := func(name string, crls ...string) Trust {
		return Trust{Anchor: l.Path(name + "-root.crt"), ARL: l.Path(name + "-arl.pem"), CRLs: crls}
	}
	l.GatewayKeys, l.ClientKeys, l.ServerKeys, l.TLAKeys = pair("own-gateway"), pair("own-pdt-client"),
		pair("own-pdt-server"), pair("own-tla")
	l.GatewayTrust = own("gateway", l.Path("pki/public/crl.pem"))
	l.PdTTrust, l.TLATrust = own("pdt"), own("tla")
}

// Invite makes a one-time code for an identity.
func (l *Lab) Invite(urn string, args ...string) (string, error) {
	parts := strings.Split(urn, ":") // urn:tlagate:PRACTICE:ROLE:NAME
	out, err := l.PKI("invite", append([]string{"--role", parts[3], "--practice", parts[2], "--name", parts[4]},
		args...)...)
	code, _, _ := strings.Cut(out, "\n")
	return code, err
}

// Enroll runs the command `enroll` of a program with its configuration ("gateway", "pdt", "relay") and extra lines of
// it. The code is given on standard input, where nobody else sees it.
func (l *Lab) Enroll(config string, extra []string, code string, args ...string) (string, error) {
	path, err := l.write(config, extra...)
	if err != nil {
		return "", err
	}
	program, err := l.Binary("tla-" + config)
	if err != nil {
		return "", err
	}
	typed := l.Path("code")
	if err := os.WriteFile(typed, []byte(code+"\n"), 0o600); err != nil {
		return "", err
	}
	script := `exec "$@" - <"$0"`
	return world.Run(world.Patience, nil,
		"sh", append([]string{"-c", script, typed, program, "enroll", "--config", path}, args...)...)
}
