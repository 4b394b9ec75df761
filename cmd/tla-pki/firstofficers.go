package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"tlagate/audit"
	"tlagate/ca"
	"tlagate/cmd/internal/cli"
	"tlagate/keys"
	"tlagate/pki"
)

// firstOfficer is one whose certificate is made with the CA: nobody is there yet who could approve it.
type firstOfficer struct {
	identity pki.Identity
	csr      []byte    // nil = key is made
	key      keys.Spec // in hardware
}

// firstOfficers reads URN=KEY, where KEY is pkcs11:… or the name of a file with a request.
func (c *initCmd) firstOfficers() (list []firstOfficer, err error) {
	for _, text := range c.Admin {
		urn, key, _ := strings.Cut(text, "=")
		o := firstOfficer{key: keys.Spec(key)}
		if o.identity, err = pki.ParseIdentity(urn); err != nil {
			return nil, cli.Usage("cannot use --admin %q: want URN=pkcs11:… or URN=REQUEST: %w", urn, err)
		}
		if o.identity.Role != pki.RoleAdmin {
			return nil, cli.Usage("cannot use --admin %q: an officer has the role admin", urn)
		}
		if !o.key.Hardware() {
			if o.csr, err = os.ReadFile(key); err != nil {
				return nil, cli.Usage("cannot use --admin %s: it is neither pkcs11:… nor a certificate request: %w",
					urn, err)
			}
		}
		list = append(list, o)
	}
	if len(list) == 1 {
		return nil, cli.Usage("cannot make one officer alone: what one asks for, a second one approves; " +
			"name two with --admin")
	}
	return list, nil
}

// issueFirst issues the certificates of the first officers. The ceremony's witnesses stand for the second officer.
func (c *initCmd) issueFirst(app *cli.App, list []firstOfficer) error {
	if len(list) == 0 {
		return nil
	}
	return caDir{Dir: c.Dir}.open(app, func(authority *ca.CA) error {
		if err := os.Mkdir(filepath.Join(c.Dir, "officers"), 0o700); err != nil {
			return err
		}
		for _, o := range list {
			if err := c.issueOne(app, authority, o); err != nil {
				return fmt.Errorf("the CA is made, but the certificate of %s is not: %w", o.identity, err)
			}
		}
		return nil
	})
}

func (c *initCmd) issueOne(app *cli.App, authority *ca.CA, o firstOfficer) (err error) {
	csr := o.csr
	if csr == nil {
		if csr, err = requestOf(o.key); err != nil {
			return err
		}
	}
	if err := authority.Record(audit.OperatorAct, audit.Act("issue"), audit.Role("ceremony"),
		audit.Identity(o.identity.String()), audit.Profile("admin"), audit.Reason("first officers")); err != nil {
		return err
	}
	issued, err := authority.Certificates.Issue(ca.Request{Profile: "admin", Identity: o.identity, CSR: csr})
	if err != nil {
		return err
	}
	file := filepath.Join(c.Dir, "officers", o.identity.Name+".crt")
	if err := ca.WriteNew(file, issued.Chain, 0o644); err != nil {
		return err
	}
	fmt.Fprintf(app.Stdout, "Officer:       %s, certificate %s in %s\n", o.identity, issued.Serial, file)
	return nil
}
