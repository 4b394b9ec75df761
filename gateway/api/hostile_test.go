package api

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/gateway"
	"tlagate/pki/listen"
)

// TestC1HostileClients: who connects and says nothing, begins and does not go on, or sends too much, keeps nobody out.
func TestC1HostileClients(t *testing.T) {
	r := start(t, parsed(t, "claire", "read"))
	for i := range 3 * connections {
		for _, at := range [][2]string{{"unix", r.socket}, {"tcp", r.addr}} {
			c, err := net.Dial(at[0], at[1])
			if err != nil {
				continue // the queue of the socket is full: that is as good
			}
			defer c.Close()
			begun := []string{"", "GET /api/v1/whoami HTTP/1.1\r\nHost: x\r\n", "\x16\x03\x01\x40\x00"}[i%3]
			_, _ = io.WriteString(c, begun)
		}
	}
	r.eventually("the socket answers", func() bool { return answers(r.local()) })
	r.eventually("the other one, too", func() bool { return answers(r.as(admin("claire"))) })
}

func answers(a *asker) bool {
	res, err := a.Do(a.request("GET", "whoami", ""))
	if err != nil {
		return false
	}
	res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// TestC1HugeRequests: a header that never ends, and a body longer than it may be, are refused before they are read.
func TestC1HugeRequests(t *testing.T) {
	r := start(t)
	c, err := net.Dial("unix", r.socket)
	require.NoError(t, err)
	defer c.Close()
	go func() {
		_, _ = io.WriteString(c, "GET /api/v1/whoami HTTP/1.1\r\nHost: x\r\n")
		for range 1 << 12 {
			if _, err := io.WriteString(c, "X: "+strings.Repeat("a", 1<<10)+"\r\n"); err != nil {
				return
			}
		}
	}()
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err == nil {
		res.Body.Close()
		require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, res.StatusCode)
	}
}

// TestC1AnAdministratorHasSoManyConnections: one certificate takes no places of others.
func TestC1AnAdministratorHasSoManyConnections(t *testing.T) {
	r := start(t, parsed(t, "claire", "read"))
	for range perAdmin {
		require.True(t, answers(r.as(admin("claire"))))
	}
	require.False(t, answers(r.as(admin("claire"))))
	require.True(t, answers(r.as(admin("other"))))
}

// TestC1OneAuditorDoesNotSearchForAll: who searches, or exports slowly, takes no turn of those who need an incident.
func TestC1OneAuditorDoesNotSearchForAll(t *testing.T) {
	r := start(t, parsed(t, "aline", "audit"), parsed(t, "otto", "operate"))
	require.True(t, r.server.searches.Take(admin("aline")), "an export whose reader is slow")
	require.Equal(t, TooMany, r.as(admin("aline")).code("GET", "audit", ""))
	require.Equal(t, TooMany, r.as(admin("aline")).code("POST", "audit/export", order(anybody, "{}")))
	require.Empty(t, r.as(admin("otto")).code("GET", "incidents/K7M2", ""))
	r.server.searches.Return(admin("aline"))
	require.Empty(t, r.as(admin("aline")).code("GET", "audit", ""))
}

// TestC1NobodyFillsTheTrace: what leaves lines in the trace is rationed for each caller; looking is not.
func TestC1NobodyFillsTheTrace(t *testing.T) {
	r := startWith(t, func(s *Server) { s.recorded = listen.NewBudget(1, time.Hour, 9) },
		parsed(t, "claire", "read", "operate", "audit"), parsed(t, "other", "operate"))
	claire := r.as(admin("claire"))
	require.Empty(t, claire.code("GET", "audit", ""))
	for _, to := range [][2]string{{"POST", ending}, {"POST", "audit/export"}, {"GET", "audit"},
		{"GET", "incidents/K7M2"}} {
		require.Equal(t, TooMany, claire.code(to[0], to[1], because), to)
	}
	require.Empty(t, claire.code("GET", "sessions", ""))
	require.Empty(t, r.as(admin("other")).code("POST", ending, because))
	require.Len(t, r.g.acts(), 1)
}

