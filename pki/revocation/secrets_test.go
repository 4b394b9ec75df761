package revocation_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/pki/pkitest/bed"
	"tlagate/pki/trust"
)

// What may be a secret in a URL stands in no log, error, metric or list.
func TestURLsAreShownWithoutSecrets(t *testing.T) {
	w := bed.New(t)
	garbage := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "x") }))
	t.Cleanup(garbage.Close)
	const away = "http://127.0.0.1:1/"
	w.WithoutCRL()
	w.Config.CRLs = append(w.Config.CRLs, away+"crl?t=SECRET1", away+"crl?t=SECRET2", garbage.URL+"/none?SECRET3")
	w.Config.OCSP.Responders = []string{away + "ocsp?t=SECRET4", garbage.URL + "?t=SECRET5", garbage.URL + "?t=SECRET6"}
	log := w.LogTo()
	store := w.Open()
	said := ""
	for range 3 { // failuresToSay
		said += fmt.Sprint(bed.Verify(store, w.Issue(bed.TLA1, bed.AsClient)))
	}
	said += fmt.Sprintf("%+v %+v", store.Sources(), store.Lists())
	require.Contains(t, said, away+"crl?t=… ")
	require.Contains(t, said, away+"crl?t=… (2)")
	require.Contains(t, said, garbage.URL+"?t=… (2)")
	require.Contains(t, log.String(), away+"crl?t=…")
	require.Contains(t, log.String(), "OCSP responder fails")
	require.NotContains(t, said+log.String(), "SECRET")
}

func TestURLsWithAPasswordAreRefused(t *testing.T) {
	for name, set := range map[string]func(w *bed.World, url string){
		"CRL":       func(w *bed.World, url string) { w.Config.CRLs = append(w.Config.CRLs, url) },
		"responder": func(w *bed.World, url string) { w.Config.OCSP.Responders = []string{url} },
	} {
		t.Run(name, func(t *testing.T) {
			w := bed.New(t)
			set(w, "http://bob:SECRET@pki.example/crl.der?SECRET")
			_, err := trust.Open(w.Config)
			require.ErrorContains(t, err, "a user or a password in it")
			require.ErrorContains(t, err, `"http://…@pki.example/crl.der?…"`)
			require.NotContains(t, err.Error(), "SECRET")
		})
	}
}
