package main

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"tlagate/cmd/internal/cli"
	"tlagate/internal/stamp"
	"tlagate/pemfile"
	"tlagate/pki"
	"tlagate/pki/revocation"
	"tlagate/pki/rfc5280"
	"tlagate/pki/trust"
)

type verifyCmd struct {
	Profile        string    `enum:"rgs,rfc5280,persons" default:"rgs" help:"${verify_profile}"`
	Purpose        string    `short:"p" enum:"${purposes}" default:"" help:"${verify_purpose}"`
	Anchor         []string  `required:"" short:"a" placeholder:"FILE" sep:"none" help:"${verify_anchor}"`
	Intermediate   []string  `placeholder:"FILE" sep:"none" help:"Issuing CAs; repeat for more."`
	CRL            []string  `name:"crl" placeholder:"FILE" sep:"none" help:"${verify_crl}"`
	OCSP           []string  `name:"ocsp" placeholder:"FILE" sep:"none" help:"${verify_ocsp}"`
	NoRevocation   bool      `help:"Do not ask whether anything is revoked."`
	Policy         []string  `placeholder:"OID" help:"${verify_policy}"`
	ExplicitPolicy bool      `help:"Some certificate policy must hold along the path."`
	InhibitMapping bool      `help:"Certificate policies may not be mapped."`
	InhibitAny     bool      `name:"inhibit-any-policy" help:"anyPolicy stands for no policy."`
	Identity       string    `placeholder:"URN" help:"Exactly this component."`
	Practice       string    `help:"A component of this practice."`
	DNS            string    `name:"dns" placeholder:"NAME" help:"The name a server is dialled by."`
	Production     bool      `help:"Refuse CAs named TEST."`
	Identifier     string    `default:"CN" placeholder:"ATTRIBUTE" help:"${verify_identifier}"`
	Form           string    `default:"8[0-9]{11}" placeholder:"REGEXP" help:"The form of identifiers, of the profile persons."`
	At             time.Time `placeholder:"TIME" help:"Judge as at that time, such as 2026-01-31T12:00:00Z."`
	Cert           string    `arg:"" help:"The certificate, and its issuing CAs if they follow."`

	badAnswer error // why an OCSP answer was not taken
}

// purposes is what each purpose demands: the table of the profiles, seen from the other end.
var purposes = map[string]trust.Want{
	"any":            {Usage: x509.ExtKeyUsageAny},
	"client":         {Usage: x509.ExtKeyUsageClientAuth},
	"server":         {Usage: x509.ExtKeyUsageServerAuth},
	"tla":            {Usage: x509.ExtKeyUsageClientAuth, Roles: []pki.Role{pki.RoleTLA}},
	"pdt":            {Usage: x509.ExtKeyUsageClientAuth, Roles: []pki.Role{pki.RolePdT}},
	"pdt-client":     {Usage: x509.ExtKeyUsageClientAuth, Roles: []pki.Role{pki.RolePdT}},
	"pdt-server":     {Usage: x509.ExtKeyUsageServerAuth, Roles: []pki.Role{pki.RolePdT}},
	"gateway":        {Usage: x509.ExtKeyUsageServerAuth, Roles: []pki.Role{pki.RoleGateway}},
	"gateway-client": {Usage: x509.ExtKeyUsageClientAuth, Roles: []pki.Role{pki.RoleGateway}},
	"gateway-server": {Usage: x509.ExtKeyUsageServerAuth, Roles: []pki.Role{pki.RoleGateway}},
	"pki":            {Usage: x509.ExtKeyUsageServerAuth, Roles: []pki.Role{pki.RolePKI}},
	"admin":          {Usage: x509.ExtKeyUsageClientAuth, Roles: []pki.Role{pki.RoleAdmin}},
	"bundle":         {Usage: x509.ExtKeyUsageCodeSigning, Roles: []pki.Role{pki.RoleAdmin}},
}

