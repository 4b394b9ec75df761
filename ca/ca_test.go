package ca

import (
	"crypto"
	"database/sql"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/ca/store"
	"tlagate/pki"
)

// newCA makes a lab CA. It costs about 30 ms, so every test has its own.
func newCA(t *testing.T) *CA {
	dir := filepath.Join(t.TempDir(), "ca")
	require.NoError(t, Init(dir, InitConfig{}))
	return openCA(t, dir, Options{})
}

func openCA(t *testing.T, dir string, o Options) *CA {
	c, err := Open(dir, o)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

func identity(t *testing.T, urn string) pki.Identity {
	id, err := pki.ParseIdentity(urn)
	require.NoError(t, err)
	return id
}

func newKey(t *testing.T, kind KeyKind) crypto.Signer {
	key, err := GenerateKey(kind)
	require.NoError(t, err)
	return key
}

func requestFor(t *testing.T, key crypto.Signer) []byte {
	csr, err := NewCSR(key)
	require.NoError(t, err)
	return csr
}

const terminal = "urn:tlagate:cab1:tla:t1"

func issueTLA(t *testing.T, c *CA, urn string) *Issued {
	issued, err := c.Certificates.Issue(Request{Profile: "tla", Identity: identity(t, urn),
		CSR: requestFor(t, newKey(t, P256))})
	require.NoError(t, err)
	return issued
}

func TestInitLeavesNothingHalfDone(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "ca")
	err := Init(dir, InitConfig{IssuingKey: "p224"})
	require.ErrorContains(t, err, `cannot make a key of kind "p224"`)
	entries, err := os.ReadDir(parent)
	require.NoError(t, err)
	require.Empty(t, entries)
}

func TestInitOverwritesNothing(t *testing.T) {
	c := newCA(t)
	before := tree(t, c.dir)
	require.ErrorContains(t, Init(c.dir, InitConfig{}), "it exists and is not empty; nothing is overwritten")
	require.Equal(t, before, tree(t, c.dir))
}

func TestInitTakesAnEmptyDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ca")
	require.NoError(t, os.Mkdir(dir, 0o755))
	require.NoError(t, Init(dir, InitConfig{}))
	require.Equal(t, fs.FileMode(0o700), tree(t, dir)["."].Perm())
}

func TestInitTwiceAtOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ca")
	errs := make(chan error, 4)
	for range cap(errs) {
		go func() { errs <- Init(dir, InitConfig{}) }()
	}
	made := 0
	for range cap(errs) {
		if err := <-errs; err == nil {
			made++
		}
	}
	require.Equal(t, 1, made)
	issueTLA(t, openCA(t, dir, Options{}), terminal)
}

func TestOpenNeedsAFinishedCA(t *testing.T) {
	_, err := Open(t.TempDir(), Options{})
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, "make one with init")
}

// mine is a policy of nobody's lab: an arc for documents (RFC 5612).
const mine = "1.3.6.1.4.1.32473.1"

// TestInitTakesNamesOfCharacters: a name is as long as people count it, in a lab and for use.
func TestInitTakesNamesOfCharacters(t *testing.T) {
	for _, s := range []Settings{
		{Name: "TEST " + strings.Repeat("é", 43)},
		{Name: strings.Repeat("é", 48), URL: "http://pki.example.org", Policy: mine},
	} {
		dir := filepath.Join(t.TempDir(), "ca")
		require.NoError(t, Init(dir, InitConfig{Settings: s, RootKey: P256}))
		require.Equal(t, s.Name+" issuing CA", openCA(t, dir, Options{}).Issuing.Subject.CommonName)
	}
}

func TestInitRefusesSettings(t *testing.T) {
	cases := map[string]struct {
		settings Settings
		says     string
	}{
		"https URL":        {Settings{URL: "https://pki.example.org"}, "want http://"},
		"URL with a query": {Settings{URL: "http://pki.example.org/?a=b"}, "want http://HOST/PATH"},
		"URL of port 0":    {Settings{URL: "http://pki.example.org:0"}, "from 1 to 65535"},
		"policy":           {Settings{Policy: "2.x"}, "not an OID"},
		"long name":        {Settings{Name: strings.Repeat("n", 49)}, "not 1 to 48"},
		"long wide name":   {Settings{Name: strings.Repeat("é", 49)}, "not 1 to 48"},
		"no UTF-8":         {Settings{Name: "TEST \xff"}, "not 1 to 48"},
		"C1 control":       {Settings{Name: "TEST \u009b2J"}, "not 1 to 48"},
		"no URL":           {Settings{Name: "Cabinets", Policy: mine}, "--url"},
		"lab's URL":        {Settings{Name: "Cabinets", Policy: mine, URL: "http://pki.example.invalid"}, "--url"},
		"lab's responder": {Settings{Name: "Cabinets", Policy: mine, URL: "http://pki.example.org",
			OCSPURL: "http://pki.example.invalid/ocsp"}, "--url"},
		"lab's policy": {Settings{Name: "Cabinets", URL: "http://pki.example.org"}, "--policy"},
		"below the lab's": {Settings{Name: "Cabinets", URL: "http://pki.example.org", Policy: "2.999.7.1"},
			"--policy"},
		"escape in a name": {Settings{Name: "a\x1b[2J"}, "not 1 to 48"},
		"CRL period":       {Settings{CRLPeriod: Duration(25 * time.Hour)}, "want 1 min to 24 h"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			require.ErrorContains(t, Init(filepath.Join(t.TempDir(), "ca"), InitConfig{Settings: c.settings}), c.says)
		})
	}
}

