package lab

import (
	"fmt"
	"os"

	"tlagate/integration/world"
)

// PKI is the identity of the server that sends revocations.
const PKI = "urn:tlagate:operateur-demo:pki:ca"

// Push is `tla-pki serve` on the lab's CA.
type Push struct {
	Proc   *world.Process
	Addr   string // of the event stream
	Public string // of the lists over HTTP
	EST    string // of enrolment
	Client Keys   // of the gateway

	config string
}

// StartPush issues the certificates that the stream needs and starts tla-pki serve.
func (l *Lab) StartPush() (*Push, error) {
	p := &Push{config: l.Path("serve.yaml")}
	server, err := l.Issue("pki-server", "pki", PKI, "localhost")
	if err != nil {
		return nil, err
	}
	if p.Client, err = l.Issue("gateway-client", "gateway-client", Gateway); err != nil {
		return nil, err
	}
	for _, addr := range []*string{&p.Addr, &p.Public, &p.EST} {
		port, err := world.Port()
		if err != nil {
			return nil, err
		}
		*addr = world.Addr(port)
	}
	text := fmt.Sprintf(`dir: pki
listen: %s
public: %s
est: %s
identity: {cert: %s, key: %s}
trust: {anchors: [{file: pki/public/root.crt, practices: ["*"]}], crls: [pki/public/crl.der, pki/public/arl.der]}
`, p.Addr, p.Public, p.EST, server.Cert, server.Key)
	if err := os.WriteFile(p.config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	return p, l.RestartPush(p)
}

// RestartPush starts it again at the same addresses.
func (l *Lab) RestartPush(p *Push) (err error) {
	p.Proc, err = l.start("tla-pki", "listening", nil, "serve", "--config", p.config, "--log-level", "info")
	return err
}

// PushLines returns the lines of the gateway's configuration that name p.
func (l *Lab) PushLines(p *Push) string {
	return fmt.Sprintf("push: [{url: \"https://%s\", client: {cert: %s, key: %s}}]", l.Named(p.Addr), p.Client.Cert,
		p.Client.Key)
}
