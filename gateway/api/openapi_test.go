//go:build !fuzzing

package api

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/stretchr/testify/require"

	"tlagate/gateway"
)

// TestSA1OpenAPI: the document is valid, has exactly the routes that there are, and every real answer is what it says.
func TestSA1OpenAPI(t *testing.T) {
	document, err := libopenapi.NewDocument(openAPI)
	require.NoError(t, err)
	judge, errs := validator.NewValidator(document)
	require.Empty(t, errs)
	valid, wrong := judge.ValidateDocument()
	require.True(t, valid, "%v", wrong)
	model, err := document.BuildV3Model()
	require.NoError(t, err)
	var documented, real []string
	for path, item := range model.Model.Paths.PathItems.FromOldest() {
		for method := range item.GetOperations().FromOldest() {
			documented = append(documented, strings.ToUpper(method)+" "+strings.TrimPrefix(path, Prefix))
		}
	}
	for _, to := range routes {
		real = append(real, to.method+" "+to.path)
	}
	slices.Sort(documented)
	slices.Sort(real)
	require.Equal(t, real, documented)

	r := start(t, parsed(t, "claire", "read", "operate", "security", "audit"))
	require.NoError(t, r.g.Deny("urn:tlagate:cab9:*", gateway.Act{Who: admin("x"), Role: "security", Reason: "x"}))
	claire, socket := r.as(admin("claire")), r.local()
	for _, c := range []struct {
		as           *asker
		method, path string
		body         string
		status       int
	}{
		{claire, "GET", "whoami", "", 200}, {socket, "GET", "whoami", "", 200}, {claire, "GET", "gateways", "", 200},
		{claire, "GET", "sessions?practice=cab1&limit=2", "", 200}, {claire, "GET", "sessions/" + sessions, "", 200},
		{claire, "GET", "peers", "", 200}, {claire, "GET", "parked", "", 200}, {claire, "GET", "refusals", "", 200},
		{claire, "GET", "denials", "", 200}, {claire, "GET", "revocation", "", 200},
		{claire, "GET", "incidents/K7M2", "", 200}, {claire, "GET", "incidents/A2A2", "", 404},
		{claire, "POST", "audit/hold", because, 200}, {claire, "GET", "gateways", "", 200},
		{claire, "GET", "audit?limit=5", "", 200}, {claire, "POST", "audit/export", order(anybody, "{}"), 200},
		{claire, "POST", "audit/export", order(anybody, `{"until":"2020-01-01T00:00:00Z"}`), 404}, {claire, "POST", "audit/release", because, 200},
		{claire, "POST", ending, because, 200}, {claire, "POST", "drain", because, 200},
		{claire, "POST", "resume", because, 200},
		{claire, "POST", "denials", `{"reason":"a","identity":"` + tla1 + `"}`, 200},
		{claire, "POST", "denials/" + tla1 + "/allow", because, 200},
		{claire, "GET", "sessions/unknown", "", 404}, {socket, "POST", "drain", because, 403},
	} {
		request := c.as.request(c.method, c.path, c.body)
		answer, err := c.as.Do(request)
		require.NoError(t, err)
		text, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		answer.Body.Close()
		require.Equal(t, c.status, answer.StatusCode, "%s %s: %s", c.method, c.path, text)
		answer.Body = io.NopCloser(bytes.NewReader(text))
		request.Body = io.NopCloser(strings.NewReader(c.body))
		valid, wrong := judge.ValidateHttpRequestResponse(request, answer)
		for _, w := range wrong {
			t.Logf("%s %s: %s: %s %+v", c.method, c.path, w.Message, w.Reason, w.SchemaValidationErrors)
		}
		require.True(t, valid, "%s %s: %s", c.method, c.path, text)
	}
	status, text := socket.ask("GET", "openapi.yaml", "")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, string(openAPI), text)

	changed := &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(`{"sessions":[{"id":1}]}`))}
	valid, _ = judge.ValidateHttpRequestResponse(claire.request("GET", "sessions", ""), changed)
	require.False(t, valid, "the test can fail")
}
