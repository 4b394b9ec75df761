package backup

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/stretchr/testify/require"

	"tlagate/ca"
	"tlagate/ca/store"
	"tlagate/internal/recipients"
	"tlagate/pki"
)

// bed is a CA, a key for backups, and a backup.
type bed struct {
	t    *testing.T
	dir  string
	ca   *ca.CA
	key  *age.HybridIdentity
	file string
}

func newBed(t *testing.T) *bed {
	b := &bed{t: t, dir: filepath.Join(t.TempDir(), "ca")}
	require.NoError(t, ca.Init(b.dir, ca.InitConfig{}))
	var err error
	b.ca, err = ca.Open(b.dir, ca.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { b.ca.Close() })
	b.key, err = age.GenerateHybridIdentity()
	require.NoError(t, err)
	return b
}

func (b *bed) make(change func(*Config)) Made {
	b.file = filepath.Join(b.t.TempDir(), "backup.age")
	cfg := Config{CA: b.ca, Dir: b.dir, To: b.file, Recipients: []age.Recipient{b.key.Recipient()}}
	if change != nil {
		change(&cfg)
	}
	made, err := Make(cfg)
	require.NoError(b.t, err)
	return made
}

func (b *bed) published() (out []ca.Published) {
	for _, name := range []string{"crl.der", "arl.der"} {
		data, err := os.ReadFile(b.ca.Public(name))
		require.NoError(b.t, err)
		out = append(out, ca.Published{Source: name, Data: data})
	}
	return out
}

func (b *bed) restore(identities ...age.Identity) (dir string, r Restored, err error) {
	dir = filepath.Join(b.t.TempDir(), "new")
	r, err = Restore(RestoreConfig{From: b.file, Dir: dir, Identities: identities, Published: b.published()})
	return dir, r, err
}

func TestSP2BackupAndRestore(t *testing.T) {
	b := newBed(t)
	require.NoError(t, os.MkdirAll(filepath.Join(b.dir, "audit"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(b.dir, "audit", "2026.log"), []byte("{}\n"), 0o600))
	head := store.Head{Gateway: "urn:tlagate:op:gateway:g1", Number: 7, Hash: "ab", Signed: "x", Certificate: []byte{1}}
	require.NoError(t, b.ca.Heads.Say(t.Context(), head, time.Hour))
	made := b.make(nil)
	require.Equal(t, KeyInside, made.Key)
	require.Equal(t, int64(1), made.CRL)
	require.Equal(t, int64(1), made.Certificates)
	raw, err := os.ReadFile(b.file)
	require.NoError(t, err)
	sum := sha256.Sum256(raw)
	require.Equal(t, hexOf(sum[:]), made.SHA256)
	require.Equal(t, int64(len(raw)), made.Size)
	require.NotContains(t, string(raw), "PRIVATE KEY")
	require.NotContains(t, string(raw), "TEST tlagate")

	m, err := Verify(b.file, []age.Identity{b.key})
	require.NoError(t, err)
	require.Equal(t, made.Manifest, m)

	dir, r, err := b.restore(b.key)
	require.NoError(t, err)
	require.Equal(t, made.Manifest, r.Manifest)
	c, err := ca.Open(dir, ca.Options{})
	require.NoError(t, err)
	defer c.Close()
	kept, err := c.Heads.Newest()
	require.NoError(t, err)
	require.Len(t, kept, 1, "SA2: what is known of the traces of gateways")
	_, err = c.Lists.PublishCRL()
	require.NoError(t, err)
	for _, name := range []string{"ca.json", "issuing/issuing.key", "public/root.crt", "audit/2026.log"} {
		same(t, b.dir, dir, name)
	}
	require.NoDirExists(t, filepath.Join(dir, "root"))
}

func same(t *testing.T, a, b, name string) {
	want, err := os.ReadFile(filepath.Join(a, name))
	require.NoError(t, err)
	got, err := os.ReadFile(filepath.Join(b, name))
	require.NoError(t, err)
	require.Equal(t, want, got, name)
}

func TestSP2BackupsAreForTheirOwnerOnly(t *testing.T) {
	b := newBed(t)
	b.make(nil)
	info, err := os.Stat(b.file)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode().Perm())
	left, err := filepath.Glob(filepath.Join(b.dir, ".*"))
	require.NoError(t, err)
	require.Empty(t, left, "no copy of the books stays behind")

	dir, _, err := b.restore(b.key)
	require.NoError(t, err)
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := d.Info()
		require.NoError(t, err)
		name, _ := filepath.Rel(dir, path)
		switch {
		case d.IsDir():
			require.Equal(t, fs.FileMode(0o700), info.Mode().Perm(), name)
		case strings.HasPrefix(name, "public/") || strings.HasSuffix(name, ".crt"):
			require.Equal(t, fs.FileMode(0o644), info.Mode().Perm(), name)
		default:
			require.Equal(t, fs.FileMode(0o600), info.Mode().Perm(), name)
		}
		return nil
	}))
}

