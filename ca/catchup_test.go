package ca

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/ca/store"
)

// olderBooks returns the CA as it was when the copy was made, with the public lists of then: what a restore begins
// with.
func olderBooks(t *testing.T, c *CA) (copyNow func() *CA) {
	dir := filepath.Join(t.TempDir(), "restored")
	require.NoError(t, os.CopyFS(dir, os.DirFS(c.dir)))
	require.NoError(t, os.Remove(filepath.Join(dir, "ca.db")))
	_, err := c.CopyBooks(filepath.Join(dir, "ca.db"))
	require.NoError(t, err)
	for _, key := range []string{"issuing/issuing.key", "root/root.key", "audit.jsonl", "audit.jsonl.head"} {
		require.NoError(t, os.Chmod(filepath.Join(dir, key), 0o600))
	}
	return func() *CA { return openCA(t, dir, Options{Clock: c.time}) }
}

func lists(t *testing.T, c *CA) (out []Published) {
	for _, name := range []string{"crl.der", "arl.pem"} {
		data, err := os.ReadFile(c.Public(name))
		require.NoError(t, err)
		out = append(out, Published{name, data})
	}
	return out
}

func revokeAndPublish(t *testing.T, c *CA, which Selection, reason store.Reason) *List {
	_, err := c.Revocations.Revoke(which, reason)
	require.NoError(t, err)
	list, err := c.Lists.PublishCRL()
	require.NoError(t, err)
	return list
}

func refuses(t *testing.T, c *CA, issued *Issued) {
	t.Helper()
	out, err := opensslVerify(t, c, issued)
	require.Error(t, err, out)
	require.Contains(t, out, "certificate revoked")
}

// The whole point: nobody revoked becomes good by a restore, and revoking works afterwards.
func TestSP2RestoredBooksForgetNoRevocation(t *testing.T) {
	c := newCA(t)
	before, held := issueTLA(t, c, terminal), issueTLA(t, c, "urn:tlagate:cab1:tla:t2")
	other, final := issueTLA(t, c, "urn:tlagate:cab1:tla:t3"), issueTLA(t, c, "urn:tlagate:cab1:tla:t6")
	revokeAndPublish(t, c, Selection{Serial: held.Serial}, store.Hold)
	revokeAndPublish(t, c, Selection{Serial: final.Serial}, store.Hold)
	restored := olderBooks(t, c)

	after := issueTLA(t, c, "urn:tlagate:cab1:tla:t4")
	revokeAndPublish(t, c, Selection{Serial: before.Serial}, store.KeyCompromise)
	revokeAndPublish(t, c, Selection{Serial: after.Serial}, 4)
	revokeAndPublish(t, c, Selection{Serial: final.Serial}, 9)
	_, err := c.Revocations.Release(Selection{Serial: held.Serial})
	require.NoError(t, err)
	last, err := c.Lists.PublishCRL()
	require.NoError(t, err)
	world, lastEvent := lists(t, c), lastOf(t, c)

	c = restored()
	caught, err := c.Recovery.CatchUp(world, false)
	require.NoError(t, err)
	require.Equal(t, 2, caught.Revoked, "one is revoked, one no longer just on hold")
	require.Equal(t, 1, caught.Lost)
	require.Len(t, caught.Held, 1)
	require.Equal(t, held.Serial, caught.Held[0].Serial)
	require.Greater(t, lastOf(t, c), lastEvent+store.LeapEvent/2)

	list, err := c.Lists.PublishCRL()
	require.NoError(t, err)
	require.Greater(t, list.Number, last.Number)
	for _, issued := range []*Issued{before, after, held, final} {
		refuses(t, c, issued)
	}
	out, err := opensslVerify(t, c, other)
	require.NoError(t, err, out)

	next := revokeAndPublish(t, c, Selection{Identity: other.Identity}, store.KeyCompromise)
	require.Equal(t, list.Number+1, next.Number)
	refuses(t, c, other)
	refuses(t, c, after)
	_, err = c.Revocations.Release(Selection{Serial: held.Serial})
	require.NoError(t, err)
	_, err = c.Lists.PublishCRL()
	require.NoError(t, err)
	_, err = c.Revocations.Release(Selection{Serial: final.Serial})
	require.ErrorContains(t, err, "for good (privilegeWithdrawn)")
}

