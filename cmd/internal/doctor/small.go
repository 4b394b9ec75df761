package doctor

import (
	"crypto/tls"
	"crypto/x509"
	"maps"
	"os"
	"slices"
)

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// readable returns the error of the first file that this user cannot open.
func readable(files ...string) error {
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		f.Close()
	}
	return nil
}

// public returns a certificate without its key, for a caller that only compares.
func public(chain []*x509.Certificate) func() *tls.Certificate {
	c := &tls.Certificate{Leaf: chain[0]}
	for _, cert := range chain {
		c.Certificate = append(c.Certificate, cert.Raw)
	}
	return func() *tls.Certificate { return c }
}