// TestC1AnswersArePages: however many are parked or denied, who takes no answers has no more of them in memory than a
// page each.
func TestC1AnswersArePages(t *testing.T) {
	since := time.Date(2026, 12, 1, 8, 0, 0, 0, time.UTC)
	var list []gateway.ParkedInfo
	for _, name := range []string{"p1", "p1", "p10", "p2"} {
		since = since.Add(time.Millisecond)
		list = append(list, gateway.ParkedInfo{PdT: "urn:tlagate:cab1:pdt:" + name, Since: since})
	}
	r := start(t, parsed(t, "claire", "read"))
	r.g.parked = list
	for _, name := range []string{"a", "b", "c", "d"} {
		require.NoError(t, r.g.Deny("urn:tlagate:"+name+":*", gateway.Act{Who: admin("x"), Role: "security",
			Reason: "x"}))
	}
	claire := r.as(admin("claire"))
	for _, path := range []string{"parked", "denials"} {
		require.Equal(t, BadRequest, claire.code("GET", path+"?limit=501", ""))
		var got []json.RawMessage
		next := "none yet"
		for cursor := ""; next != ""; cursor = next {
			status, text := claire.ask("GET", path+"?limit=3&cursor="+url.QueryEscape(cursor), "")
			require.Equal(t, http.StatusOK, status, text)
			var page map[string]json.RawMessage
			require.NoError(t, json.Unmarshal([]byte(text), &page))
			var some []json.RawMessage
			require.NoError(t, json.Unmarshal(page[path], &some))
			require.LessOrEqual(t, len(some), 3)
			got = append(got, some...)
			if next = ""; page["next"] != nil {
				require.NoError(t, json.Unmarshal(page["next"], &next))
			}
		}
		require.Len(t, got, 4, path)
		seen := map[string]bool{}
		for _, one := range got {
			seen[string(one)] = true
		}
		require.Len(t, seen, 4, path)
	}
}

// TestSA2NoReasonIsACommandToATerminal: reasons are shown to those who look at denials, events and the trace.
func TestSA2NoReasonIsACommandToATerminal(t *testing.T) {
	r := start(t, parsed(t, "claire", "operate", "security"))
	claire := r.as(admin("claire"))
	for _, reason := range []string{`a\u001b[2Jb`, `a\u009b2Jb`, `a\nb`, `a\u202eb`, ` `} {
		require.Equal(t, BadRequest, claire.code("POST", ending, `{"reason":"`+reason+`"}`), reason)
	}
	require.Equal(t, BadRequest, claire.code("POST", "audit/hold", `{"reason":"a\u001bb"}`))
	require.Empty(t, r.g.acts())
	if root() {
		require.Equal(t, BadRequest, r.local().code("GET", "sessions", "", HeaderBreakGlass+": a\u009b2Jb"))
	}
}

// TestSP3NoPageOfOthersLooks: a page of another site cannot read an answer, but a search would be in the trace by the
// name of whose browser it is.
func TestSP3NoPageOfOthersLooks(t *testing.T) {
	r := start(t, parsed(t, "aline", "audit", "read"))
	aline := r.as(admin("aline"))
	for _, path := range []string{"audit", "incidents/K7M2", "sessions", "events", "nothing"} {
		require.Equal(t, CrossSite, aline.code("GET", path, "", "Sec-Fetch-Site: cross-site"), path)
		require.Equal(t, CrossSite, aline.code("GET", path, "", "Sec-Fetch-Site: same-site"), path)
	}
	require.Empty(t, aline.code("GET", "audit", "", "Sec-Fetch-Site: same-origin"))
	r.eventually("that search is the only one in the trace", func() bool { return len(r.lines()) == 1 })
}

// TestSP3NobodyIsAnsweredUnasked: whatever the path or the method, one who may not ask, or asks too often, gets no
// other answer than that.
func TestSP3NobodyIsAnsweredUnasked(t *testing.T) {
	odd := []string{"/sessions", "x/../sessions", "./sessions", "sessions/", "sessions//", "../../"}
	few := func(s *Server) { s.requests = listen.NewBudget(len(odd), time.Hour, 9) }
	r := startWith(t, few, parsed(t, "claire", "read"))
	claire := r.as(admin("claire"))
	claire.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for _, at := range odd {
		require.Equal(t, NotFound, claire.code("GET", at, ""), at)
	}
	for _, at := range []string{"/sessions", "sessions", "nothing"} {
		require.Equal(t, TooMany, claire.code("GET", at, ""), at)
	}
	c, err := net.Dial("unix", r.socket)
	require.NoError(t, err)
	defer c.Close()
	_, err = io.WriteString(c, "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	require.NoError(t, err)
	res.Body.Close()
	require.Equal(t, http.StatusNotFound, res.StatusCode)
}

// TestSA1AFilterThatIsNotUnderstoodShowsNothing, rather than all.
func TestSA1AFilterThatIsNotUnderstoodShowsNothing(t *testing.T) {
	r := start(t)
	for _, query := range []string{"practice=cab1;x=1", "practice=%zz", "practice=a&practice=b", "Practice=cab1"} {
		require.Equal(t, BadRequest, r.local().code("GET", "sessions?"+query, ""), query)
	}
}
