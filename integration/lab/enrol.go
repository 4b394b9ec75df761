package lab

import (
	"os"
	"strings"

	"tlagate/integration/world"
)

// Unbox makes the devices new ones, with a configuration but without certificates and keys: a device trusts nobody, and
// is nobody, until it is enrolled. The TLA and the PdT have no CRL: their gateway brings them the answers about
// certificates.
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

// Invite returns a one-time code for an identity.
func (l *Lab) Invite(urn string, args ...string) (string, error) {
	parts := strings.Split(urn, ":") // urn:tlagate:PRACTICE:ROLE:NAME
	out, err := l.PKI("invite", append([]string{"--role", parts[3], "--practice", parts[2], "--name", parts[4]},
		args...)...)
	code, _, _ := strings.Cut(out, "\n")
	return code, err
}

// Enroll runs the command `enroll` of a program with its configuration ("gateway", "pdt", "relay") and extra lines. The
// code goes to standard input, where nobody else sees it.
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
