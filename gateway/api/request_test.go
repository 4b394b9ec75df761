package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/gateway"
	"tlagate/internal/acts"
	"tlagate/pki/pkitest"
	"tlagate/pki/revocation"
	"tlagate/pki/trust"
)

const ending = "sessions/" + sessions + "/end"

// TestSP3NoPageOfOthersActs: an act that a web page of another site could cause is refused.
func TestSP3NoPageOfOthersActs(t *testing.T) {
	r := start(t, parsed(t, "claire", "operate"))
	claire := r.as(admin("claire"))
	for _, site := range []string{"cross-site", "same-site", "Same-Origin", "nonsense"} {
		require.Equal(t, CrossSite, claire.code("POST", ending, because, "Sec-Fetch-Site: "+site), site)
	}
	for _, kind := range []string{"", "text/plain", "application/x-www-form-urlencoded",
		"multipart/form-data; boundary=x", "application/json, text/plain", "application/jsonx"} {
		require.Equal(t, WrongType, claire.code("POST", ending, because, "Content-Type: "+kind), kind)
	}
	require.Equal(t, MethodNotAllowed, claire.code("OPTIONS", ending, ""))
	require.Empty(t, r.g.acts())
	for _, site := range []string{"same-origin", "none"} {
		require.Empty(t, claire.code("POST", ending, because, "Sec-Fetch-Site: "+site))
	}
	require.Empty(t, claire.code("POST", ending, because, "Content-Type: application/json; charset=utf-8"))
	require.Len(t, r.g.acts(), 3)
	require.Equal(t, gateway.Act{Who: admin("claire"), Role: "operate", Reason: "case 12", From: "127.0.0.1"},
		r.g.acts()[0])
}

// TestSP3BadActs: bodies that are wrong do nothing.
func TestSP3BadActs(t *testing.T) {
	r := start(t, parsed(t, "claire", "operate", "read", "security"))
	claire := r.as(admin("claire"))
	for _, body := range []string{"", "null", "[]", `{}`, `{"reason":""}`, `{"reason":1}`, `{"reason":"a"}{}`,
		`{"reason":"a","more":1}`, `{"reason":"a","identity":"` + tla1 + `"}`, `{"reason":"` + strings.Repeat("a", 301) +
			`"}`, strings.Repeat("[", 4000)} {
		require.Equal(t, BadRequest, claire.code("POST", ending, body), "%.40s", body)
	}
	require.Equal(t, TooLarge, claire.code("POST", ending, strings.Repeat(" ", maxBody+1)))
	require.Equal(t, NotFound, claire.code("POST", "sessions/x/end", because))
	require.Equal(t, NotFound, claire.code("POST", "denials/"+tla1+"/allow", because))
	require.Equal(t, BadRequest, claire.code("POST", "denials", `{"reason":"a","identity":"me"}`))
	require.Equal(t, Conflict, claire.code("POST", "resume", because))
	require.Equal(t, NotFound, claire.code("GET", "nothing", ""))
	require.Equal(t, NotFound, claire.code("GET", "sessions/x", ""))
	for _, bad := range []string{"limit=0", "limit=501", "limit=x", "role=boss", "since=today", "no=1",
		"role=tla&role=pdt", "identity=" + strings.Repeat("a", maxQuery)} {
		require.Equal(t, BadRequest, claire.code("GET", "peers?"+bad, ""), "%.40s", bad)
	}
	for _, bad := range []string{"sessions?cursor=x", "peers?cursor=x"} {
		require.Equal(t, BadRequest, claire.code("GET", bad, ""), "%s: or a console reads the first page for ever", bad)
	}
	require.Empty(t, r.g.acts())
}

// TestG7AProblemSaysWhatAParameterWants: who typed it need not look it up.
func TestG7AProblemSaysWhatAParameterWants(t *testing.T) {
	claire := start(t, parsed(t, "claire", "read")).as(admin("claire"))
	for wrong, want := range map[string]string{"limit=0": "a number from 1 to 500", "since=1h": "2026-11-24T08:30:00Z",
		"identity=t1": "urn:tlagate:PRACTICE:ROLE:NAME", "role=boss": "tla pdt", "limits=5": `"limits" is not known`,
		"role=tla&role=pdt": "given twice"} {
		_, body := claire.ask("GET", "peers?"+wrong, "")
		var p ProblemAnswer
		require.NoError(t, json.Unmarshal([]byte(body), &p), body)
		require.Contains(t, p.Detail, want, wrong)
	}
}

// TestSP3NobodyDeniesThemselves: neither by name nor by a pattern, which would turn away every operator.
func TestSP3NobodyDeniesThemselves(t *testing.T) {
	claire := start(t, parsed(t, "claire", "security")).as(admin("claire"))
	for _, name := range []string{admin("claire"), "urn:tlagate:op:admin:*", "urn:tlagate:op:*"} {
		require.Equal(t, Conflict, claire.code("POST", "denials", `{"reason":"a","identity":"`+name+`"}`), name)
	}
	require.Empty(t, claire.code("GET", "whoami", ""))
}

