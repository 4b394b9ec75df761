//go:build !fuzzing

package officers

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/stretchr/testify/require"
)

// TestSA1OpenAPI: the document is valid, has exactly the rights that there are, and every real request and answer is
// what it says.
func TestSA1OpenAPI(t *testing.T) {
	parsed, err := libopenapi.NewDocument(document)
	require.NoError(t, err)
	judge, errs := validator.NewValidator(parsed)
	require.Empty(t, errs)
	valid, wrong := judge.ValidateDocument()
	require.True(t, valid, "%v", wrong)
	model, err := parsed.BuildV3Model()
	require.NoError(t, err)
	var documented, real []string
	for path, item := range model.Model.Paths.PathItems.FromOldest() {
		for method := range item.GetOperations().FromOldest() {
			documented = append(documented, strings.ToUpper(method)+" "+strings.TrimPrefix(path, Prefix))
		}
	}
	for _, r := range Rights() {
		real = append(real, r.Method+" "+r.Name)
	}
	slices.Sort(documented)
	slices.Sort(real)
	require.Equal(t, real, documented)

	b := newBed(t)
	require.NoError(t, BreakGlass(b.dir, Emergency{At: time.Now(), Account: "root", Act: "revoke", Why: "nobody"}))
	tla := "urn:tlagate:cab1:tla:t1"
	because := func(more string) string { return `{"why":"case 12"` + more + `}` }
	text := func(v any) string {
		out, err := json.Marshal(v)
		require.NoError(t, err)
		return string(out)
	}
	next := b.successor()
	for _, c := range []struct {
		as, method, path, body string
		status                 int
	}{
		{"both", "GET", "whoami", "", 200}, {"read", "GET", "invitations", "", 200},
		{"both", "GET", "waiting", "", 200},
		{"enrol", "POST", "issue", text(b.issueOf(tla)), 200},
		{"enrol", "POST", "issue", text(b.issueOf(operator + "zoe")), 200},
		{"enrol", "POST", "issue", text(b.issueOf(operator + "yan")), 200},
		{"enrol", "POST", "succeed", text(Succeed{next, "ceremony"}), 200},
		{"both", "GET", "waiting", "", 200},
		{"security", "POST", "approve", because(`,"id":1`), 200}, {"security", "POST", "reject", because(`,"id":2`), 200},
		{"security", "POST", "approve", because(`,"id":3`), 200}, {"both", "GET", "waiting", "", 200},
		{"enrol", "POST", "invite", `{"guests":[{"identity":"urn:tlagate:cab1:tla:t2"}]}`, 200},
		{"read", "GET", "invitations", "", 200}, {"enrol", "POST", "withdraw", `{"id":1}`, 200},
		{"security", "POST", "revoke", because(`,"identity":"` + tla + `","reason":"certificateHold"`), 200},
		{"security", "POST", "release", because(`,"identity":"` + tla + `"`), 200},
		{"enrol", "POST", "replace", because(`,"identity":"` + tla + `","reason":"superseded"`), 200},
		{"security", "POST", "acknowledge", because(""), 200}, {"security", "POST", "acknowledge", because(""), 409},
		{"read", "GET", "certificates", "", 200}, {"read", "GET", "certificates?which=" + tla, "", 200},
		{"read", "GET", "status", "", 200}, {"audit", "GET", "audit?limit=5", "", 200},
		{"audit", "GET", "audit?limit=0", "", 400}, {"read", "GET", "audit", "", 403},
		{"both", "GET", "openapi.yaml", "", 200},
	} {
		name := c.as + " " + c.method + " " + c.path
		request, answer, body := b.sent(c.as, c.method, c.path, c.body)
		require.Equal(t, c.status, answer.StatusCode, "%s: %s", name, body)
		if c.path == "openapi.yaml" {
			require.Equal(t, string(document), body)
			continue
		}
		if answer.Header.Get("Content-Type") == "application/x-ndjson" { // which the validator takes for one value
			for line := range strings.Lines(body) {
				require.True(t, json.Valid([]byte(line)), "%s: %s", name, line)
			}
			continue
		}
		answer.Body = io.NopCloser(strings.NewReader(body))
		valid, wrong := judge.ValidateHttpRequestResponse(request, answer)
		for _, w := range wrong {
			t.Logf("%s: %s: %s %+v", name, w.Message, w.Reason, w.SchemaValidationErrors)
		}
		require.True(t, valid, "%s: %s", name, body)
	}

	request, answer, _ := b.sent("both", "GET", "whoami", "")
	answer.Body = io.NopCloser(strings.NewReader(`{"identity":1}`))
	valid, _ = judge.ValidateHttpRequestResponse(request, answer)
	require.False(t, valid, "the test can fail")
}

// sent sends a request, and returns it unsent with its answer and the answer's body.
func (b *bed) sent(name, method, path, body string) (*http.Request, *http.Response, string) {
	make := func() *http.Request {
		req, err := http.NewRequest(method, "https://pki"+Prefix+path, strings.NewReader(body))
		require.NoError(b.t, err)
		if method == http.MethodPost {
			req.Header.Set("Content-Type", "application/json")
		}
		return req
	}
	resp, err := b.http(name).Do(make())
	require.NoError(b.t, err)
	defer resp.Body.Close()
	var text bytes.Buffer
	_, err = text.ReadFrom(resp.Body)
	require.NoError(b.t, err)
	return make(), resp, text.String()
}
