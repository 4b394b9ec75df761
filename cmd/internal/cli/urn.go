package cli

import "strings"

// WholeURN returns an identity, or a pattern of several, with the beginning that all have. People may leave it out, as
// tables do: cabinet-a:tla:valise.
func WholeURN(name string) string {
	if strings.HasPrefix(name, "urn:") || !strings.Contains(name, ":") {
		return name
	}
	return "urn:tlagate:" + name
}