// A gateway asks for the events after the last one it saw: those must say what the books have learnt from the lists.
func TestC2EventsGoOnAfterARestore(t *testing.T) {
	c := newCA(t)
	a := issueTLA(t, c, terminal)
	restored := olderBooks(t, c)
	b := issueTLA(t, c, "urn:tlagate:cab1:tla:t2")
	revokeAndPublish(t, c, Selection{Serial: a.Serial}, store.KeyCompromise)
	revokeAndPublish(t, c, Selection{Serial: b.Serial}, store.KeyCompromise)
	seen, world := lastOf(t, c), lists(t, c)

	c = restored()
	_, err := c.Recovery.CatchUp(world, false)
	require.NoError(t, err)
	events, err := c.Events()
	require.NoError(t, err)
	defer events.Close()
	told, err := events.After(context.Background(), seen, 100)
	require.NoError(t, err)
	serials := map[string]bool{}
	for _, e := range told {
		if e.Kind == store.EventRevoked {
			serials[store.FormatSerial(e.Serial)] = true
		}
	}
	require.Equal(t, map[string]bool{a.Serial: true, b.Serial: true}, serials)
}

func lastOf(t *testing.T, c *CA) int64 {
	at, err := c.Standing()
	require.NoError(t, err)
	return at.Event
}

// The list that was signed after the books were copied, and before the lists were, counts though nobody gives it.
func TestSP2TheListInTheCopyCounts(t *testing.T) {
	c := newCA(t)
	issued := issueTLA(t, c, terminal)
	restored := olderBooks(t, c)
	revokeAndPublish(t, c, Selection{Serial: issued.Serial}, store.KeyCompromise)
	der, err := os.ReadFile(c.Public("crl.der"))
	require.NoError(t, err)

	c = restored()
	require.NoError(t, Replace(c.Public("crl.der"), der, modePublic))
	caught, err := c.Recovery.CatchUp(nil, true)
	require.NoError(t, err)
	require.Equal(t, 1, caught.Revoked)
	require.Len(t, caught.Gaps, 2)
	_, err = c.Lists.PublishCRL()
	require.NoError(t, err)
	refuses(t, c, issued)
}

func TestSP2CatchUpFailsClosed(t *testing.T) {
	c, stranger := newCA(t), newCA(t)
	old := lists(t, c)
	_, err := c.Lists.PublishCRL()
	require.NoError(t, err)
	restored := olderBooks(t, c)
	world, foreign := lists(t, c), lists(t, stranger)
	later := func() time.Time { return time.Now().Add(100 * time.Hour) }
	earlier := func() time.Time { return time.Now().Add(-time.Hour) }
	for name, test := range map[string]struct {
		given  []Published
		clock  func() time.Time
		says   string
		anyway bool // acceptLoss makes it work
	}{
		"nothing":       {nil, nil, "the published CRL is not given\nthe published ARL is not given", true},
		"no ARL":        {world[:1], nil, "the published ARL is not given", true},
		"no CRL":        {world[1:], nil, "the published CRL is not given", true},
		"an older CRL":  {[]Published{old[0], world[1]}, nil, "has number 1 and is of ", true},
		"a stale CRL":   {world, later, "ended at ", true},
		"a foreign CRL": {[]Published{foreign[0], world[1]}, nil, "it is not of this CA", false},
		"no list":       {[]Published{{"x", []byte("hello")}, world[1]}, nil, "cannot use the published list x", false},
		"a wrong clock": {world, earlier, "set the clock", false},
	} {
		t.Run(name, func(t *testing.T) {
			c := restored()
			if test.clock != nil {
				c.time = test.clock
			}
			before, err := c.Standing()
			require.NoError(t, err)
			_, err = c.Recovery.CatchUp(test.given, false)
			require.ErrorContains(t, err, test.says)
			after, err := c.Standing()
			require.NoError(t, err)
			require.Equal(t, before, after, "nothing has changed")
			if !test.anyway {
				_, err = c.Recovery.CatchUp(test.given, true)
				require.ErrorContains(t, err, test.says)
			}
		})
	}
}