func TestSP2TheRootStaysOutUnlessAskedFor(t *testing.T) {
	b := newBed(t)
	require.False(t, b.make(nil).WithRoot)
	made := b.make(func(c *Config) { c.Root = filepath.Join(b.dir, "root") })
	require.True(t, made.WithRoot)
	dir, _, err := b.restore(b.key)
	require.NoError(t, err)
	same(t, b.dir, dir, "root/root.key")

	_, err = Make(Config{CA: b.ca, Dir: b.dir, To: b.file + "2", Root: t.TempDir(),
		Recipients: []age.Recipient{b.key.Recipient()}})
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NoFileExists(t, b.file+"2")
}

func TestSP2AKeyInHardwareIsNotInTheBackup(t *testing.T) {
	b := newBed(t)
	file := filepath.Join(b.dir, "issuing", "issuing.key")
	key, err := os.ReadFile(file)
	require.NoError(t, err)
	var text bytes.Buffer
	a := &archive{out: tar.NewWriter(&text), manifest: &Manifest{Format: format, Key: KeyElsewhere, Made: time.Now()}}
	m := &maker{cfg: Config{CA: b.ca, Dir: b.dir}, archive: a}
	require.NoError(t, os.WriteFile(file, []byte("pkcs11: {token: ca}\n"), 0o600))
	require.NoError(t, m.files())
	require.Equal(t, KeyElsewhere, a.manifest.Key)
	require.NotContains(t, text.String(), "PRIVATE KEY")
	require.NoError(t, os.WriteFile(file, key, 0o600))
	require.NoError(t, m.files())
	require.Equal(t, KeyInside, a.manifest.Key)
}

func TestSP1AnAlteredBackupIsRefused(t *testing.T) {
	b := newBed(t)
	b.make(nil)
	whole, err := os.ReadFile(b.file)
	require.NoError(t, err)
	refused := func(name string, data []byte) {
		t.Helper()
		require.NoError(t, os.WriteFile(b.file, data, 0o600))
		_, err := Verify(b.file, []age.Identity{b.key})
		require.ErrorContains(t, err, "cannot use the backup", name)
		dir, _, err := b.restore(b.key)
		require.ErrorContains(t, err, "cannot restore the CA", name)
		require.NoDirExists(t, dir)
		left, err := os.ReadDir(filepath.Dir(dir))
		require.NoError(t, err)
		require.Empty(t, left, name)
	}
	for _, at := range []int{0, 40, 2000, len(whole) / 2, len(whole) - 1} {
		altered := bytes.Clone(whole)
		altered[at] ^= 1
		refused("altered", altered)
	}
	for _, n := range []int{0, 10, 2500, len(whole) / 2, len(whole) - 65536, len(whole) - 1} {
		refused("cut", whole[:n])
	}
	refused("longer", append(bytes.Clone(whole), 0))
}

func TestSP2AWrongKeyOpensNothing(t *testing.T) {
	b := newBed(t)
	b.make(nil)
	other, err := age.GenerateHybridIdentity()
	require.NoError(t, err)
	_, err = Verify(b.file, []age.Identity{other})
	require.ErrorContains(t, err, "the passphrase is wrong, or it is for another key")

	secret := "six words and some more"
	recipient, err := age.NewScryptRecipient(secret)
	require.NoError(t, err)
	recipient.SetWorkFactor(10)
	b.make(func(c *Config) { c.Recipients = []age.Recipient{recipient} })
	for text, ok := range map[string]bool{secret: true, secret + " ": false} {
		id, err := PassphraseIdentity(text)
		require.NoError(t, err)
		_, err = Verify(b.file, []age.Identity{id})
		require.Equal(t, ok, err == nil, err)
		if !ok {
			require.ErrorContains(t, err, "the passphrase is wrong")
			require.NotContains(t, err.Error(), secret)
		}
	}
	_, err = Passphrase("short")
	require.ErrorContains(t, err, "want 20 or more")
}

