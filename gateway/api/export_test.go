package api

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/stretchr/testify/require"

	"tlagate/audit"
	"tlagate/audit/export"
)

// anybody is a recipient whose key nobody has kept.
const anybody = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"

// order returns the body of an export for one recipient.
func order(to, filters string) string {
	return `{"reason":"yearly review","to":["` + to + `"],"filters":` + filters + `}`
}

// TestSA2ExportFromAfar: lines go out for those alone who are named, and that they do is in the trace before.
func TestSA2ExportFromAfar(t *testing.T) {
	r := start(t, parsed(t, "aline", "audit"), parsed(t, "sam", "security"))
	aline := r.as(admin("aline"))
	require.Empty(t, r.as(admin("sam")).code("POST", "audit/hold", because))
	key, err := age.GenerateHybridIdentity()
	require.NoError(t, err)
	answer, err := aline.Do(aline.request("POST", "audit/export", order(key.Recipient().String(), "{}")))
	require.NoError(t, err)
	defer answer.Body.Close()
	sealed, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.StatusCode, "%s", sealed)
	require.NotContains(t, string(sealed), "operator.act")
	require.Contains(t, answer.Header.Get(HeaderExported), `"chain":true`)
	plain, err := age.Decrypt(bytes.NewReader(sealed), key)
	require.NoError(t, err)
	text, err := io.ReadAll(plain)
	require.NoError(t, err)
	h, report, err := export.Verify(bytes.NewReader(text))
	require.NoError(t, err)
	require.Equal(t, h.Count, report.Lines)
	require.Contains(t, string(text), `"act":"hold"`)
	require.Contains(t, string(text), `"act":"export"`, "its own line is the last")
	require.True(t, slices.ContainsFunc(r.lines(), func(e audit.Entry) bool {
		return e.By == admin("aline") && e.With["act"] == "export" && e.With["reason"] == "yearly review"
	}))
}

// TestSA2BadExports: nobody gets lines that no recipient is named for, and no file of the gateway is named from afar.
func TestSA2BadExports(t *testing.T) {
	r := start(t, parsed(t, "aline", "audit"))
	aline := r.as(admin("aline"))
	for body, want := range map[string]Code{
		order("/etc/passwd", "{}"):                                       BadRequest,
		order("age1nobody", "{}"):                                        BadRequest,
		order(anybody, `{"who":"x"}`):                                    BadRequest,
		order(anybody, `{"until":"2020-01-01T00:00:00Z"}`):               NotFound,
		`{"reason":"x","filters":{}}`:                                    BadRequest,
		strings.Replace(order(anybody, "{}"), "yearly review", "", 1):    BadRequest,
		order(anybody, `{"reason":"`+strings.Repeat("x", 65<<10)+`"}`):   TooLarge,
		order(anybody, `{"events":["`+strings.Repeat(`x","`, 20)+`x"]}`): BadRequest,
	} {
		require.Equal(t, want, aline.code("POST", "audit/export", body), "%.100s", body)
	}
	require.Equal(t, CrossSite, aline.code("POST", "audit/export", order(anybody, "{}"), "Sec-Fetch-Site: cross-site"))
}