// The leap is no list: restored books can be restored again with the same lists.
func TestRestoredTwice(t *testing.T) {
	c := newCA(t)
	world := lists(t, c)
	for range 3 {
		caught, err := c.Recovery.CatchUp(world, false)
		require.NoError(t, err)
		require.Empty(t, caught.Gaps)
		c = olderBooks(t, c)()
	}
	list, err := c.Lists.PublishCRL()
	require.NoError(t, err)
	require.Equal(t, int64(3*store.LeapNumber+2), list.Number)
}

// A revoked issuing CA stays revoked, and the root's list goes on above the published one.
func TestSP2ARevokedIssuingCAStaysRevoked(t *testing.T) {
	c := newCA(t)
	restored := olderBooks(t, c)
	_, err := c.Revocations.Revoke(Selection{Certificate: c.Issuing}, store.CACompromise)
	require.NoError(t, err)
	last, err := c.Lists.PublishARL()
	require.NoError(t, err)
	world := lists(t, c)

	c = restored()
	caught, err := c.Recovery.CatchUp(world, false)
	require.NoError(t, err)
	require.Equal(t, 1, caught.Revoked)
	_, err = c.Certificates.Issue(Request{Profile: "tla", Identity: identity(t, terminal),
		CSR: requestFor(t, newKey(t, P256))})
	require.ErrorContains(t, err, "the issuing CA was revoked")
	next, err := c.Lists.PublishARL()
	require.NoError(t, err)
	require.Greater(t, next.Number, last.Number)
	require.Equal(t, 1, next.Entries)
}

// A code that was used after the copy was made must not work again.
func TestSP2CodesEndWithARestore(t *testing.T) {
	c := newCA(t)
	_, err := booksOf(t, c).Exec(`CREATE TABLE IF NOT EXISTS invitations (
		id integer PRIMARY KEY AUTOINCREMENT, secret_hash blob NOT NULL UNIQUE,
		identity text NOT NULL, dns text NOT NULL, made_at timestamp NOT NULL, made_by text NOT NULL,
		expiry timestamp NOT NULL,
		used_at timestamp, withdrawn_at timestamp)`)
	require.NoError(t, err)
	now := time.Now().UTC()
	_, err = booksOf(t, c).Exec(
		`INSERT INTO invitations (secret_hash, identity, dns, made_at, made_by, expiry)
			VALUES ('x', ?, '[]', ?, 'me', ?)`,
		terminal, now, now.Add(time.Hour))
	require.NoError(t, err)
	_, err = c.Recovery.CatchUp(lists(t, c), false)
	require.NoError(t, err)
	var open int
	require.NoError(t,
		booksOf(t, c).QueryRow(`SELECT count(*) FROM invitations WHERE withdrawn_at IS NULL`).Scan(&open))
	require.Zero(t, open)
}