// Whoever knows the recipient can encrypt to it: a backup that the CA did not sign is refused all the same.
func TestSP1OnlyTheCASignsABackup(t *testing.T) {
	b, stranger := newBed(t), newBed(t)
	b.make(nil)
	entries := b.entries()
	strange := stranger.withKey(b.key).entries()
	changed := func(change func(map[string][]byte)) string {
		copied := map[string][]byte{}
		for name, data := range entries {
			copied[name] = data
		}
		change(copied)
		return b.forge(copied)
	}
	for name, test := range map[string]struct {
		file string
		says string
	}{
		"another book": {changed(func(e map[string][]byte) { e["ca/ca.db"] = strange["ca/ca.db"] }),
			"is not the one that its manifest names"},
		"another book, and a manifest that says so": {changed(func(e map[string][]byte) {
			e["ca/ca.db"] = strange["ca/ca.db"]
			e[manifestName] = remanifest(b.t, e)
		}), "it is not signed by the issuing CA"},
		"a file less":  {changed(func(e map[string][]byte) { delete(e, "ca/public/crl.der") }), "its manifest names"},
		"a file more":  {changed(func(e map[string][]byte) { e["ca/extra"] = []byte("x") }), "its manifest names"},
		"no manifest":  {changed(func(e map[string][]byte) { delete(e, manifestName) }), "does not belong there"},
		"no signature": {changed(func(e map[string][]byte) { delete(e, sealName) }), "it has no signed manifest"},
		"a way out": {changed(func(e map[string][]byte) { e["ca/../../../tmp/out"] = []byte("x") }),
			"whose path is not plain"},
		"a hidden file": {changed(func(e map[string][]byte) { e["ca/public/.htaccess"] = []byte("x") }),
			"begins with a dot"},
		"from the root": {changed(func(e map[string][]byte) { e["/etc/x"] = []byte("x") }), "does not belong there"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Verify(test.file, []age.Identity{b.key})
			require.ErrorContains(t, err, test.says)
			b.file = test.file
			dir, _, err := b.restore(b.key)
			require.ErrorContains(t, err, test.says)
			require.NoDirExists(t, dir)
		})
	}
	b.file = stranger.file // a whole other CA: its lists are not the world's
	_, _, err := b.restore(b.key)
	require.ErrorContains(t, err, "it is not of this CA")
}

// entries reads a backup without any check.
func (b *bed) entries() map[string][]byte {
	in, err := os.Open(b.file)
	require.NoError(b.t, err)
	defer in.Close()
	plain, err := age.Decrypt(in, b.key)
	require.NoError(b.t, err)
	out := map[string][]byte{}
	for r := tar.NewReader(plain); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		require.NoError(b.t, err)
		out[header.Name], err = io.ReadAll(r)
		require.NoError(b.t, err)
	}
}

func (b *bed) withKey(key *age.HybridIdentity) *bed {
	b.key = key
	b.make(nil)
	return b
}

// forge encrypts entries to the recipient, the right ones in the right order.
func (b *bed) forge(entries map[string][]byte) string {
	file := filepath.Join(b.t.TempDir(), "forged.age")
	out, err := os.Create(file)
	require.NoError(b.t, err)
	defer out.Close()
	sealed, err := age.Encrypt(out, b.key.Recipient())
	require.NoError(b.t, err)
	_, err = sealed.Write(tarOf(b.t, order(entries), entries))
	require.NoError(b.t, err)
	require.NoError(b.t, sealed.Close())
	return file
}

// order returns the names in the order of the manifest, others before it.
func order(entries map[string][]byte) (names []string) {
	var m Manifest
	_ = json.Unmarshal(entries[manifestName], &m)
	for _, f := range m.Files {
		names = append(names, inside+f.Path)
	}
	for name := range entries {
		if name != manifestName && name != sealName && !contains(names, name) {
			names = append(names, name)
		}
	}
	names = append(names, manifestName, sealName)
	var there []string
	for _, name := range names {
		if _, ok := entries[name]; ok {
			there = append(there, name)
		}
	}
	return there
}

