package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"tlagate/cmd/internal/cli"
	"tlagate/pki"
)

type verifyCmd struct {
	Purpose      string    `required:"" short:"p" enum:"client,server,tla,pdt,pdt-client,pdt-server,gateway,gateway-client,gateway-server,pki,admin" help:"What it shall be good for: ${enum}. (pdt: a PdT that parks; gateway: one that is dialled.)"`
	Anchor       []string  `required:"" short:"a" placeholder:"FILE" sep:"none" help:"Trust anchors, PEM or DER; repeat for more."`
	Intermediate []string  `placeholder:"FILE" sep:"none" help:"Issuing CAs; repeat for more."`
	CRL          []string  `name:"crl" placeholder:"FILE" sep:"none" help:"CRLs and ARLs; repeat for more. Without one of each issuer nothing is accepted."`
	Identity     string    `placeholder:"URN" help:"Exactly this component."`
	Practice     string    `help:"A component of this practice."`
	DNS          string    `name:"dns" placeholder:"NAME" help:"The name a server is dialled by."`
	Production   bool      `help:"Refuse CAs named TEST."`
	At           time.Time `placeholder:"TIME" help:"Judge as at that time, such as 2026-01-31T12:00:00Z."`
	Cert         string    `arg:"" help:"The certificate, and its issuing CAs if they follow."`
}

// purposes says what each purpose demands: the table of the profiles, seen from the other end.
var purposes = map[string]pki.Want{
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
}

func (c *verifyCmd) Run(app *cli.App) error {
	want, err := c.want()
	if err != nil {
		return cli.Usage("%w", err)
	}
	chain, trust, err := c.open(app)
	if pki.ReasonOf(err) != "" { // a trust store may refuse to be, as one with a TEST anchor in production
		return refused(app, err)
	}
	if err != nil {
		return cli.Usage("%w", err)
	}
	verdict, err := trust.Verify(chain, want)
	explain(app.Stdout, verdict)
	if err != nil {
		return refused(app, err)
	}
	fmt.Fprintln(app.Stdout, "accepted")
	return nil
}

func refused(app *cli.App, why error) error {
	fmt.Fprintln(app.Stdout, oneLine("refused: "+why.Error()))
	return cli.ExitCode(1, nil)
}

func (c *verifyCmd) want() (want pki.Want, err error) {
	want = purposes[c.Purpose]
	want.Practice, want.DNSName = c.Practice, c.DNS
	if c.Identity != "" {
		want.Identity, err = pki.ParseIdentity(c.Identity)
	}
	return want, err
}

// open reads every file. Trust itself would take a missing CRL for a reason to refuse,
// as it must; a person who mistypes a name should be told that instead.
func (c *verifyCmd) open(app *cli.App) ([]*x509.Certificate, *pki.Trust, error) {
	chain, err := pki.ReadCertificates(c.Cert)
	if err != nil {
		return nil, nil, err
	}
	for _, file := range slices.Concat(c.Intermediate, c.CRL) {
		if err := readable(file); err != nil {
			return nil, nil, err
		}
	}
	cfg := pki.TrustConfig{Intermediates: c.Intermediate, CRLs: c.CRL, Production: c.Production, Log: app.Log}
	for _, file := range c.Anchor {
		cfg.Anchors = append(cfg.Anchors, pki.AnchorFile{File: file, Practices: []string{"*"}})
	}
	if !c.At.IsZero() {
		cfg.Clock = func() time.Time { return c.At }
	}
	trust, err := pki.OpenTrust(cfg)
	return chain, trust, err
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

// explain prints the path and the checks. What certificates say goes through oneLine: it may be a stranger's.
func explain(w io.Writer, v *pki.Verdict) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i, cert := range v.Path {
		fmt.Fprintf(table, "path %d\t%s\t%s to %s\t%x\n", i, oneLine(cert.Subject.String()), day(cert.NotBefore), day(cert.NotAfter), cert.SerialNumber)
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
		fmt.Fprintf(table, "%s %s\t%s\n", verb, check.Name, oneLine(text))
	}
	table.Flush()
}

func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
}
