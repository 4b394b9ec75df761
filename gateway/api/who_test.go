package api

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/audit"
	"tlagate/pki/pkitest"
)

// wanted is the table of docs/api.md, written down once more: who may do what.
var wanted = map[Action]string{
	Introduce: "nobody read operate security enrol audit socket",
	Look:      "read socket",
	End:       "operate",
	Drain:     "operate",
	Resume:    "operate",
	Incident:  "operate audit",
	Deny:      "security",
	Allow:     "security",
	Hold:      "security",
	Release:   "security",
	Search:    "audit",
	Export:    "audit",
}

// TestSP3WhoMayWhat: each request, by the holder of each role, of none, and over the socket, is done or refused as the
// table says.
func TestSP3WhoMayWhat(t *testing.T) {
	var admins []Admin
	for _, role := range Roles {
		admins = append(admins, parsed(t, string(role), string(role)))
	}
	r := start(t, admins...)
	who := map[string]*asker{"socket": r.local(), "nobody": r.as(admin("nobody"))}
	for _, role := range Roles {
		who[string(role)] = r.as(admin(string(role)))
	}
	require.Len(t, wanted, len(Actions))
	for name, as := range who {
		for _, to := range routes {
			if to.path == "events" {
				continue // a stream; below
			}
			path := strings.NewReplacer("{id}", sessions, "{number}", "K7M2", "{identity}", tla1).Replace(to.path)
			body := ""
			if to.method == http.MethodPost {
				body = because
			}
			if to.action == Deny {
				body = `{"reason":"case 12","identity":"` + tla1 + `"}`
			}
			refused := as.code(to.method, path, body) == Forbidden
			may := slices.Contains(strings.Fields(wanted[to.action]), name)
			require.Equal(t, may, !refused, "%s: %s %s", name, to.method, to.path)
		}
	}
	require.Equal(t, Forbidden, who["audit"].code("GET", "events", ""))
}

// TestSP3OnlyAdministratorsGetIn: a device's certificate is good, and has no business here; one that is revoked, or
// that an operator denies, gets no further answer on a connection that it has.
func TestSP3OnlyAdministratorsGetIn(t *testing.T) {
	r := start(t, parsed(t, "claire", "read", "security"), parsed(t, "other", "read"))
	_, err := r.as(tla1).Get("https://gateway" + Prefix + "whoami")
	require.Error(t, err)
	r.eventually("it is logged", func() bool { return strings.Contains(r.log.String(), "wrong_role") })

	claire, other := r.as(admin("claire")), r.as(admin("other"))
	require.Empty(t, other.code("GET", "sessions", ""))
	deny := `{"reason":"left us","identity":"` + admin("other") + `"}`
	require.Empty(t, claire.code("POST", "denials", deny))
	require.Equal(t, Unproven, other.code("GET", "sessions", ""))
	require.Equal(t, Conflict, claire.code("POST", "denials", strings.ReplaceAll(deny, "other", "claire")))

	r.server.SetAdmins(nil)
	require.Equal(t, Forbidden, claire.code("GET", "sessions", ""))

	r.server.SetAdmins([]Admin{parsed(t, "claire", "read")})
	r.ca.Issuing.Revoke(r.issued[admin("claire")].Leaf)
	pkitest.WriteCRL(t, r.files.CRL, r.ca.Issuing.CRL())
	r.eventually("the revocation holds", func() bool {
		res, err := claire.Do(claire.request("GET", "whoami", ""))
		if err != nil {
			return true
		}
		res.Body.Close()
		return res.StatusCode == http.StatusUnauthorized
	})
}

// TestSP3BreakGlass: root does over the socket what nobody else may there, with a reason, and not unnoticed.
func TestSP3BreakGlass(t *testing.T) {
	r := start(t)
	socket := r.local()
	glass := HeaderBreakGlass + ": cards of the token are gone"
	if !root() {
		require.Equal(t, Forbidden, socket.code("POST", "sessions/"+sessions+"/end", because, glass))
		return
	}
	require.Equal(t, Forbidden, socket.code("POST", "sessions/"+sessions+"/end", because))
	require.Equal(t, BadRequest, socket.code("GET", "audit", "", HeaderBreakGlass+": "+strings.Repeat("x", 301)))
	require.Empty(t, socket.code("POST", "sessions/"+sessions+"/end", because, glass))
	require.Equal(t, BreakGlass, r.g.acts()[0].Who)
	require.Empty(t, socket.code("GET", "audit", "", glass))
	require.Contains(t, r.log.String(), "level=ERROR msg=\"root breaks the glass at the API\" action=end")
	r.eventually("it is in the trace", func() bool { return len(r.lines()) == 1 })
	line := r.lines()[0]
	require.Equal(t, []string{BreakGlass, "search", "cards of the token are gone", "break-glass"},
		[]string{line.By, line.With["act"], line.With["reason"], line.With["role"]})
	require.Equal(t, Forbidden, r.as(admin("x")).code("GET", "sessions", "", glass), "with a certificate it is none")
}

// TestSA2TheTraceIsSearchedByAuditorsAlone: who searched is in the trace itself; holds are of the role security.
func TestSA2TheTraceIsSearchedByAuditorsAlone(t *testing.T) {
	r := start(t, parsed(t, "aline", "audit"), parsed(t, "sam", "security"))
	aline, sam := r.as(admin("aline")), r.as(admin("sam"))
	require.Empty(t, sam.code("POST", "audit/hold", because))
	require.Equal(t, Conflict, sam.code("POST", "audit/hold", because))
	status, text := aline.ask("GET", "audit?event=operator.*&limit=3", "") // this search may be one of them
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, text, `"act":"hold"`)
	require.Contains(t, text, `"by":"`+admin("sam")+`"`)
	r.eventually("the search is in the trace", func() bool {
		return slices.ContainsFunc(r.lines(), func(e audit.Entry) bool {
			return e.By == admin("aline") && e.With["act"] == "search" && e.With["role"] == "audit"
		})
	})
	require.Empty(t, sam.code("POST", "audit/release", because))
	require.Equal(t, Conflict, sam.code("POST", "audit/release", because))
}
