package trust_test

import (
	"crypto/x509"
	"fmt"
	"os"
	"testing"

	"tlagate/pki"
	"tlagate/pki/pkitest"
	"tlagate/pki/revocation"
	"tlagate/pki/trust"
)

// inExample takes the place of the test to which pkitest reports.
type inExample struct{ testing.TB }

func (inExample) Helper() {}

// A trust store judges a terminal's certificate, and again after its CA has revoked it.
func ExampleTrust_Verify() {
	ca := pkitest.New(inExample{})
	dir, err := os.MkdirTemp("", "trust")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	files := ca.WriteTrust(dir)

	store, err := trust.Open(trust.Config{
		Anchors:    []trust.AnchorFile{{File: files.Anchor, Practices: []string{"cab1"}}},
		Revocation: revocation.Config{CRLs: files.CRLs()},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	terminal := ca.Issue("urn:tlagate:cab1:tla:t1", x509.ExtKeyUsageClientAuth)
	want := trust.Want{Usage: x509.ExtKeyUsageClientAuth, Roles: []pki.Role{pki.RoleTLA}}
	verdict, err := store.Verify(pkitest.Chain(terminal), want)
	fmt.Println(verdict.Identity, err)

	ca.Issuing.Revoke(terminal.Leaf)
	ca.WriteCRLs(files)
	store.Reload()
	_, err = store.Verify(pkitest.Chain(terminal), want)
	fmt.Println(pki.ReasonOf(err))
	// Output:
	// urn:tlagate:cab1:tla:t1 <nil>
	// revoked
}
