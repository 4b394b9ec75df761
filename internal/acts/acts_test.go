package acts

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience is how long a test waits for what must happen, on a machine however slow.
const patience = 2 * time.Minute

func act(key, body string) *Act { return &Act{Body: []byte(body), key: key, path: "POST /x"} }

// counting returns an act that answers how often it was done, and that number.
func counting() (f func() *Answer, n *int) {
	n = new(int)
	return func() *Answer { *n++; return JSON(http.StatusOK, *n) }, n
}

// TestSP3AnActIsDoneOnce, for who sent it, unless it failed.
func TestSP3AnActIsDoneOnce(t *testing.T) {
	m := NewMemory(time.Hour, 1<<10)
	f, n := counting()
	for range 2 {
		require.Equal(t, "1\n", string(m.Once("a", act("k", "x"), f).Body))
	}
	require.Equal(t, http.StatusUnprocessableEntity, m.Once("a", act("k", "y"), f).Status)
	elsewhere := &Act{Body: []byte("x"), key: "k", path: "POST /y"}
	require.Equal(t, http.StatusUnprocessableEntity, m.Once("a", elsewhere, f).Status)
	require.Equal(t, 1, *n)
	require.Equal(t, "2\n", string(m.Once("b", act("k", "x"), f).Body), "another's key is another one")
	m.Once("a", act("", "x"), f)
	m.Once("a", act("", "x"), f)
	require.Equal(t, 4, *n, "without a key")
	failed := func() *Answer { return JSON(http.StatusServiceUnavailable, "") }
	require.Equal(t, http.StatusServiceUnavailable, m.Once("a", act("f", "x"), failed).Status)
	require.Equal(t, http.StatusOK, m.Once("a", act("f", "x"), f).Status, "a failure is tried again")
	long := func() *Answer { return JSON(http.StatusOK, strings.Repeat("x", 1<<10)) }
	require.Equal(t, http.StatusOK, m.Once("a", act("l", "x"), long).Status)
	require.Equal(t, http.StatusConflict, m.Once("a", act("l", "x"), long).Status, "too long to be kept")
}

// TestSP3AnActThatPanicsTakesNoKey: sent again, it is done.
func TestSP3AnActThatPanicsTakesNoKey(t *testing.T) {
	m := NewMemory(time.Hour, 1<<10)
	require.Panics(t, func() { m.Once("a", act("k", "x"), func() *Answer { panic("of ours") }) })
	f, _ := counting()
	require.Equal(t, http.StatusOK, m.Once("a", act("k", "x"), f).Status)
	require.Equal(t, 1, m.n)
}

// TestSP3WhatIsBeingDoneIsNotBegunAgain, and is not forgotten for others.
func TestSP3WhatIsBeingDoneIsNotBegunAgain(t *testing.T) {
	m := NewMemory(time.Hour, 1<<10)
	f, n := counting()
	m.Once("a", act("k", "x"), func() *Answer {
		require.Equal(t, http.StatusConflict, m.Once("a", act("k", "x"), f).Status)
		for i := range 2 * perCaller {
			require.Equal(t, http.StatusOK, m.Once("a", act(fmt.Sprint(i), "x"), f).Status)
		}
		require.Equal(t, http.StatusConflict, m.Once("a", act("k", "x"), f).Status)
		return f()
	})
	require.Equal(t, 2*perCaller+1, *n)
}