// TestSP3ADenialOfNobodySaysSo: a name with a slip in it would leave a stolen terminal in.
func TestSP3ADenialOfNobodySaysSo(t *testing.T) {
	claire := start(t, parsed(t, "claire", "security")).as(admin("claire"))
	for name, noted := range map[string]bool{tla1: true, "urn:tlagate:cab1:*": true, "urn:tlagate:cab1:pdt:*": true,
		admin("paul"): false} {
		_, body := claire.ask("POST", "denials", `{"reason":"a","identity":"`+name+`"}`)
		require.Equal(t, noted, strings.Contains(body, "no device of that name has been seen here"), body)
	}
}

// TestSP3AnActIsDoneOnce: an act that is sent again with its key is answered as the first time, to who sent it.
func TestSP3AnActIsDoneOnce(t *testing.T) {
	r := start(t, parsed(t, "claire", "operate"), parsed(t, "other", "operate"))
	claire := r.as(admin("claire"))
	key := acts.HeaderKey + ": one"
	_, first := claire.ask("POST", ending, because, key)
	_, again := claire.ask("POST", ending, because, key)
	require.Equal(t, first, again)
	require.Len(t, r.g.acts(), 1)
	require.Equal(t, KeyReused, claire.code("POST", ending, `{"reason":"another"}`, key))
	require.Equal(t, KeyReused, claire.code("POST", "drain", because, key))
	require.Empty(t, r.as(admin("other")).code("POST", ending, because, key))
	require.Len(t, r.g.acts(), 2)
	long := acts.HeaderKey + ": " + strings.Repeat("k", 65)
	require.Equal(t, BadRequest, claire.code("POST", ending, because, long))
}

// TestSP3AnActThatIsNotInTheTraceSaysSo: what takes trust away is done, and the answer says what is missing.
func TestSP3AnActThatIsNotInTheTraceSaysSo(t *testing.T) {
	r := start(t, parsed(t, "claire", "operate"))
	r.g.endErr = &gateway.Done{Err: fmt.Errorf("no room")}
	status, text := r.as(admin("claire")).ask("POST", ending, because)
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, text, "it is done, but: no room")
}

// TestC1RequestsAreRationed: who asks too often is told when to come back.
func TestC1RequestsAreRationed(t *testing.T) {
	r := start(t)
	socket := r.local()
	for range 100 * requestBurst {
		res, err := socket.Do(socket.request("GET", "whoami", ""))
		require.NoError(t, err)
		res.Body.Close()
		if res.StatusCode == http.StatusTooManyRequests {
			require.NotEmpty(t, res.Header.Get("Retry-After"))
			return
		}
	}
	require.Fail(t, "nobody is ever refused")
}

// TestG7AnswersAreNotKept: no cache keeps an answer, and no page shows it in a frame.
func TestG7AnswersAreNotKept(t *testing.T) {
	r := start(t)
	socket := r.local()
	for _, path := range []string{"whoami", "nothing", "sessions"} {
		res, err := socket.Do(socket.request("GET", path, ""))
		require.NoError(t, err)
		res.Body.Close()
		require.Equal(t, "no-store", res.Header.Get("Cache-Control"))
		require.Equal(t, "nosniff", res.Header.Get("X-Content-Type-Options"))
	}
}

// FuzzBody: no body makes an act panic, or be taken for more than it is.
func FuzzBody(f *testing.F) {
	for _, seed := range []string{because, "", "null", `{"reason":"é","identity":"urn:tlagate:a:tla:b"}`,
		"{\"reason\":\"\xff\"}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var a ask
		if acts.Decode(body, &a) == nil {
			require.LessOrEqual(t, len(a.Reason), 3*len(body))
		}
	})
}

// TestG7ListsAboutPersonsAreShown beside those about devices.
func TestG7ListsAboutPersonsAreShown(t *testing.T) {
	r := start(t, parsed(t, "claire", "read"))
	society := pkitest.NewPersons(t)
	files := society.WriteTrust(t.TempDir())
	store, err := trust.Open(trust.Config{Profile: trust.Persons,
		Persons:       trust.PersonRules{Identifier: "CN", Form: "8[0-9]{11}", Devices: r.trust},
		Anchors:       []trust.AnchorFile{{File: files.Anchor}},
		Intermediates: []string{files.Intermediate},
		Revocation:    revocation.Config{CRLs: files.CRLs()}})
	require.NoError(t, err)
	r.g.SetUsers(gateway.Users{Persons: store})
	status, text := r.as(admin("claire")).ask("GET", "revocation", "")
	require.Equal(t, http.StatusOK, status, text)
	var found Revocation
	require.NoError(t, json.Unmarshal([]byte(text), &found))
	about := map[string]string{}
	for _, l := range found.Lists {
		about[l.Source] = l.Of
	}
	require.Equal(t, map[string]string{r.files.CRL: "", r.files.ARL: "", files.CRL: "persons", files.ARL: "persons"},
		about)
}
