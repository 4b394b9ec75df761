package lab

import (
	"fmt"
	"os"
	"strings"

	"tlagate/integration/world"
)

// Ops is the identity that signs bundles.
const Ops = "urn:tlagate:operateur-demo:admin:ops"

// LayOutBundles makes the certificate of Ops and the directory that the gateway serves, and starts a responder that the
// gateway asks. It returns the line for the gateway's configuration.
func (l *Lab) LayOutBundles() (line string, err error) {
	url, err := l.StartOCSP()
	if err != nil {
		return "", err
	}
	l.GatewayTrust.OCSP = []string{url}
	if _, err := l.Issue("ops", "bundle", Ops); err != nil {
		return "", err
	}
	return "bundles: " + l.Path("bundles"), os.MkdirAll(l.Path("bundles"), 0o755)
}

// SignBundle writes bundles/ROLE.p7m: what the lab's devices of a role need, plus more lines, signed with the keys that
// are called signer.
func (l *Lab) SignBundle(role, signer string, more ...string) error {
	text := fmt.Sprintf(`for: "urn:tlagate:%s:%s:*"
gateways: [%q]
anchors: [{file: %s, practices: ["*"]}]
arls: [{file: %s}]
`, Practice, role, l.Via(), l.Path("pki/public/root.crt"), l.Path("pki/public/arl.pem"))
	if role == "tla" {
		text += fmt.Sprintf("pdts: [%q]\n", PdT)
	}
	in := l.Path(role + "-bundle.yaml")
	if err := os.WriteFile(in, []byte(text+strings.Join(more, "\n")+"\n"), 0o600); err != nil {
		return err
	}
	_, err := l.Run("tla-pki", "bundle", "sign", "--in", in, "--cert", l.Path(signer+".crt"), "--key",
		l.Path(signer+".key"),
		"--out", l.Path("bundles/"+role+".p7m"))
	return err
}

// SealRelay writes the configuration of a sealed relay, with more lines, and fetches its bundle. StartSealedRelay
// starts the relay.
func (l *Lab) SealRelay(more ...string) error {
	identity, err := l.wrapped(l.TLAKeys)
	if err != nil {
		return err
	}
	return l.sealDevice("tla-relay", "relay", fmt.Sprintf("identity: %s\ncontrol: {socket: %s}\n%s\n", identity,
		l.Path("relay.sock"), strings.Join(more, "\n")))
}

// SealPdT is SealRelay for the PdT.
func (l *Lab) SealPdT() error {
	client, err := l.wrapped(l.ClientKeys)
	if err != nil {
		return err
	}
	server, err := l.wrapped(l.ServerKeys)
	if err != nil {
		return err
	}
	return l.sealDevice("tla-pdt", "pdt", fmt.Sprintf("client: %s\nserver: %s\nstatus: %s\n", client,
		server, l.Path("pdt.sock")))
}

// wrapped encrypts a key under the lab's wrapping key, and returns the section of a configuration that names it.
func (l *Lab) wrapped(k Keys) (section string, err error) {
	wrap := l.Path("wrapping.key")
	if err := os.WriteFile(wrap, []byte("of the lab, 32 octets and no less\n"), 0o600); err != nil {
		return "", err
	}
	_, err = world.Run(world.Patience, nil, "openssl", "pkcs8", "-topk8", "-in", k.Key, "-passout", "file:"+wrap,
		"-out", k.Key+".enc",
		"-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA256", "-iter", "20000")
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("{cert: %s, key: %s.enc, wrapping_key: %s}", k.Cert, k.Key, wrap), os.Chmod(k.Key+".enc", 0o600)
}

func (l *Lab) sealDevice(program, name, own string) error {
	arl, err := os.ReadFile(l.Path("pki/public/arl.pem"))
	if err != nil {
		return err
	}
	root, err := os.ReadFile(l.Path("pki/public/root.crt"))
	if err != nil {
		return err
	}
	text := fmt.Sprintf("%ssealed: true\nbundle: %s.p7m\naudit: %s-audit.jsonl\ntrust: {anchors: [{file: "+
		"%s-root.crt}], arl: %s-arl.pem, state: %s-numbers}\n", own, name, name, name, name, name)
	for file, data := range map[string][]byte{name + "-arl.pem": arl, name + "-root.crt": root,
		name + ".yaml": []byte(text)} {
		if err := os.WriteFile(l.Path(file), data, 0o600); err != nil {
			return err
		}
	}
	_, err = l.Run(program, "bundle", "fetch", "--config", l.Path(name+".yaml"), "--gateway", l.Via())
	return err
}

// StartSealedRelay starts the relay with the configuration that it has, and waits until it says ready.
func (l *Lab) StartSealedRelay(ready string) (err error) {
	l.RelayProc, err = l.start("tla-relay", ready, nil, "run", "--config", l.Path("relay.yaml"))
	return err
}

// StartSealedPdT is StartSealedRelay for the PdT.
func (l *Lab) StartSealedPdT(ready string) (err error) {
	l.PdTProc, err = l.start("tla-pdt", ready, nil, "run", "--config", l.Path("pdt.yaml"))
	return err
}
