package link

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/session/internal/peertext"
)

func FuzzRecord(f *testing.F) {
	all := []byte{}
	for _, b := range vectors(f) {
		f.Add(b)
		all = append(all, b...)
	}
	f.Add(all)
	f.Fuzz(func(t *testing.T, b []byte) {
		in, read := reader(bytes.NewReader(b)), []byte{}
		for {
			kind, payload, err := in.next()
			if err != nil {
				break
			}
			require.LessOrEqual(t, len(payload), MaxPayload)
			read = appendRecord(read, kind, payload)
		}
		require.True(t, bytes.HasPrefix(b, read), "what was read is what was there")
	})
}

func FuzzJoined(f *testing.F) {
	f.Add(vectors(f)["joined"][headerLen:])
	f.Add([]byte(`{"tla":"x","session":"` + vectorSession + `","nonce":7}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		j, err := decodeJoined(b)
		if err != nil {
			return
		}
		again, err := json.Marshal(j)
		require.NoError(t, err)
		k, err := decodeJoined(again)
		require.NoError(t, err)
		require.Equal(t, j, k)
	})
}

func FuzzNotice(f *testing.F) {
	f.Add(vectors(f)["notice-revoked"][headerLen:])
	f.Add([]byte(`{"code":"\u0000","text":"\ud800"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := decodeNotice(b)
		if err != nil {
			return
		}
		require.LessOrEqual(t, len([]rune(n.Text)), 300)
		require.Equal(t, n.Text, peertext.Clean(n.Text))
	})
}

func FuzzProblem(f *testing.F) {
	for code := range Statuses {
		w := httptest.NewRecorder()
		(&Problem{Code: code, Detail: "What is wrong.", Action: "What to do."}).WriteTo(w)
		f.Add(w.Code, w.Header().Get("Content-Type"), w.Body.Bytes())
	}
	f.Add(500, "text/html", []byte("<h1>Bad gateway</h1>"))
	f.Fuzz(func(t *testing.T, status int, kind string, body []byte) {
		resp := &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {kind}},
			Body: io.NopCloser(bytes.NewReader(body))}
		err := readProblem(resp)
		require.Error(t, err)
		if p, ok := errors.AsType[*Problem](err); ok {
			require.Equal(t, p.Detail, peertext.Clean(p.Detail))
		}
	})
}

func FuzzAuthorization(f *testing.F) {
	for _, v := range fields(f).Values("Authorization") {
		f.Add(v)
	}
	f.Add(`tlagate nonce="", session=""`)
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseAuthorization(s)
		if err == nil {
			require.Equal(t, s, a.String(), "only one way to write it")
		}
	})
}

func FuzzServerCert(f *testing.F) {
	f.Add(fields(f).Get(HeaderServerCert), fields(f).Get(HeaderServerCertChain))
	f.Add(":MAA=:", ":MAA=:, :MAA=:")
	f.Add("::", ":")
	f.Fuzz(func(t *testing.T, leaf, chain string) {
		header := http.Header{}
		header.Set(HeaderServerCert, leaf)
		header.Add(HeaderServerCertChain, chain)
		ders, err := ServerCert(header)
		if err != nil {
			return
		}
		require.GreaterOrEqual(t, len(ders), 2)
		again := http.Header{}
		again.Set(HeaderServerCert, encodeCert(ders[0]))
		for _, der := range ders[1:] {
			again.Add(HeaderServerCertChain, encodeCert(der))
		}
		same, err := ServerCert(again)
		require.NoError(t, err)
		require.Equal(t, ders, same)
	})
}
