package cli

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"tlagate/pki"
)

// Identity is the YAML section that says who we are:
//
//	identity: {cert: gateway.crt, key: gateway.key}
type Identity struct {
	Cert Path `yaml:"cert"` // PEM: our certificate, then its issuing CA
	Key  Path `yaml:"key"`  // PEM, mode 0600
}

// Keys is a certificate with its key, read again on demand.
type Keys struct {
	from Identity
	now  atomic.Pointer[tls.Certificate]

	failure string // of the last follow, which owns it
	observer
}

// Open reads certificate and key. What is wrong with the files is told as package pki tells it.
func (i Identity) Open() (*Keys, error) {
	if i.Cert == "" || i.Key == "" {
		return nil, errors.New("cannot use the configuration: identity.cert and identity.key must both name a file")
	}
	k := &Keys{from: i}
	if err := k.Reload(); err != nil {
		return nil, err
	}
	return k, nil
}

// Certificate gives what was read last; it fits pki.Party.Certificate.
func (k *Keys) Certificate() *tls.Certificate { return k.now.Load() }

// Reload reads the files again. On an error the old pair stays.
func (k *Keys) Reload() error {
	_, err := k.reload()
	return err
}

func (k *Keys) reload() (changed bool, err error) {
	pair, err := pki.LoadCertificate(string(k.from.Cert), string(k.from.Key))
	if err != nil {
		return false, err
	}
	if err := k.ask(k.now.Load(), pair); err != nil {
		return false, err
	}
	old := k.now.Swap(pair)
	return old == nil || !slices.EqualFunc(old.Certificate, pair.Certificate, slices.Equal), nil
}

// files gives what a change is to be looked for in.
func (k *Keys) files() []string { return []string{string(k.from.Cert), string(k.from.Key)} }

// follow reads the files again when they have changed. A pair half written, or broken, keeps the old.
func (k *Keys) follow(log *slog.Logger) {
	changed, err := k.reload()
	switch {
	case err != nil && err.Error() != k.failure:
		log.Error("the old certificate stays in use", "error", err)
	case changed:
		log.Info("certificate and key read again", "cert", string(k.from.Cert))
	}
	if k.failure = ""; err != nil {
		k.failure = err.Error()
	}
}

// ReloadOrLog is Reload for a SIGHUP: what went wrong goes to log.
func (k *Keys) ReloadOrLog(log *slog.Logger) {
	if err := k.Reload(); err != nil {
		log.Error("the old certificate stays in use", "error", err)
		return
	}
	log.Info("certificate and key read again", "cert", string(k.from.Cert))
}

// Trust is the YAML section that says whom we trust:
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
	OCSP          OCSP     `yaml:"ocsp"`       // nobody is asked unless it is said here
	DenyList      Path     `yaml:"deny_list"`  // serials and identities refused whatever the PKI says, one a line
	ARL           Path     `yaml:"arl"`        // where the ARLs are kept that come through a gateway; empty: in memory
	State         Path     `yaml:"state"`      // where the highest CRL numbers are kept; empty: in memory
	Denials       Path     `yaml:"denials"`    // where pushed revocations are kept over a restart; empty: in memory
	Answers       Path     `yaml:"answers"`    // where OCSP answers are kept over a restart; empty: in memory
	Production    bool     `yaml:"production"` // refuse CAs named TEST…
}

// OCSP is trust.ocsp; package pki says what each means.
type OCSP struct {
	Responders []string      `yaml:"responders"`
	FromAIA    bool          `yaml:"from_aia"` // also those that certificates name
	Nonce      bool          `yaml:"nonce"`    // sent, and wanted back
	SHA1       bool          `yaml:"sha1"`     // for responders that know certIDs by SHA-1 only
	Timeout    time.Duration `yaml:"timeout"`  // 0 = 3 s
	Refresh    time.Duration `yaml:"refresh"`  // 0 = 5 min
}

// Anchor is one line of trust.anchors.
type Anchor struct {
	File      Path     `yaml:"file"`
	Practices []string `yaml:"practices"` // "*": all
}

// Config gives the section as package pki wants it.
func (t Trust) Config(log *slog.Logger) pki.TrustConfig {
	cfg := pki.TrustConfig{
		Intermediates: texts(t.Intermediates),
		CRLs:          texts(t.CRLs),
		OCSP:          pki.OCSPConfig(t.OCSP),
		DenyList:      string(t.DenyList),
		ARL:           string(t.ARL),
		State:         string(t.State),
		Denials:       string(t.Denials),
		Answers:       string(t.Answers),
		Production:    t.Production,
		Log:           log,
	}
	for _, a := range t.Anchors {
		cfg.Anchors = append(cfg.Anchors, pki.AnchorFile{File: string(a.File), Practices: a.Practices})
	}
	return cfg
}

func texts(paths []Path) []string {
	var out []string
	for _, p := range paths {
		out = append(out, string(p))
	}
	return out
}