// TestSP3MemoryIsBounded: one who sends many keys fills their own share alone, and it is forgotten in time.
func TestSP3MemoryIsBounded(t *testing.T) {
	m := NewMemory(time.Hour, 1<<10)
	f, n := counting()
	m.Once("b", act("0", "x"), f)
	for i := range 2 * perCaller {
		m.Once("a", act(fmt.Sprint(i), "x"), f)
	}
	require.Equal(t, perCaller+1, m.n)
	require.Equal(t, "1\n", string(m.Once("b", act("0", "x"), f).Body))
	before := *n
	m.Once("a", act(fmt.Sprint(2*perCaller-1), "x"), f)
	require.Equal(t, before, *n, "the newest one is kept")
	for i := 0; m.n < inAll; i++ {
		m.Once(fmt.Sprint("c", i/perCaller), act(fmt.Sprint(i), "x"), f)
	}
	require.Equal(t, http.StatusTooManyRequests, m.Once("d", act("0", "x"), f).Status)

	short := NewMemory(time.Millisecond, 1<<10)
	short.Once("a", act("k", "x"), f)
	require.Eventually(t, func() bool {
		short.mu.Lock()
		defer short.mu.Unlock()
		return short.n == 0 && len(short.all) == 0
	}, patience, time.Millisecond)
}

// TestSP3FormOfActs: what a page of another site could cause is none, nor what is no JSON or too long.
func TestSP3FormOfActs(t *testing.T) {
	for name, c := range map[string]struct {
		header []string
		body   string
		want   Code
	}{
		"an act":            {nil, "{}", ""},
		"with a charset":    {[]string{"Content-Type", "application/json; charset=utf-8"}, "{}", ""},
		"another site":      {[]string{"Sec-Fetch-Site", "cross-site"}, "{}", CrossSite},
		"nonsense":          {[]string{"Sec-Fetch-Site", "x"}, "{}", CrossSite},
		"of the same page":  {[]string{"Sec-Fetch-Site", "same-origin"}, "{}", ""},
		"typed by somebody": {[]string{"Sec-Fetch-Site", "none"}, "{}", ""},
		"a form":            {[]string{"Content-Type", "application/x-www-form-urlencoded"}, "{}", WrongType},
		"no type":           {[]string{"Content-Type", ""}, "{}", WrongType},
		"a list of types":   {[]string{"Content-Type", "application/json, text/plain"}, "{}", WrongType},
		"a long key":        {[]string{HeaderKey, strings.Repeat("k", maxKey+1)}, "{}", BadRequest},
		"a long body":       {nil, strings.Repeat("x", 1025), TooLarge},
	} {
		r := httptest.NewRequest(http.MethodPost, "/x", strings.NewReader(c.body))
		r.Header.Set("Content-Type", "application/json")
		for i := 0; i < len(c.header); i += 2 {
			r.Header.Set(c.header[i], c.header[i+1])
		}
		p := SameSite(r)
		if p == nil {
			_, p = Receive(httptest.NewRecorder(), r, 1<<10)
		}
		if c.want == "" {
			require.Nil(t, p, name)
			continue
		}
		require.NotNil(t, p, name)
		require.Equal(t, c.want, p.Code, name)
	}
	r := httptest.NewRequest(http.MethodPost, "/x", strings.NewReader("{}"))
	r.Header["Content-Type"] = []string{"application/json"}
	r.Header[HeaderKey] = []string{"a", "b"}
	_, p := Receive(httptest.NewRecorder(), r, 1<<10)
	require.Equal(t, BadRequest, p.Code, "two keys")
}

// FuzzProblems: whatever a server sends instead of a problem is none, and what is sent is read back.
func FuzzProblems(f *testing.F) {
	for _, seed := range []string{"", "null", "{}", `{"type":"urn:tlagate:problem:x","detail":"\u0000"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var into struct{ A string }
		_ = Decode(body, &into)
		if p := ReadProblem(body); p != nil {
			again := ReadProblem(p.Answer().Body)
			require.Equal(t, p.Code, again.Code)
		}
	})
}

// TestSA2ReasonsCanBeShown: one that would be a command to somebody's terminal, or turn a line around, is none.
func TestSA2ReasonsCanBeShown(t *testing.T) {
	for reason, want := range map[string]bool{"case 12": true, "élève n° 3, « perdu »": true, "": false, "  ": false,
		"a\x1b[2Jb": false, "a\u009b2Jb": false, "a\nb": false, "a\tb": false, "a\u202eb": false, "\xff": false,
		"a\u2028b": false} {
		require.Equal(t, want, Sensible(reason), "%q", reason)
	}
}
