package api

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
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