func (c *verifyCmd) Run(app *cli.App) error {
	want, err := c.want()
	if err != nil {
		return cli.Usage("%w", err)
	}
	chain, trust, err := c.open(app)
	var unreadable *pki.ParseError
	if c.rfc5280() && errors.As(err, &unreadable) {
		return refused(app, &pki.Refusal{Reason: pki.BadCertificate, Subject: c.Cert,
			Detail: "crypto/x509 cannot read it: " + err.Error()})
	}
	if pki.ReasonOf(err) != "" { // a trust store may refuse to be, as one with a TEST anchor in production
		return refused(app, err)
	}
	if err != nil {
		return cli.Usage("%w", err)
	}
	if want.Usage == x509.ExtKeyUsageAny && !c.rfc5280() {
		want.Usage = oneUsage(chain[0])
	}
	c.warnOfAnchors(app, trust)
	verdict, err := c.judge(trust, chain, want)
	explain(app.Stdout, verdict, c.persons())
	if pki.ReasonOf(err) == pki.CRLMissing && c.badAnswer != nil {
		err = c.badAnswer
	}
	if err != nil {
		return refused(app, err)
	}
	fmt.Fprintln(app.Stdout, "accepted")
	return nil
}

// judge returns the verdict of the profile.
func (c *verifyCmd) judge(store *trust.Trust, chain []*x509.Certificate, want trust.Want) (*trust.Verdict, error) {
	if !c.persons() {
		return store.Verify(chain, want)
	}
	_, verdict, err := store.JudgePerson(chain[0])
	return verdict, err
}

// warnOfAnchors prints which anchors nothing can revoke.
func (c *verifyCmd) warnOfAnchors(app *cli.App, store *trust.Trust) {
	for _, a := range store.Anchors() {
		if text := a.Unrevocable(); text != "" && !c.NoRevocation {
			fmt.Fprintln(app.Stdout,
				cli.Line("WARNING "+text+": want --anchor with its root, and it in --intermediate"))
		}
	}
}

func refused(app *cli.App, why error) error {
	fmt.Fprintln(app.Stdout, cli.Line("refused: "+why.Error()))
	return cli.ExitCode(1, nil)
}

func (c *verifyCmd) rfc5280() bool { return c.Profile == "rfc5280" }
func (c *verifyCmd) persons() bool { return c.Profile == "persons" }

func (c *verifyCmd) want() (want trust.Want, err error) {
	if err := c.checkPurpose(); err != nil {
		return want, err
	}
	want = purposes[c.Purpose]
	want.Practice, want.DNSName = c.Practice, c.DNS
	if want.Policy, err = c.policy(); err != nil {
		return want, err
	}
	if c.Identity != "" {
		want.Identity, err = pki.ParseIdentity(c.Identity)
	}
	return want, err
}

// checkPurpose refuses options that a profile has no use for, so that nobody takes them for checked.
func (c *verifyCmd) checkPurpose() error {
	if c.persons() {
		return c.checkPersons()
	}
	if !c.rfc5280() {
		if c.Purpose == "" {
			return errors.New("missing flags: --purpose=STRING")
		}
		return nil
	}
	c.Purpose = cmp.Or(c.Purpose, "any")
	if len(purposes[c.Purpose].Roles) > 0 || c.Identity != "" || c.Practice != "" {
		return errors.New("the profile rfc5280 knows no roles, identities and practices: want --purpose any, client " +
			"or server")
	}
	return nil
}

// checkPersons refuses what the profile persons has no use for: it knows one purpose.
func (c *verifyCmd) checkPersons() error {
	if c.Purpose != "" || c.Identity != "" || c.Practice != "" || c.DNS != "" || c.ExplicitPolicy || c.InhibitMapping ||
		c.InhibitAny {
		return errors.New("the profile persons knows no purposes, identities, practices and names of hosts, and of " +
			"policies only --policy")
	}
	c.Purpose = "client"
	return nil
}

