package cli

import (
	"fmt"
	"log/slog"
	"time"

	"tlagate/internal/address"
	"tlagate/pki"
	"tlagate/pki/revocation"
	"tlagate/pki/trust"
	"tlagate/session/ahead"
)

// Trust is the YAML section that says which peers we trust:
//
//	trust:
//	  anchors:
//	    - {file: root.crt, practices: ["*"]}
//	  intermediates: [issuing.crt]
//	  crls: [crl.pem, arl.pem, "http://pki.example.invalid/crl.der"]
//	  ocsp: {responders: ["http://ocsp.example.invalid"], from_aia: false, nonce: false, timeout: 3s}
//	  deny_list: denied.txt
//	  arl: /var/lib/tlagate/arl.pem
//	  state: /var/lib/tlagate/crl-numbers
//	  denials: /var/lib/tlagate/denials.json
//	  answers: /var/lib/tlagate/ocsp-answers
//	  production: false
type Trust struct {
	Anchors       []Anchor `yaml:"anchors"`
	Intermediates []Path   `yaml:"intermediates"`
	CRLs          []Path   `yaml:"crls"`       // files or URLs, CRLs and ARLs alike
	OCSP          OCSP     `yaml:"ocsp"`       // no responder is asked unless this says so
	DenyList      Path     `yaml:"deny_list"`  // serials and identities refused whatever the PKI says, one a line
	ARL           Path     `yaml:"arl"`        // where ARLs that come through a gateway are kept; empty: in memory
	State         Path     `yaml:"state"`      // where the highest CRL numbers are kept; empty: in memory
	Denials       Path     `yaml:"denials"`    // where pushed revocations are kept across restarts; empty: in memory
	Answers       Path     `yaml:"answers"`    // where OCSP answers are kept across restarts; empty: in memory
	Production    bool     `yaml:"production"` // refuse CAs named TEST…
}

// OCSP is trust.ocsp; revocation.OCSPConfig says what each field means.
type OCSP struct {
	Responders []string      `yaml:"responders"`
	FromAIA    bool          `yaml:"from_aia"` // ask also the responders that certificates name
	Nonce      bool          `yaml:"nonce"`    // send one, and demand it in the answer
	SHA1       bool          `yaml:"sha1"`     // for responders that know certIDs by SHA-1 only
	Timeout    time.Duration `yaml:"timeout"`  // 0 = 3 s
	Refresh    time.Duration `yaml:"refresh"`  // 0 = 5 min
}

// Anchor is one line of trust.anchors.
type Anchor struct {
	File      Path     `yaml:"file"`
	Practices []string `yaml:"practices"` // "*": all
}

// Reads returns the files and URLs that the section names to be read.
func (t Trust) Reads() []Path {
	all := append(append([]Path{t.DenyList}, t.Intermediates...), t.CRLs...)
	for _, a := range t.Anchors {
		all = append(all, a.File)
	}
	return all
}

// Writes returns the files that the section names to be written.
func (t Trust) Writes() []Path { return []Path{t.ARL, t.State, t.Denials, t.Answers} }

// Config returns the section as package trust wants it, for links that take what crypto says. It is the only
// conversion.
func (t Trust) Config(crypto pki.Crypto, log *slog.Logger) trust.Config {
	cfg := trust.Config{
		Crypto:        crypto,
		Intermediates: Texts(t.Intermediates),
		Production:    t.Production,
		Log:           log,
		Revocation: revocation.Config{
			CRLs:     Texts(t.CRLs),
			OCSP:     revocation.OCSPConfig(t.OCSP),
			DenyList: string(t.DenyList),
			ARL:      string(t.ARL),
			State:    string(t.State),
			Denials:  string(t.Denials),
			Answers:  string(t.Answers),
		},
	}
	for _, a := range t.Anchors {
		cfg.Anchors = append(cfg.Anchors, trust.AnchorFile{File: string(a.File), Practices: a.Practices})
	}
	return cfg
}

// CheckListen returns what is wrong with a line that names an address to listen on.
func CheckListen(name, value string) error {
	if value == "" {
		return fmt.Errorf("%[1]s is missing: write %[1]s: \":PORT\"", name)
	}
	if err := address.Listen(value); err != nil {
		return fmt.Errorf("cannot use %s %q: %w", name, address.Shown(value), err)
	}
	return nil
}

// Texts returns paths as strings.
func Texts(paths []Path) []string {
	var out []string
	for _, p := range paths {
		out = append(out, string(p))
	}
	return out
}

// PathsOf returns files and URLs that a configuration did not write.
func PathsOf(texts []string) []Path {
	var out []Path
	for _, t := range texts {
		out = append(out, Path(t))
	}
	return out
}

// ReadAhead is the line of a device's configuration about answers of cards that are sent before programs ask for them
// (docs/policy.md, "Read-ahead"):
//
//	read_ahead: 0
type ReadAhead struct {
	Most *int `yaml:"read_ahead"` // promises at once in a slot; 0 = no read-ahead, absent = as many as there may be
}

// CheckReadAhead returns what is wrong with the line.
func (r ReadAhead) CheckReadAhead() error {
	if n := r.Window(); n < 0 || n > ahead.MaxWindow {
		return fmt.Errorf("cannot use read_ahead: %d is not from 0 to %d", n, ahead.MaxWindow)
	}
	return nil
}

// Window returns how many promises there may be at once.
func (r ReadAhead) Window() int {
	if r.Most == nil {
		return ahead.MaxWindow
	}
	return *r.Most
}
