package lab

import (
	"fmt"
	"os"
	"strings"

	"tlagate/integration/world"
)

// Successor is the CA that comes after the lab's, below the same root, in the directory next: its tla-pki serve and its
// responder.
type Successor struct {
	EST       string // of enrolment
	Responder string // URL

	Proc, OCSPProc *world.Process
}

// Succeed makes the CA that comes after the lab's, has two officers approve it through p, and starts its programs.
func (l *Lab) Succeed(p *Push) (*Successor, error) {
	if err := l.officers(p); err != nil {
		return nil, err
	}
	new := l.Path("next")
	if _, err := l.PKI("succeed", "--new", new, "--name", "tlagate lab 2", "--url",
		"http://pki2.lab.example"); err != nil {
		return nil, err
	}
	for _, args := range [][]string{
		{"propose", "--as", l.Path("claire.yaml"), new + "/issuing/issuing.crt"},
		{"approve", "--as", l.Path("paul.yaml"), "1", "--why", "as in the record"},
		{"waiting", "--as", l.Path("claire.yaml"), "--out", new, "1"},
		{"begin", "--dir", new, "--approval", new + ".approval"},
	} {
		if _, err := l.Run("tla-pki", args...); err != nil {
			return nil, err
		}
	}
	return l.startSuccessor()
}

// officers starts p again with two officers.
func (l *Lab) officers(p *Push) error {
	lines := "officers: {socket: officers.sock}\nadmins:\n"
	for name, roles := range map[string]string{"claire": "read, enrol", "paul": "read, security"} {
		urn := "urn:tlagate:operateur-demo:admin:" + name
		keys, err := l.Issue(name, "admin", urn)
		if err != nil {
			return err
		}
		lines += fmt.Sprintf("  - {identity: %q, roles: [%s]}\n", urn, roles)
		own := fmt.Sprintf("pki: unix:%s\nidentity: {cert: %s, key: %s}\n%s", l.Path("officers.sock"), keys.Cert,
			keys.Key, trustOfPKI)
		if err := os.WriteFile(l.Path(name+".yaml"), []byte(own), 0o600); err != nil {
			return err
		}
	}
	text, err := os.ReadFile(p.config)
	if err == nil {
		err = os.WriteFile(p.config, append(text, lines...), 0o600)
	}
	if err != nil {
		return err
	}
	if err := p.Proc.Stop(); err != nil {
		return err
	}
	return l.RestartPush(p)
}

// trustOfPKI is the section trust of what knows both CAs.
const trustOfPKI = `trust: {anchors: [{file: pki/public/root.crt, practices: ["*"]}], ` +
	`crls: [pki/public/crl.der, pki/public/arl.der]}
`

func (l *Lab) startSuccessor() (*Successor, error) {
	s := &Successor{}
	listen := map[string]*string{"listen": new(string), "est": &s.EST, "ocsp": new(string)}
	for _, addr := range listen {
		port, err := world.Port()
		if err != nil {
			return nil, err
		}
		*addr = world.Addr(port)
	}
	s.Responder = "http://" + *listen["ocsp"] + "/ocsp"
	for name, args := range map[string][]string{"next-server": {"pki", PKI + "2", "--dns", "localhost"},
		"next-ocsp": {"ocsp", OCSP + "2"}} {
		if _, err := l.Run("tla-pki", append([]string{"issue", "--dir", l.Path("next"), "--new-key", "--out",
			l.Path(name), "--profile", args[0], "--identity"}, args[1:]...)...); err != nil {
			return nil, err
		}
	}
	serve := fmt.Sprintf("dir: next\nlisten: %s\nest: %s\nidentity: {cert: next-server.crt, key: next-server.key}\n%s",
		*listen["listen"], s.EST, strings.Replace(trustOfPKI, "crls: [", "crls: [next/public/crl.der, ", 1))
	ocsp := fmt.Sprintf("listen: %s\nissuer: next/public/issuing.crt\nidentity: {cert: next-ocsp.crt, "+
		"key: next-ocsp.key}\ndatabase: next/ca.db\n", *listen["ocsp"])
	for file, text := range map[string]string{"next.yaml": serve, "next-ocsp.yaml": ocsp} {
		if err := os.WriteFile(l.Path(file), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	return s, l.runSuccessor(s)
}

func (l *Lab) runSuccessor(s *Successor) (err error) {
	if s.Proc, err = l.start("tla-pki", "listening", nil, "serve", "--config", l.Path("next.yaml"),
		"--log-level", "info"); err != nil {
		return err
	}
	s.OCSPProc, err = l.start("tla-ocsp", "listening", nil, "serve", "--config", l.Path("next-ocsp.yaml"))
	return err
}