func TestSP2KeysAreForTheirOwnerOnly(t *testing.T) {
	c := newCA(t)
	issueTLA(t, c, terminal)
	for name, mode := range tree(t, c.dir) {
		switch {
		case mode.IsDir():
			require.Equal(t, fs.FileMode(0o700), mode.Perm(), name)
		case strings.HasPrefix(name, "public/") || strings.HasSuffix(name, ".crt"):
			require.Equal(t, fs.FileMode(0o644), mode.Perm(), name)
		default:
			require.Equal(t, fs.FileMode(0o600), mode.Perm(), name)
		}
	}
	require.NoError(t, os.Chmod(filepath.Join(c.dir, "issuing", "issuing.key"), 0o640))
	_, err := c.Lists.PublishCRL()
	require.ErrorContains(t, err, "lets others at it")
}

func TestAForeignKeyIsNotUsed(t *testing.T) {
	c, other := newCA(t), newCA(t)
	for _, name := range []string{"issuing/issuing.key", "root/root.key"} {
		raw, err := os.ReadFile(filepath.Join(other.dir, name))
		require.NoError(t, err)
		require.NoError(t, Replace(filepath.Join(c.dir, name), raw, modeSecret))
	}
	_, err := c.Lists.PublishCRL()
	require.ErrorContains(t, err, "it is not the key of")
	_, err = c.Lists.PublishARL()
	require.ErrorContains(t, err, "it is not the key of")
}

// tree returns the mode of every file below dir.
func tree(t *testing.T, dir string) map[string]fs.FileMode {
	modes := map[string]fs.FileMode{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		name, _ := filepath.Rel(dir, path)
		modes[name] = info.Mode()
		return err
	}))
	return modes
}

// The offline root: everyday work without it, and a clear word where it is missed.
func TestRootMayBeAway(t *testing.T) {
	c := newCA(t)
	away := filepath.Join(t.TempDir(), "stick")
	require.NoError(t, os.Rename(filepath.Join(c.dir, "root"), away))
	c = openCA(t, c.dir, Options{})

	issued := issueTLA(t, c, terminal)
	_, err := c.Revocations.Revoke(Selection{Serial: issued.Serial}, 4)
	require.NoError(t, err)
	_, err = c.Lists.PublishCRL()
	require.NoError(t, err)

	_, err = c.Lists.PublishARL()
	require.ErrorContains(t, err, "bring the root's directory back for this")
	_, err = c.Revocations.Revoke(Selection{Certificate: c.Issuing}, store.CACompromise)
	require.ErrorContains(t, err, "bring the root's directory back for this")
	records, err := c.Find(store.FormatSerial(c.Issuing.SerialNumber))
	require.NoError(t, err)
	require.Equal(t, store.Good, records[0].Status)

	c = openCA(t, c.dir, Options{Root: away})
	_, err = c.Lists.PublishARL()
	require.NoError(t, err)
}

func TestOpensslAgrees(t *testing.T) {
	c := newCA(t)
	good, bad := issueTLA(t, c, terminal), issueTLA(t, c, "urn:tlagate:cab1:tla:t2")
	_, err := c.Revocations.Revoke(Selection{Serial: bad.Serial}, store.KeyCompromise)
	require.NoError(t, err)
	_, err = c.Lists.PublishCRL()
	require.NoError(t, err)

	out, err := opensslVerify(t, c, good)
	require.NoError(t, err, out)
	out, err = opensslVerify(t, c, bad)
	require.Error(t, err, out)
	require.Contains(t, out, "certificate revoked")
}

func opensslVerify(t *testing.T, c *CA, issued *Issued) (string, error) {
	file := filepath.Join(t.TempDir(), "leaf.crt")
	require.NoError(t, os.WriteFile(file, issued.Chain, 0o600))
	out, err := exec.Command("openssl", "verify", "-x509_strict", "-crl_check_all", "-purpose", "sslclient",
		"-CAfile", c.Public("root.crt"), "-untrusted", c.Public("issuing.crt"),
		"-CRLfile", c.Public("crl.pem"), "-CRLfile", c.Public("arl.pem"), file).CombinedOutput()
	return string(out), err
}

// booksOf opens the database beside the CA, as another program would.
func booksOf(t *testing.T, c *CA) *sql.DB {
	db, err := sql.Open("sqlite", "file:"+c.database()+"?_pragma=busy_timeout(10000)&_time_format=sqlite")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}
