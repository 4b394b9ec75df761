// Package describe puts certificates into words for logs and refusals. What a peer wrote is quoted and cut.
package describe

import (
	"crypto/x509"
	"fmt"
	"strconv"
	"strings"

	"tlagate/pki"
)

// Leaf names a certificate of a component, whom it claims to be for, and its issuer. Standing stands before the
// identity.
func Leaf(c *x509.Certificate, standing string) string {
	who := "no readable identity"
	if id, err := pki.IdentityOf(c); err == nil {
		who = id.String()
	}
	return fmt.Sprintf("%s%s (CN=%s, serial %s, issued by %s)",
		standing, who, Name(c.Subject.CommonName), Serial(c), Name(c.Issuer.CommonName))
}

// CA names a certificate of a CA.
func CA(c *x509.Certificate) string {
	return fmt.Sprintf("CA %s (serial %s)", Name(c.Subject.CommonName), Serial(c))
}

// Serial returns a serial number in hexadecimal, cut.
func Serial(c *x509.Certificate) string { return Cut(fmt.Sprintf("%x", c.SerialNumber), 42) }

// Name quotes and cuts a name.
func Name(s string) string { return strconv.QuoteToGraphic(Cut(s, 64)) }

// Cut cuts s to n bytes.
func Cut(s string, n int) string {
	if len(s) > n {
		s = s[:n] + "…"
	}
	return strings.ToValidUTF8(s, "?")
}

// Usage returns the word of an extended key usage.
func Usage(u x509.ExtKeyUsage) string {
	switch u {
	case x509.ExtKeyUsageClientAuth:
		return "clientAuth"
	case x509.ExtKeyUsageServerAuth:
		return "serverAuth"
	case x509.ExtKeyUsageOCSPSigning:
		return "OCSPSigning"
	case x509.ExtKeyUsageCodeSigning:
		return "codeSigning"
	}
	return fmt.Sprintf("usage %d", int(u))
}

// Usages returns those of a certificate.
func Usages(c *x509.Certificate) string {
	var names []string
	for _, u := range c.ExtKeyUsage {
		names = append(names, Usage(u))
	}
	for _, oid := range c.UnknownExtKeyUsage {
		names = append(names, oid.String())
	}
	if len(names) == 0 {
		return "absent"
	}
	return Cut(strings.Join(names, " + "), 200)
}
