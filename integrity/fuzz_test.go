package integrity_test

import (
	"encoding/json"
	"encoding/pem"
	"path/filepath"
	"testing"

	"tlagate/integrity"
)

func pemOf(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// FuzzContent: any content is read or refused; what is read can be signed again, and lists clean paths in order.
func FuzzContent(f *testing.F) {
	b := newBed(f)
	good, err := json.Marshal(b.manifest(7))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"manifest":1,"name":"a","number":1,"made":"2026-01-02T03:04:05Z","files":[{"path":"/a","kind":"any"}]}`))
	f.Add([]byte(`{"manifest":1,"files":[{"path":"/a","kind":"link","to":"b","owner":"a:b"}]}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := integrity.Parse(text)
		if err != nil {
			return
		}
		last := ""
		for _, e := range m.Files {
			if !filepath.IsAbs(e.Path) || filepath.Clean(e.Path) != e.Path || e.Path <= last {
				t.Fatalf("%q after %q", e.Path, last)
			}
			last = e.Path
		}
	})
}

// FuzzManifest: any file is read or refused.
func FuzzManifest(f *testing.F) {
	b := newBed(f)
	f.Add(b.sign(b.manifest(7)))
	f.Add([]byte("garbage"))
	f.Fuzz(func(t *testing.T, der []byte) {
		if m, err := integrity.Read(der); err == nil && (len(m.Chain) == 0 || m.Manifest == nil) {
			t.Fatal("read without its signer")
		}
	})
}
