package revocation

import (
	"crypto/tls"
	"net/http"

	"tlagate/pki"
)

// NewClient returns what fetches lists and OCSP answers by their URLs. The environment names it no proxy, since flows
// are those of the configuration (C1). It takes of TLS what c's links take (G5); but the certificate of an https://
// server is judged by crypto/x509 and the system's roots, since nothing rests on it.
func NewClient(c pki.Crypto) *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy = nil
	t.TLSClientConfig = &tls.Config{MinVersion: pki.AllowedVersion(), MaxVersion: pki.AllowedVersion(),
		CurvePreferences: c.Groups(true)}
	return &http.Client{Transport: t, CheckRedirect: fewRedirects}
}
