package revocation

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"tlagate/internal/files"
)

const (
	maxGET       = 255 // longest URL of a request by GET (RFC 5019 section 5)
	maxRedirects = 3   // followed in a row
)

// errStatus is an HTTP status other than 200.
type errStatus int

func (s errStatus) Error() string { return fmt.Sprintf("HTTP status %d", int(s)) }

// refused reports whether the responder may accept by another method what it did not accept by this one.
func (s errStatus) refused() bool {
	return s >= 400 && s < 500 && s != http.StatusTooManyRequests || s == http.StatusNotImplemented
}

// post sends a request by GET when the answer may come from a cache, else by POST (RFC 6960 appendix A). A responder
// that knows only POST is sent one after it has refused the GET.
func (t *ocspClient) post(ctx context.Context, where string, request []byte, fresh bool) ([]byte, error) {
	if get := getURL(where, request); !fresh && get != "" {
		data, err := t.exchange(ctx, http.MethodGet, get, nil)
		if status := errStatus(0); !errors.As(err, &status) || !status.refused() {
			return data, err
		}
	}
	return t.exchange(ctx, http.MethodPost, where, request)
}

// getURL returns the URL of a request by GET, or "" if the request cannot be sent that way.
func getURL(where string, request []byte) string {
	get := strings.TrimSuffix(where, "/") + "/" + url.QueryEscape(base64.StdEncoding.EncodeToString(request))
	if len(get) > maxGET || strings.Contains(where, "?") {
		return ""
	}
	return get
}

// exchange sends one request, and follows redirects with the same method and body: net/http would turn a POST that is
// answered by 301 or 302 into a GET without body, as browsers do.
func (t *ocspClient) exchange(ctx context.Context, method, where string, body []byte) ([]byte, error) {
	client := *t.cfg.HTTP
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for range maxRedirects + 1 {
		data, next, err := send(ctx, &client, method, where, body)
		if next == "" {
			return data, err
		}
		where = next
	}
	return nil, errors.New("too many redirects")
}

// send returns the answer, or where to ask instead.
func send(ctx context.Context, client *http.Client, method, where string, body []byte) ([]byte, string, error) {
	req, err := http.NewRequestWithContext(ctx, method, where, bytes.NewReader(body))
	if err != nil {
		return nil, "", err
	}
	req.Header.Set("Content-Type", "application/ocsp-request")
	req.Header.Set("Accept", "application/ocsp-response")
	resp, err := client.Do(req)
	if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
		err = wrapped.Err // the URL contains the whole request
	}
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	if next, err := resp.Location(); err == nil && keepsMethod(resp.StatusCode) {
		return nil, next.String(), nil
	}
	if resp.StatusCode != http.StatusOK {
		return nil, "", errStatus(resp.StatusCode)
	}
	data, err := files.ReadAll(resp.Body, -1, maxAnswer)
	return data, "", err
}

// keepsMethod reports whether a redirect is to be followed with the same method: all but 303, which asks for a GET of
// something else.
func keepsMethod(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}
