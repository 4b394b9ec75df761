package gateway

import (
	"crypto/fips140"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/bundle"
	"tlagate/internal/again"
	"tlagate/session/link"
)

// TestC2RGSIsDemandedOfDevices: a gateway with crypto: rgs sends away a device that offered more, with a sentence, and
// no other. It tells such a device who it is, and gives it the bundle that may bring crypto: rgs.
func TestC2RGSIsDemandedOfDevices(t *testing.T) {
	var dir string
	r := start(t, shelved(&dir, false), strictly)
	r.given(tla1, r.offer(dir, "t1.p7m", tla1, 7, 0))
	refused := !fips140.Enabled() // ours without it offers ChaCha20, whatever the groups
	resp, body := request(t, r.as(tla1), "GET", link.PathWhoami, nil)
	require.Equal(t, http.StatusOK, resp.StatusCode, "%s", body)
	require.Contains(t, string(body), `"crypto":"rgs"`)
	resp, body = request(t, r.as(tla1), "GET", link.PathOpen+"?pdt=p1", nil)
	require.Equal(t, refused, codeOf(t, resp, body) == link.ProblemNotRGS, "%s", body)
	_, err := r.tryPark(r.pdt(pdt1), unhurried)
	require.Equal(t, refused, err != nil, "%v", err)
	if refused {
		require.Equal(t, http.StatusForbidden, resp.StatusCode)
		require.ErrorContains(t, err, "demands crypto: rgs")
		r.logged("request refused", "reason", "not_rgs")
	}
}

// TestC2RGSUnderFIPS140: with Go's FIPS 140 mode, which crypto: rgs turns on, ours are let in.
func TestC2RGSUnderFIPS140(t *testing.T) {
	again.Run(t, again.FIPS, "TestC2RGSIsDemandedOfDevices")
}

// TestC2RGSBundleFirst: a device with an old bundle is sent for the new one, which may bring it.
func TestC2RGSBundleFirst(t *testing.T) {
	var dir string
	r := start(t, shelved(&dir, false), strictly)
	r.given(tla1, r.offer(dir, "t1.p7m", tla1, 7, 5))
	resp, body := request(t, r.as(tla1), "GET", link.PathOpen+"?pdt=p1", http.Header{bundle.HeaderBundle: {"4"}})
	require.Equal(t, link.ProblemBundleOutdated, codeOf(t, resp, body))
}