func contains(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

func remanifest(t *testing.T, entries map[string][]byte) []byte {
	var m Manifest
	require.NoError(t, json.Unmarshal(entries[manifestName], &m))
	for i, f := range m.Files {
		data := entries[inside+f.Path]
		sum := sha256.Sum256(data)
		m.Files[i].Size, m.Files[i].SHA256 = int64(len(data)), hexOf(sum[:])
	}
	text, err := json.Marshal(m)
	require.NoError(t, err)
	return text
}

func tarOf(t testing.TB, names []string, entries map[string][]byte) []byte {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, name := range names {
		require.NoError(t, w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(entries[name])),
			Mode: 0o600}))
		_, err := w.Write(entries[name])
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return out.Bytes()
}

func TestNothingIsOverwritten(t *testing.T) {
	b := newBed(t)
	b.make(nil)
	_, err := Make(Config{CA: b.ca, Dir: b.dir, To: b.file, Recipients: []age.Recipient{b.key.Recipient()}})
	require.ErrorIs(t, err, fs.ErrExist)
	full := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(full, "x"), nil, 0o600))
	_, err = Restore(RestoreConfig{From: b.file, Dir: full, Identities: []age.Identity{b.key},
		Published: b.published()})
	require.ErrorContains(t, err, "it exists and is not empty; nothing is overwritten")
}

func TestBackupRefusesLinks(t *testing.T) {
	b := newBed(t)
	require.NoError(t, os.Symlink("/etc/passwd", filepath.Join(b.dir, "public", "link")))
	_, err := Make(Config{CA: b.ca, Dir: b.dir, To: filepath.Join(t.TempDir(), "x"),
		Recipients: []age.Recipient{b.key.Recipient()}})
	require.ErrorContains(t, err, "it is no plain file")
}

// Backups are made while others revoke and publish: each is of one moment, and restores.
func TestBackupOfACAInUse(t *testing.T) {
	b := newBed(t)
	stop, done := make(chan struct{}), make(chan error)
	go func() {
		defer close(done)
		other, err := ca.Open(b.dir, ca.Options{})
		if err != nil {
			done <- err
			return
		}
		defer other.Close()
		for {
			select {
			case <-stop:
				return
			default:
			}
			if err := churn(other); err != nil {
				done <- err
				return
			}
		}
	}()
	for range 5 {
		b.make(nil)
		dir := filepath.Join(t.TempDir(), "new")
		_, err := Restore(RestoreConfig{From: b.file, Dir: dir, Identities: []age.Identity{b.key}, AcceptLoss: true})
		require.NoError(t, err)
	}
	close(stop)
	require.NoError(t, <-done)
}

func churn(c *ca.CA) error {
	key, err := ca.GenerateKey(ca.P256)
	if err != nil {
		return err
	}
	csr, err := ca.NewCSR(key)
	if err != nil {
		return err
	}
	id, err := pki.ParseIdentity("urn:tlagate:cab1:tla:t1")
	if err != nil {
		return err
	}
	issued, err := c.Certificates.Issue(ca.Request{Profile: "tla", Identity: id, CSR: csr})
	if err != nil {
		return err
	}
	if _, err := c.Revocations.Revoke(ca.Selection{Serial: issued.Serial}, 4); err != nil {
		return err
	}
	_, err = c.Lists.PublishCRL()
	return err
}

func TestSP2KeysForBackups(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	require.NoError(t, NewKey(file))
	require.ErrorIs(t, NewKey(file), fs.ErrExist)
	ids, err := Identities(file)
	require.NoError(t, err)
	require.IsType(t, &age.HybridIdentity{}, ids[0])
	to, err := recipients.Parse([]string{file + ".pub"})
	require.NoError(t, err)
	require.Len(t, to, 1)
	x25519, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	to, err = recipients.Parse([]string{x25519.Recipient().String()})
	require.NoError(t, err)
	require.Len(t, to, 1)

	_, err = recipients.Parse([]string{file})
	require.Error(t, err)
	require.NotContains(t, err.Error(), "SECRET")
	require.NoError(t, os.Chmod(file, 0o640))
	_, err = Identities(file)
	require.ErrorContains(t, err, "others can read it")
}