func (c *verifyCmd) policy() (want rfc5280.PolicyWant, err error) {
	want = rfc5280.PolicyWant{Explicit: c.ExplicitPolicy, InhibitMapping: c.InhibitMapping, InhibitAny: c.InhibitAny}
	for _, text := range c.Policy {
		oid, err := x509.ParseOID(text)
		if err != nil {
			return want, fmt.Errorf("cannot read the policy %q: want an OID such as 1.2.3.4", text)
		}
		want.Acceptable = append(want.Acceptable, oid)
	}
	return want, nil
}

// oneUsage is what any purpose means in the profile rgs, which wants one usage and no more: the certificate's own.
func oneUsage(leaf *x509.Certificate) x509.ExtKeyUsage {
	if slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageServerAuth) {
		return x509.ExtKeyUsageServerAuth
	}
	return x509.ExtKeyUsageClientAuth
}

// open reads every file. Trust itself would take a missing CRL for a reason to refuse,
// as it must; a mistyped name should be reported instead.
func (c *verifyCmd) open(app *cli.App) ([]*x509.Certificate, *trust.Trust, error) {
	chain, err := pki.ReadCertificates(c.Cert)
	if err != nil {
		return nil, nil, err
	}
	for _, file := range slices.Concat(c.Intermediate, c.CRL, c.OCSP) {
		if err := readable(file); err != nil {
			return nil, nil, err
		}
	}
	cfg := trust.Config{
		Intermediates: c.Intermediate,
		Production:    c.Production,
		NoRevocation:  c.NoRevocation,
		Log:           app.Log,
		Revocation:    revocation.Config{CRLs: c.CRL},
	}
	if c.rfc5280() {
		cfg.Profile = trust.RFC5280
	}
	if c.persons() {
		cfg.Profile = trust.Persons
		cfg.Persons = trust.PersonRules{Identifier: c.Identifier, Form: c.Form, Policies: c.Policy}
	}
	for _, file := range c.Anchor {
		cfg.Anchors = append(cfg.Anchors, trust.AnchorFile{File: file, Practices: []string{"*"}})
	}
	if !c.At.IsZero() {
		cfg.Clock = func() time.Time { return c.At }
	}
	store, err := trust.Open(cfg)
	if err != nil {
		return nil, nil, err
	}
	return chain, store, c.addAnswers(app, store)
}

// addAnswers takes in OCSP answers. One that is not believed is reported, and what needs it is refused.
func (c *verifyCmd) addAnswers(app *cli.App, store *trust.Trust) error {
	for _, file := range c.OCSP {
		data, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("cannot read an OCSP answer: %w", err)
		}
		answers, err := pemfile.Read(data, "OCSP RESPONSE")
		if err != nil {
			return fmt.Errorf("cannot read OCSP answers of %s: %w", file, err)
		}
		for _, a := range answers {
			if err := store.AddStatus(a.Bytes); err != nil {
				note := fmt.Sprintf("note: the OCSP answer of %s is not taken: %v", file, err)
				fmt.Fprintln(app.Stdout, cli.Line(note))
				c.badAnswer = err
			}
		}
	}
	return nil
}

func readable(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("cannot read a file to verify with: %w", err)
	}
	defer f.Close()
	if _, err := f.Read(make([]byte, 1)); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("cannot read a file to verify with: %w", err)
	}
	return nil
}

// explain prints the path and the checks, of a person nothing but the issuers. What certificates say goes through
// cli.Line: it may be a stranger's.
func explain(w io.Writer, v *trust.Verdict, person bool) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i, cert := range v.Path {
		if i == 0 && person {
			continue
		}
		fmt.Fprintf(table, "path %d\t%s\t%s to %s\t%x\n", i, cli.Line(cert.Subject.String()), stamp.Day(cert.NotBefore),
			stamp.Day(cert.NotAfter), cert.SerialNumber)
	}
	table.Flush()
	for _, check := range v.Checks {
		verb, text := "ok  ", check.Detail
		if check.Err != nil {
			verb = "FAIL"
		}
		if check.Subject != "" {
			text = check.Subject + ": " + text
		}
		fmt.Fprintf(table, "%s %s\t%s\n", verb, check.Name, cli.Line(text))
	}
	table.Flush()
}
