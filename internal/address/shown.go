package address

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
)

var errUser = errors.New("there is a user or a password in it, and a configuration holds no secret: leave it out, " +
	"and have the server answer without")

// Fetched reads a URL from which something is fetched over HTTP, as URL does, and refuses a user and a password in it:
// log, metrics and errors name such URLs. A caller that quotes the text quotes what Shown returns.
func Fetched(text string) (*url.URL, error) {
	u, err := URL(text, "http", "https")
	if u != nil && u.User != nil {
		return nil, errUser
	}
	return u, err
}

const hidden = "…"

// Shown returns a URL, an address or a file's name without what may be a secret: the user and password of a URL, and
// the values in its query. Of a URL that cannot be read, it returns the scheme alone if it may have any of these.
func Shown(text string) string {
	scheme, rest, _ := strings.Cut(text, "://")
	user, _, at := strings.Cut(text, "@")
	switch {
	case IsURL(text) && !strings.ContainsAny(rest, "@?#"):
		return text
	case IsURL(text):
		if u, err := url.Parse(text); err == nil {
			return shownURL(u)
		}
		return scheme + "://" + hidden
	case at && strings.Contains(user, ":") && !strings.ContainsAny(user, `/\`): // a URL without its scheme
		return hidden + text[strings.LastIndex(text, "@"):]
	}
	return text
}

func shownURL(u *url.URL) string {
	text := u.Scheme + "://"
	if u.User != nil {
		text += hidden + "@"
	}
	text += u.Host + u.EscapedPath()
	if u.RawQuery != "" {
		text += "?" + shownQuery(u.RawQuery)
	}
	if u.Fragment != "" {
		text += "#" + hidden
	}
	return text
}

// shownQuery returns a query without its values.
func shownQuery(query string) string {
	parts := strings.Split(query, "&")
	for i, part := range parts {
		name, _, named := strings.Cut(part, "=")
		parts[i] = hidden
		if named {
			parts[i] = name + "=" + hidden
		}
	}
	return strings.Join(parts, "&")
}

// AllShown returns what Shown returns for each text of a list. Texts that differ only in what is hidden get a number,
// so that each has a name of its own, the same whenever the list is.
func AllShown(list []string) map[string]string {
	names, uses := map[string]string{}, map[string]int{}
	for _, text := range list {
		if _, done := names[text]; done {
			continue
		}
		name := Shown(text)
		if uses[name]++; uses[name] > 1 {
			name += " (" + strconv.Itoa(uses[name]) + ")"
		}
		names[text] = name
	}
	return names
}
