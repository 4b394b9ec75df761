package link

import (
	"fmt"
	"net/http"
	"regexp"
	"runtime"
)

// The programs that have an outer link, as Software names them.
const (
	ProgramRelay = "tla-relay"
	ProgramPdT   = "tla-pdt"
)

// Software is what a device says of the program that asks (docs/protocol.md, section 1.6). It is a claim: it proves
// nothing. The zero Software stands for a device that says nothing.
type Software struct {
	Program string // ProgramRelay or ProgramPdT
	Version string // at most 64 octets of ASCII
	OS      string // as Go names it: linux, windows …
	Arch    string // likewise: amd64, arm64 …
}

var software = regexp.MustCompile(`^(` + ProgramRelay + `|` + ProgramPdT + `)/([0-9A-Za-z][0-9A-Za-z.+~-]{0,63}) ` +
	`\(([0-9a-z]{1,16}); ([0-9a-z]{1,16})\)$`)

// Ours returns what this program says of itself: its version may be anything, and what the field does not take of it
// is left out.
func Ours(program, version string) Software {
	version = leading.ReplaceAllString(unsayable.ReplaceAllString(version, ""), "")
	return Software{program, version[:min(len(version), 64)], runtime.GOOS, runtime.GOARCH}
}

var (
	unsayable = regexp.MustCompile(`[^0-9A-Za-z.+~-]`)
	leading   = regexp.MustCompile(`^[.+~-]+`)
)

// String returns the value of the field Tlagate-Client.
func (s Software) String() string {
	if s == (Software{}) {
		return ""
	}
	return fmt.Sprintf("%s/%s (%s; %s)", s.Program, s.Version, s.OS, s.Arch)
}

// SoftwareOf returns what a request says of the program that made it; zero when it says nothing that can be read.
func SoftwareOf(h http.Header) Software {
	m := software.FindStringSubmatch(sole(h, HeaderClient))
	if m == nil {
		return Software{}
	}
	return Software{m[1], m[2], m[3], m[4]}
}

var instance = regexp.MustCompile(`^[0-9a-f]{32}$`)

// InstanceOf returns the process that a request says it comes from, 16 octets in hex; "" when it says nothing that can
// be read.
func InstanceOf(h http.Header) string {
	if text := sole(h, HeaderInstance); instance.MatchString(text) {
		return text
	}
	return ""
}

// sole returns the value of a field that is there once, else "".
func sole(h http.Header, name string) string {
	if all := h.Values(name); len(all) == 1 {
		return all[0]
	}
	return ""
}
