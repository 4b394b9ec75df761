package host

import (
	"strings"
	"testing"
)

// FuzzPackages: any list of dpkg is read or refused, and no name is empty.
func FuzzPackages(f *testing.F) {
	f.Add("Package: a\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n\n")
	f.Add("Package: a\nStatus: install ok installed\nPackage: b\n : \n\nVersion: 2")
	f.Add("\n\n::\n")
	f.Add("Status:0 0 0\nPackage::")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := parsePackages(strings.NewReader(text))
		if err != nil && list != nil {
			t.Fatal("an error with a list")
		}
		for name, version := range list {
			if strings.LastIndex(name, ":") < 1 || version == "" || strings.ContainsAny(name+version, "\n\r") {
				t.Fatalf("%q %q", name, version)
			}
		}
	})
}
