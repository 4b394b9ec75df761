package ca

import (
	"bytes"
	"encoding/asn1"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"tlagate/internal/address"
	"tlagate/keys"
	"tlagate/pki/trust"
)

// Settings are chosen at init, for the whole life of a CA.
type Settings struct {
	Format    int      `json:"format"`     // of this file: 1
	Name      string   `json:"name"`       // of the CAs, 1 to 48 characters; TEST… in a lab; "" = "TEST tlagate"
	URL       string   `json:"url"`        // where public/ is served; "" = http://pki.example.invalid, for labs
	OCSPURL   string   `json:"ocsp_url"`   // of the responder; "" = URL/ocsp
	Policy    string   `json:"policy"`     // OID above the policies of the profiles; "" = 2.999.1, for labs
	CRLPeriod Duration `json:"crl_period"` // between two CRLs; 0 = 24 h
	ARLPeriod Duration `json:"arl_period"` // between two ARLs; 0 = 183 days

	// Where the keys are (package keys says how that is written); "" = root/root.key and issuing/issuing.key.
	RootKey    keys.Spec `json:"root_key,omitempty"`
	IssuingKey keys.Spec `json:"issuing_key,omitempty"`
	// What key files are encrypted under, as keys.Config.WrappingKey; "" = they are not encrypted.
	WrappingKey string `json:"wrapping_key,omitempty"`
}

// Duration is a time.Duration written as "24h0m0s".
type Duration time.Duration

// MarshalText returns the text of time.Duration.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads what MarshalText writes.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	*d = Duration(v)
	return err
}

const (
	defaultCRLPeriod = 24 * time.Hour
	defaultARLPeriod = 183 * 24 * time.Hour
	crlMargin        = 2 * time.Hour // how much longer than its period a CRL is valid

	// LabURL is in a lab's certificates when nothing says where public/ is served.
	LabURL = "http://pki.example.invalid"
)

func (s Settings) withDefaults() Settings {
	s.Format = 1
	s.Name = or(s.Name, "TEST tlagate")
	s.URL = strings.TrimSuffix(or(s.URL, LabURL), "/")
	s.OCSPURL = or(s.OCSPURL, s.URL+"/ocsp")
	s.Policy = or(s.Policy, "2.999.1")
	s.CRLPeriod = or(s.CRLPeriod, Duration(defaultCRLPeriod))
	s.ARLPeriod = or(s.ARLPeriod, Duration(defaultARLPeriod))
	return s
}

func or[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}

func (s Settings) check() error {
	if s.Format != 1 {
		return fmt.Errorf("format %d is not known to this program", s.Format)
	}
	if n := utf8.RuneCountInString(s.Name); n < 1 || n > 48 || !printable(s.Name) {
		return fmt.Errorf("the name %q is not 1 to 48 printable characters", s.Name)
	}
	for _, u := range []string{s.URL, s.OCSPURL} {
		if err := checkURL(u); err != nil {
			return err
		}
	}
	if w := s.WrappingKey; w != "" && !filepath.IsAbs(w) && !strings.HasPrefix(w, "credential:") {
		return fmt.Errorf("the wrapping key %q is neither credential:NAME nor a file name from the root", w)
	}
	if s.policyOID() == nil {
		return fmt.Errorf("the policy %q is not an OID such as 2.999.1", s.Policy)
	}
	if s.CRLPeriod < Duration(time.Minute) || s.CRLPeriod > Duration(defaultCRLPeriod) {
		return fmt.Errorf("a CRL period of %s is not allowed: want 1 min to 24 h", time.Duration(s.CRLPeriod))
	}
	if s.ARLPeriod < Duration(time.Hour) || s.ARLPeriod > Duration(366*24*time.Hour) {
		return fmt.Errorf("an ARL period of %s is not allowed: want 1 h to 366 days", time.Duration(s.ARLPeriod))
	}
	return nil
}

// checkURL accepts plain http alone: a client that fetches a CRL to check a certificate has checked none yet (RFC 5280,
// 8).
func checkURL(text string) error {
	u, err := address.URL(text, "http")
	if err == nil && (u.RawQuery != "" || u.Fragment != "" || u.User != nil) {
		err = errors.New("want http://HOST/PATH and nothing behind it")
	}
	if err != nil {
		return fmt.Errorf("the URL %q: %w", address.Shown(text), err)
	}
	return nil
}

// printable reports whether text has no control characters, and no blanks at its ends.
func printable(text string) bool {
	hidden := func(r rune) bool { return !unicode.IsGraphic(r) }
	return utf8.ValidString(text) && strings.TrimSpace(text) == text && !strings.ContainsFunc(text, hidden)
}

// checkLab refuses a lab's values in a CA for use: they would be in every certificate, for life. It is not called for a
// CA that exists already.
func (s Settings) checkLab() error {
	if trust.IsTestName(s.Name) {
		return nil
	}
	var errs []error
	for _, u := range []string{s.URL, s.OCSPURL} {
		if strings.HasPrefix(u, LabURL) {
			errs = append(errs, fmt.Errorf("the URL %s is a lab's, and would be in every certificate of %q: "+
				"name yours (--url), or let the name begin with TEST", u, s.Name))
			break
		}
	}
	if oid := s.policyOID(); oid[0] == 2 && oid[1] == 999 {
		errs = append(errs, fmt.Errorf("the policy %s is a lab's, and would be in every certificate of %q: "+
			"name an OID of your own arc (--policy), or let the name begin with TEST", s.Policy, s.Name))
	}
	return errors.Join(errs...)
}

// crlURL returns where the CRL of the issuing CA is found.
func (s Settings) crlURL() string { return s.URL + "/crl.der" }

// crlLife is how long a CRL is valid, arlLife an ARL.
func (s Settings) crlLife() time.Duration { return time.Duration(s.CRLPeriod) + crlMargin }

func (s Settings) arlLife() time.Duration { return time.Duration(s.ARLPeriod) + crlMargin }

// policyOID returns nil when Policy is no OID.
func (s Settings) policyOID() asn1.ObjectIdentifier {
	var oid asn1.ObjectIdentifier
	for _, arc := range strings.Split(s.Policy, ".") {
		n, err := strconv.ParseUint(arc, 10, 31)
		if err != nil {
			return nil
		}
		oid = append(oid, int(n))
	}
	if len(oid) < 2 || oid[0] > 2 || (oid[0] < 2 && oid[1] > 39) {
		return nil
	}
	return oid
}

func (s Settings) save(dir string) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return WriteNew(filepath.Join(dir, "ca.json"), append(data, '\n'), modeSecret)
}

func loadSettings(dir string) (Settings, error) {
	var s Settings
	data, err := os.ReadFile(filepath.Join(dir, "ca.json"))
	if err != nil {
		return s, fmt.Errorf("cannot open the CA in %s: %w; make one with init", dir, err)
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&s); err != nil {
		return s, fmt.Errorf("cannot read the settings %s/ca.json: %w", dir, err)
	}
	if err := s.check(); err != nil {
		return s, fmt.Errorf("cannot use the settings %s/ca.json: %w", dir, err)
	}
	return s, nil
}
