package address

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestShownHidesWhatMayBeASecret(t *testing.T) {
	for text, want := range map[string]string{
		"":                                       "",
		"/etc/tlagate/crl@2.pem":                 "/etc/tlagate/crl@2.pem",
		`C:\tlagate\crl@2.pem`:                   `C:\tlagate\crl@2.pem`,
		"pki=192.0.2.7:8445":                     "pki=192.0.2.7:8445",
		"http://pki.example:80/a%20b/crl.der":    "http://pki.example:80/a%20b/crl.der",
		"http://pki.example/a@b/crl.der":         "http://pki.example/a@b/crl.der",
		"http://bob:SECRET@pki.example/crl":      "http://…@pki.example/crl",
		"http://SECRET@pki.example/crl":          "http://…@pki.example/crl",
		"https://pki.example/?cmd=crl&t=SECRET":  "https://pki.example/?cmd=…&t=…",
		"https://pki.example/crl?SECRET":         "https://pki.example/crl?…",
		"https://pki.example/crl?a=b=SECRET&c":   "https://pki.example/crl?a=…&…",
		"https://pki.example/crl#SECRET":         "https://pki.example/crl#…",
		"http://bob:SEC/RET@pki.example/crl":     "http://…",
		"http://bob:SEC?RET@pki.example/crl":     "http://…",
		"http://bob:SECRET%zz@pki.example/crl":   "http://…",
		"http://pki example/crl?token=SECRET@1":  "http://…",
		"ldap://cn=x:SECRET@pki.example/o=y?crl": "ldap://…@pki.example/o=y?…",
		"bob:SECRET@pki.example:1":               "…@pki.example:1",
		"bob:SEC@RET@pki.example:1":              "…@pki.example:1",
	} {
		require.Equal(t, want, Shown(text), text)
	}
}

func TestAllShownGivesEachANameOfItsOwn(t *testing.T) {
	require.Equal(t, map[string]string{
		"http://pki/crl?ca=1": "http://pki/crl?ca=…",
		"http://pki/crl?ca=2": "http://pki/crl?ca=… (2)",
		"crl.pem":             "crl.pem",
	}, AllShown([]string{"http://pki/crl?ca=1", "crl.pem", "http://pki/crl?ca=2", "http://pki/crl?ca=1"}))
}

func TestFetchedRefusesAUser(t *testing.T) {
	for _, text := range []string{"http://bob:SECRET@pki.example/crl", "https://SECRET@pki.example/", "http://@pki/"} {
		_, err := Fetched(text)
		require.ErrorContains(t, err, "a user or a password in it", text)
		require.NotContains(t, err.Error(), "SECRET")
	}
	_, err := Fetched("http://bob:SECRET@-x/")
	require.ErrorContains(t, err, "a user or a password in it")
	_, err = Fetched("http://pki.example/crl?token=x")
	require.NoError(t, err)
}

func TestServersQuotesNoPassword(t *testing.T) {
	for _, text := range []string{"https://u:SECRET@gw:1", "u:SECRET@gw:1"} {
		err := Servers("gateways", []string{text})
		require.ErrorContains(t, err, "gateways[0]")
		require.NotContains(t, err.Error(), "SECRET")
	}
}
