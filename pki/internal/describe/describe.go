// Package describe puts certificates into words for logs and refusals. Whatever a peer wrote is quoted and shortened.
package describe

import (
	"crypto/x509"
	"fmt"
	"strconv"
	"strings"

	"tlagate/pki"
)

// Leaf describes a component's certificate: the identity that it claims, after prefix, its name, serial and issuer.
func Leaf(c *x509.Certificate, prefix string) string {
	identity := "no readable identity"
	if id, err := pki.IdentityOf(c); err == nil {
		identity = id.String()
	}
	return fmt.Sprintf("%s%s (CN=%s, serial %s, issued by %s)",
		prefix, identity, Name(c.Subject.CommonName), Serial(c), Name(c.Issuer.CommonName))
}

// CA describes a CA's certificate.
func CA(c *x509.Certificate) string {
	return fmt.Sprintf("CA %s (serial %s)", Name(c.Subject.CommonName), Serial(c))
}

// Serial returns a certificate's serial number in hexadecimal, shortened.
func Serial(c *x509.Certificate) string { return Cut(fmt.Sprintf("%x", c.SerialNumber), 42) }

// Name returns a name quoted and shortened.
func Name(s string) string { return strconv.QuoteToGraphic(Cut(s, 64)) }

// Cut returns s shortened to n bytes, as valid UTF-8.
func Cut(s string, n int) string {
	if len(s) > n {
		s = s[:n] + "…"
	}
	return strings.ToValidUTF8(s, "?")
}

// Usage returns the name of an extended key usage.
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

// Usages returns the names of a certificate's extended key usages.
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
