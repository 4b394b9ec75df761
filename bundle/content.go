package bundle

import (
	"crypto/x509"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"errors"
	"fmt"
	"strings"
	"time"

	"tlagate/internal/address"
	"tlagate/pemfile"
	"tlagate/pki"
	"tlagate/pki/trust"
)

// Format is the version of the form of the content.
const Format = 1

// maxVersion is the largest that every JSON reader takes for an integer.
const maxVersion = 1<<53 - 1

// The longest sessions that the annex allows (SA4).
const (
	maxAbsolute = 12 * time.Hour
	maxInactive = 15 * time.Minute
)

// Content is what a bundle says; docs/bundle.md, section 1, has the meaning of each member.
type Content struct {
	Format     int            `json:"format" yaml:"format"`
	Version    uint64         `json:"version" yaml:"version"`
	MinVersion uint64         `json:"min_version,omitzero" yaml:"min_version"`
	For        string         `json:"for" yaml:"for"`
	Issued     time.Time      `json:"issued" yaml:"issued"`
	ValidUntil time.Time      `json:"valid_until,omitzero" yaml:"valid_until"` // zero = for good
	Gateways   []string       `json:"gateways" yaml:"gateways"`
	PdTs       []string       `json:"pdts,omitempty" yaml:"pdts"`
	Access     Access         `json:"access,omitzero" yaml:"access"`
	Anchors    []Anchor       `json:"anchors" yaml:"anchors"`
	ARLs       []string       `json:"arls,omitempty" yaml:"arls"`
	Limits     Limits         `json:"limits,omitzero" yaml:"limits"`
	Sources    Sources        `json:"sources,omitzero" yaml:"sources"`
	Crypto     pki.Crypto     `json:"crypto,omitzero" yaml:"crypto"` // zero = what the device's file says
	User       User           `json:"user,omitzero" yaml:"user"`
	Persons    Persons        `json:"persons,omitzero" yaml:"persons"`
	Policy     jsontext.Value `json:"policy,omitempty" yaml:"-"`
}

// Access says who may open a session at a PdT besides the TLAs of its own practice.
type Access struct {
	Practices []string `json:"practices,omitempty" yaml:"practices"`
	TLAs      []string `json:"tlas,omitempty" yaml:"tlas"`
}

// IsZero reports whether it adds nobody.
func (a Access) IsZero() bool { return len(a.Practices)+len(a.TLAs) == 0 }

// Anchor is a CA that is trusted for links, and the practices that it vouches for.
type Anchor struct {
	PEM       string   `json:"pem" yaml:"pem"`
	Practices []string `json:"practices" yaml:"practices"` // "*" = all
}

// Limits of sessions; zero = the program's own.
type Limits struct {
	Absolute Duration `json:"absolute,omitzero" yaml:"absolute"`
	Inactive Duration `json:"inactive,omitzero" yaml:"inactive"`
}

// Sources of revocation data for a PdT, URLs.
type Sources struct {
	OCSP []string `json:"ocsp,omitempty" yaml:"ocsp"`
	CRLs []string `json:"crls,omitempty" yaml:"crls"`
}

// IsZero reports whether there are none.
func (s Sources) IsZero() bool { return len(s.OCSP)+len(s.CRLs) == 0 }

// Duration is written as "8h30m".
type Duration time.Duration

// MarshalText returns the text of time.Duration.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads the text of time.Duration.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	*d = Duration(v)
	return err
}

// parseContent reads the content strictly: no unknown, repeated or differently written member, nothing behind it.
func parseContent(text []byte) (*Content, error) {
	c := new(Content)
	if err := json.Unmarshal(text, c, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("its content cannot be read: %w", err)
	}
	return c, c.check()
}

// marshal returns the content as it is signed.
func (c *Content) marshal() ([]byte, error) {
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("cannot make a bundle: %w", err)
	}
	text, err := json.Marshal(c, jsontext.WithIndent("  "))
	if err == nil && len(text) > maxContent {
		err = fmt.Errorf("its content is longer than %d octets", maxContent)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot make a bundle: %w", err)
	}
	return text, nil
}

