package pki

import (
	"crypto/x509"
	"fmt"
	"strconv"
	"strings"
)

// What a peer put into its certificate is quoted and cut: it ends up in logs.

func describeLeaf(c *x509.Certificate, standing string) string {
	who := "no readable identity"
	if id, err := IdentityOf(c); err == nil {
		who = id.String()
	}
	return fmt.Sprintf("%s%s (CN=%s, serial %s, issued by %s)",
		standing, who, name(c.Subject.CommonName), serial(c), name(c.Issuer.CommonName))
}

func describeCA(c *x509.Certificate) string {
	return fmt.Sprintf("CA %s (serial %s)", name(c.Subject.CommonName), serial(c))
}

func serial(c *x509.Certificate) string { return bounded(fmt.Sprintf("%x", c.SerialNumber), 42) }

func name(s string) string { return strconv.QuoteToGraphic(bounded(s, 64)) }

// bounded cuts s to n bytes.
func bounded(s string, n int) string {
	if len(s) > n {
		s = s[:n] + "…"
	}
	return strings.ToValidUTF8(s, "?")
}

func usageName(u x509.ExtKeyUsage) string {
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

func usageNames(c *x509.Certificate) string {
	var names []string
	for _, u := range c.ExtKeyUsage {
		names = append(names, usageName(u))
	}
	for _, oid := range c.UnknownExtKeyUsage {
		names = append(names, oid.String())
	}
	if len(names) == 0 {
		return "absent"
	}
	return bounded(strings.Join(names, " + "), 200)
}