func TestAdopt(t *testing.T) {
	c := newCA(t)
	restored := olderBooks(t, c)
	tla := issueTLA(t, c, terminal)
	pdt, err := c.Certificates.Issue(Request{Profile: "pdt-server", Identity: identity(t, "urn:tlagate:cab1:pdt:p1"),
		DNS: []string{"p.example.org"}, CSR: requestFor(t, newKey(t, P384))})
	require.NoError(t, err)
	ocsp, err := c.Certificates.Issue(Request{Profile: "ocsp", Identity: identity(t, "urn:tlagate:op:ocsp:o1"),
		CSR: requestFor(t, newKey(t, P256))})
	require.NoError(t, err)
	gone := issueTLA(t, c, "urn:tlagate:cab1:tla:t2")
	revokeAndPublish(t, c, Selection{Serial: gone.Serial}, store.KeyCompromise)
	world := lists(t, c)

	old := c
	c = restored()
	_, err = c.Recovery.CatchUp(world, false)
	require.NoError(t, err)
	_, err = c.Revocations.Revoke(Selection{Certificate: tla.Certificate}, store.KeyCompromise)
	require.ErrorContains(t, err, "cannot find")
	for _, issued := range []*Issued{tla, pdt, ocsp, gone} {
		adopted, err := c.Recovery.Adopt(issued.Certificate)
		require.NoError(t, err)
		want, err := old.Find(issued.Serial)
		require.NoError(t, err)
		require.Equal(t, want[0].Profile, adopted.Profile)
		require.Equal(t, want[0].Identity, adopted.Identity)
		require.Equal(t, want[0].Names, adopted.Names)
		require.Equal(t, want[0].Status, adopted.Status, "who is revoked stays so")
		require.Equal(t, want[0].PEM, adopted.PEM)
		require.True(t, want[0].NotAfter.Equal(adopted.NotAfter))
		_, err = c.Recovery.Adopt(issued.Certificate)
		require.ErrorContains(t, err, "the books have it")
	}
	revokeAndPublish(t, c, Selection{Certificate: tla.Certificate}, store.KeyCompromise)
	refuses(t, c, tla)
	refuses(t, c, gone)

	_, err = c.Recovery.Adopt(c.Issuing)
	require.ErrorContains(t, err, "it is not one that this issuing CA signed")
	_, err = c.Recovery.Adopt(issueTLA(t, newCA(t), terminal).Certificate)
	require.ErrorContains(t, err, "it is not one that this issuing CA signed")
}

func TestRevokeLost(t *testing.T) {
	c := newCA(t)
	restored := olderBooks(t, c)
	lost := issueTLA(t, c, terminal)
	c = restored()
	require.NoError(t, c.Recovery.RevokeLost(lost.Serial, store.KeyCompromise))
	require.ErrorIs(t, c.Recovery.RevokeLost(lost.Serial, store.KeyCompromise), store.ErrRevoked)
	require.ErrorContains(t, c.Recovery.RevokeLost("xyz", store.KeyCompromise), "is not a serial number")
	list, err := c.Lists.PublishCRL()
	require.NoError(t, err)
	require.Equal(t, 1, list.Entries)
	refuses(t, c, lost)
	all, err := c.List()
	require.NoError(t, err)
	require.Equal(t, "lost", all[len(all)-1].Profile)
}

func TestSP2SelfCheck(t *testing.T) {
	c, other := newCA(t), newCA(t)
	require.NoError(t, c.SelfCheck())
	for file, says := range map[string]string{
		"issuing/issuing.key": "it is not the key of", "root/root.key": "it is not the key of",
		"public/issuing.cer": "it is not the certificate of", "public/crl.der": "cannot use",
	} {
		right, err := os.ReadFile(filepath.Join(c.dir, file))
		require.NoError(t, err)
		wrong, err := os.ReadFile(filepath.Join(other.dir, file))
		require.NoError(t, err)
		require.NoError(t, Replace(filepath.Join(c.dir, file), wrong, modeSecret))
		require.ErrorContains(t, c.SelfCheck(), says, file)
		require.NoError(t, Replace(filepath.Join(c.dir, file), right, modeSecret))
	}
	require.NoError(t, c.SelfCheck())
	require.NoError(t, Replace(filepath.Join(c.dir, "issuing/issuing.key"), []byte("pkcs11: elsewhere\n"), modeSecret))
	require.NoError(t, c.SelfCheck(), "a key that is elsewhere is left alone")
}

func TestVouch(t *testing.T) {
	for _, kind := range []KeyKind{P256, P384, RSA3072} {
		dir := filepath.Join(t.TempDir(), "ca")
		require.NoError(t, Init(dir, InitConfig{IssuingKey: kind}))
		c := openCA(t, dir, Options{})
		signature, err := c.Vouch([]byte("statement"))
		require.NoError(t, err)
		require.NoError(t, CheckVouched(c.Issuing, []byte("statement"), signature))
		require.Error(t, CheckVouched(c.Issuing, []byte("statements"), signature))
		require.Error(t, CheckVouched(c.Root, []byte("statement"), signature))
	}
}