// check refuses what docs/bundle.md does not allow.
func (c *Content) check() error {
	for _, check := range []func() error{
		c.checkVersions, c.checkDates, c.checkTarget, c.checkGateways, c.checkRole,
		c.checkAnchors, c.checkARLs, c.checkLimits, c.checkPolicy, c.checkCrypto,
		c.checkUsers,
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (c *Content) checkVersions() error {
	switch {
	case c.Format != Format:
		return fmt.Errorf("its format is %d, want %d", c.Format, Format)
	case c.Version < 1 || c.Version > maxVersion:
		return fmt.Errorf("its version is %d, want 1 to 2^53-1", c.Version)
	case c.MinVersion > c.Version:
		return fmt.Errorf("its min_version %d is above its version %d", c.MinVersion, c.Version)
	}
	return nil
}

func (c *Content) checkDates() error {
	if c.Issued.IsZero() {
		return errors.New("it does not say when it was issued")
	}
	if !c.ValidUntil.IsZero() && !c.ValidUntil.After(c.Issued) {
		return errors.New("its valid_until is not after its issued")
	}
	return nil
}

func (c *Content) checkTarget() error {
	_, err := parseTarget(c.For)
	return err
}

func (c *Content) checkGateways() error {
	if len(c.Gateways) == 0 {
		return errors.New("it names no gateway")
	}
	return address.Servers("gateways", c.Gateways)
}

// checkRole accepts what belongs to the role of the devices, and nothing else.
func (c *Content) checkRole() error {
	target, _ := parseTarget(c.For)
	if target.Role == pki.RoleTLA {
		if len(c.PdTs) == 0 || !c.Access.IsZero() || !c.Sources.IsZero() || !c.User.IsZero() || !c.Persons.IsZero() {
			return errors.New("a TLA's bundle names pdts, and none of access, sources, user, persons")
		}
		return checkURNs("pdts", c.PdTs, pki.RolePdT)
	}
	if len(c.PdTs) > 0 || c.Limits.Inactive != 0 || len(c.Policy) > 0 {
		return errors.New("a PdT's bundle names neither pdts nor limits.inactive nor a policy")
	}
	return errors.Join(checkURNs("access.tlas", c.Access.TLAs, pki.RoleTLA), checkNames(c.Access.Practices),
		c.Sources.check())
}

func checkURNs(what string, urns []string, role pki.Role) error {
	for _, urn := range urns {
		id, err := pki.ParseIdentity(urn)
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		if id.Role != role {
			return fmt.Errorf("%s: %s is a %s, want a %s", what, urn, id.Role, role)
		}
	}
	return nil
}

// checkNames accepts names of practices.
func checkNames(practices []string) error {
	for _, p := range practices {
		sample := pki.Identity{Practice: p, Role: pki.RolePdT, Name: "any"}
		if _, err := pki.ParseIdentity(sample.String()); err != nil {
			return fmt.Errorf("%q is no practice", p)
		}
	}
	return nil
}

func (s Sources) check() error {
	for _, list := range [][]string{s.OCSP, s.CRLs} {
		for _, raw := range list {
			if _, err := address.Fetched(raw); err != nil {
				return fmt.Errorf("its source %q: %w", address.Shown(raw), err)
			}
		}
	}
	return nil
}

func (c *Content) checkAnchors() error {
	if len(c.Anchors) == 0 {
		return errors.New("it names no anchor")
	}
	_, err := c.TrustAnchors()
	return err
}

// TrustAnchors returns the anchors in the form of package trust.
func (c *Content) TrustAnchors() ([]trust.Anchor, error) {
	var list []trust.Anchor
	for i, a := range c.Anchors {
		der, err := onePEM(a.PEM, pemfile.Certificate)
		if err != nil {
			return nil, fmt.Errorf("anchors[%d]: %w", i, err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("anchors[%d]: %w", i, err)
		}
		if !cert.IsCA || len(a.Practices) == 0 {
			return nil, fmt.Errorf("anchors[%d]: want a CA and the practices it vouches for", i)
		}
		if len(a.Practices) > 1 || a.Practices[0] != "*" {
			if err := checkNames(a.Practices); err != nil {
				return nil, fmt.Errorf("anchors[%d]: %w", i, err)
			}
		}
		list = append(list, trust.Anchor{Cert: cert, Practices: a.Practices})
	}
	return list, nil
}

func (c *Content) checkARLs() error {
	_, err := c.Lists()
	return err
}

// Lists returns the ARLs, DER.
func (c *Content) Lists() ([][]byte, error) {
	var list [][]byte
	for i, text := range c.ARLs {
		der, err := onePEM(text, pemfile.CRL)
		if err == nil {
			_, err = x509.ParseRevocationList(der)
		}
		if err != nil {
			return nil, fmt.Errorf("arls[%d]: %w", i, err)
		}
		list = append(list, der)
	}
	return list, nil
}

// onePEM reads one block, around which there may be nothing but white space.
func onePEM(text, kind string) ([]byte, error) {
	blocks, err := pemfile.Blocks([]byte(text))
	if err != nil {
		return nil, err
	}
	trimmed := strings.TrimSpace(text)
	alone := strings.HasPrefix(trimmed, "-----BEGIN") && strings.HasSuffix(trimmed, "-----")
	if len(blocks) != 1 || blocks[0].Type != kind || len(blocks[0].Headers) > 0 || !alone {
		return nil, fmt.Errorf("want one PEM block %s, and nothing else", kind)
	}
	return blocks[0].Bytes, nil
}

func (c *Content) checkLimits() error {
	if l := c.Limits; l.Absolute < 0 || time.Duration(l.Absolute) > maxAbsolute || l.Inactive < 0 ||
		time.Duration(l.Inactive) > maxInactive {
		return fmt.Errorf("its limits are above those of the annex: absolute %v, inactive %v", maxAbsolute, maxInactive)
	}
	return nil
}

func (c *Content) checkPolicy() error {
	if len(c.Policy) > 0 && c.Policy.Kind() != '{' {
		return errors.New("its policy is no object")
	}
	return nil
}

// checkCrypto accepts rgs alone: a bundle can only make a device stricter.
func (c *Content) checkCrypto() error {
	if c.Crypto != pki.CryptoDefault && c.Crypto != pki.CryptoRGS {
		return fmt.Errorf("its crypto is %q, want rgs or nothing", c.Crypto)
	}
	return nil
}

// target is what a bundle is for; Name "*" = all of that practice and role.
type target pki.Identity

func parseTarget(text string) (target, error) {
	urn, all := text, false
	if rest, found := strings.CutSuffix(text, ":*"); found {
		urn, all = rest+":all", true // any name, for ParseIdentity
	}
	id, err := pki.ParseIdentity(urn)
	if err != nil || id.Role != pki.RoleTLA && id.Role != pki.RolePdT {
		return target{}, fmt.Errorf("it is for %q, want urn:tlagate:PRACTICE:ROLE:NAME, or * for NAME, with the "+
			"role tla or pdt", text)
	}
	if all {
		id.Name = "*"
	}
	return target(id), nil
}

// covers reports whether a bundle for t is one for id.
func (t target) covers(id pki.Identity) bool {
	if t.Name == "*" {
		t.Name = id.Name
	}
	return pki.Identity(t) == id
}

// Covers reports whether the bundle is for a device.
func (c *Content) Covers(id pki.Identity) bool {
	t, err := parseTarget(c.For)
	return err == nil && t.covers(id)
}

// Overlaps reports whether there may be a device that both bundles are for.
func (c *Content) Overlaps(o *Content) bool {
	a, errA := parseTarget(c.For)
	b, errB := parseTarget(o.For)
	return errA == nil && errB == nil && (a.covers(pki.Identity(b)) || b.covers(pki.Identity(a)))
}
