package backup

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// sample returns an archive that is right, and its entries.
func sample(t testing.TB) (good []byte, entries map[string][]byte) {
	entries = map[string][]byte{"ca/ca.json": []byte("{}"), "ca/public/crl.der": {1, 2, 3}, sealName: {4}}
	m := Manifest{Format: format, Made: time.Unix(1, 0).UTC(), Key: KeyInside,
		Files: []File{{Path: "ca.json"}, {Path: "public/crl.der"}}}
	for i, file := range m.Files {
		sum := sumOf(entries[inside+file.Path])
		m.Files[i].Size, m.Files[i].SHA256 = int64(len(entries[inside+file.Path])), sum
	}
	text, err := json.Marshal(m)
	require.NoError(t, err)
	entries[manifestName] = text
	return tarOf(t, []string{"ca/ca.json", "ca/public/crl.der", manifestName, sealName}, entries), entries
}

func TestEveryTruncatedArchiveIsRefused(t *testing.T) {
	good, _ := sample(t)
	_, err := readArchive(bytes.NewReader(good), memory{}.keep)
	require.NoError(t, err)
	for n := range len(good) - 1024 - 511 { // tar does not need the padding at the end; that it was cut, age says
		_, err := readArchive(bytes.NewReader(good[:n]), memory{}.keep)
		require.Error(t, err, n)
	}
	_, err = readArchive(bytes.NewReader(append(good, 0)), memory{}.keep)
	require.ErrorContains(t, err, "something follows its end")
}

// Whatever is read of an archive, it is files with plain paths that add up to what the manifest names, once each.
func FuzzArchive(f *testing.F) {
	good, entries := sample(f)
	f.Add(good)
	f.Add(tarOf(f, []string{"ca/../x", manifestName, sealName}, entries))
	f.Add(tarOf(f, []string{manifestName, "ca/ca.json", sealName}, entries))
	f.Add(tarOf(f, []string{"ca/ca.json", "ca/ca.json", manifestName, sealName}, entries))
	f.Add(good[:700])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		seen := map[string]bool{}
		c, err := readArchive(bytes.NewReader(data), func(path string) (io.WriteCloser, error) {
			if checkPath(path) != nil || seen[path] {
				t.Fatalf("%q was let through", path)
			}
			seen[path] = true
			return memory{}.keep(path)
		})
		if err == nil && (len(seen) != len(c.Files) || c.Format != format || len(c.signature) > maxManifest) {
			t.Fatal("it does not add up")
		}
	})
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"format":1,"key":"inside","files":[{"path":"ca.json","size":2,"sha256":"00"}]}`))
	f.Add([]byte(`{"format":2,"key":"inside"}`))
	f.Add([]byte(`{"format":1,"key":"inside"}{}`))
	f.Add([]byte(`{"format":1,"key":"elsewhere","x":1}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := parseManifest(text)
		if err != nil {
			return
		}
		again, err := json.Marshal(m)
		if err != nil {
			return // a time that cannot be written
		}
		if _, err := parseManifest(again); err != nil || m.Format != format {
			t.Fatalf("accepted, and not when written again: %v", err)
		}
	})
}

func sumOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hexOf(sum[:])
}
