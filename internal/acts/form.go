package acts

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"
)

// HeaderKey has a key by which an act that is sent again is done once.
const HeaderKey = "Idempotency-Key"

const maxKey = 64 // octets

// Act is an act as it came: its body, and by what it is known again.
type Act struct {
	Body []byte
	key  string // "" = it has none
	path string // and method
}

// Receive reads an act, whose body has at most limit octets.
func Receive(w http.ResponseWriter, r *http.Request, limit int64) (*Act, *Problem) {
	if !isJSON(r.Header.Values("Content-Type")) {
		return nil, &Problem{Code: WrongType, Detail: "An act is sent as application/json.",
			Action: "Send Content-Type: application/json."}
	}
	keys := r.Header.Values(HeaderKey)
	if len(keys) > 1 || len(r.Header.Get(HeaderKey)) > maxKey {
		return nil, &Problem{Code: BadRequest, Detail: "Idempotency-Key is at most 64 octets, and one."}
	}
	body, p := readBody(w, r, limit)
	return &Act{Body: body, key: r.Header.Get(HeaderKey), path: r.Method + " " + r.URL.EscapedPath()}, p
}

// SameSite refuses a request that a web page of somebody else's may have caused: one that only looks leaves a line in
// the trace, too, by the name of whose browser it is. A browser cannot send JSON to another origin without asking
// first, which is never answered.
func SameSite(r *http.Request) *Problem {
	for _, site := range r.Header.Values("Sec-Fetch-Site") {
		if site != "same-origin" && site != "none" {
			return &Problem{Code: CrossSite, Detail: "This request was caused by a page of another site."}
		}
	}
	return nil
}

// Sensible reports whether a reason of an act can be kept and shown: it says something, in characters that can be
// printed. Others could be commands to the terminal of who reads it later, or turn its text around.
func Sensible(reason string) bool {
	return strings.TrimSpace(reason) != "" && utf8.ValidString(reason) && !strings.ContainsFunc(reason, unprintable)
}

func unprintable(r rune) bool { return !unicode.IsGraphic(r) }

func isJSON(types []string) bool {
	if len(types) != 1 {
		return false
	}
	kind, _, err := mime.ParseMediaType(types[0])
	return err == nil && kind == "application/json"
}

func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, *Problem) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if _, long := errors.AsType[*http.MaxBytesError](err); long {
		return nil, &Problem{Code: TooLarge, Detail: fmt.Sprintf("The body is longer than %d KiB.", limit>>10)}
	}
	if err != nil {
		return nil, &Problem{Code: BadRequest, Detail: "The body did not come whole, or not in time."}
	}
	return body, nil
}

// Decode reads one JSON object, with no member that is not known.
func Decode(body []byte, into any) *Problem {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return &Problem{Code: BadRequest, Detail: "The body is not the JSON that this act takes.",
			Action: "See openapi.yaml at this API."}
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return &Problem{Code: BadRequest, Detail: "Something follows the JSON of the body."}
	}
	return nil
}
