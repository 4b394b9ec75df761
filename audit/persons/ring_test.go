package persons

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"filippo.io/age/armor"
	"github.com/stretchr/testify/require"

	"tlagate/keys"
)

const doctor = "899700000017"

var now = time.Date(2026, 12, 1, 8, 0, 0, 0, time.UTC)

// officer makes the key of a security officer.
func officer(t testing.TB) (*age.HybridIdentity, string) {
	t.Helper()
	key, err := age.GenerateHybridIdentity()
	require.NoError(t, err)
	return key, key.Recipient().String()
}

func classical(t testing.TB) (*age.X25519Identity, string) {
	t.Helper()
	key, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	return key, key.Recipient().String()
}

func ring(t testing.TB, officers ...string) *Ring {
	t.Helper()
	r, err := New(officers, now)
	require.NoError(t, err)
	return r
}

// TestSA2PersonsMark: a mark is the HMAC that docs/audit.md names, the same each time; whom it is about, each officer
// reads, and nobody else.
func TestSA2PersonsMark(t *testing.T) {
	first, one := classical(t)
	second, two := classical(t)
	stranger, _ := classical(t)
	r := ring(t, one, two)
	mark, err := r.Mark(doctor)
	require.NoError(t, err)
	again, err := r.Mark(doctor)
	require.NoError(t, err)
	require.Equal(t, mark.Person, again.Person)
	require.NotEqual(t, mark.Sealed, again.Sealed)
	h := hmac.New(sha256.New, r.keys[0].Secret)
	io.WriteString(h, "tlagate person\n"+doctor)
	require.Equal(t, hex.EncodeToString(h.Sum(nil)[:16]), mark.Person)
	other, err := r.Mark("899700000025")
	require.NoError(t, err)
	require.NotEqual(t, mark.Person, other.Person)
	require.NotContains(t, mark.Sealed+mark.Person, doctor)

	for _, key := range []age.Identity{first, second} {
		id, err := Officer{key}.Resolve(mark.Sealed)
		require.NoError(t, err)
		require.Equal(t, doctor, id)
	}
	_, err = Officer{stranger}.Resolve(mark.Sealed)
	require.ErrorContains(t, err, "is this the key of an officer")
	for _, damaged := range []string{"", "x", mark.Sealed[:len(mark.Sealed)-4], mark.Sealed + "AAAA"} {
		_, err := Officer{second}.Resolve(damaged)
		require.Error(t, err)
	}
}

// TestSA2PersonsMarkShowsNoLength: what is sealed has one length for all.
func TestSA2PersonsMarkShowsNoLength(t *testing.T) {
	key, to := classical(t)
	r := ring(t, to)
	lengths := map[int]bool{}
	for _, id := range []string{"1", doctor, strings.Repeat("8", maxID)} {
		mark, err := r.Mark(id)
		require.NoError(t, err)
		lengths[len(mark.Sealed)] = true
		got, err := Officer{key}.Resolve(mark.Sealed)
		require.NoError(t, err)
		require.Equal(t, id, got)
	}
	require.Len(t, lengths, 1)
	for _, id := range []string{"", strings.Repeat("8", maxID+1)} {
		_, err := r.Mark(id)
		require.ErrorContains(t, err, "cannot mark a person")
		require.NotContains(t, err.Error(), "888")
	}
}

// TestSA2PersonKeyIsChangedAndKept: after a change, lines of both keys are found, until the old one is 13 months out of
// use; a person has another mark then.
func TestSA2PersonKeyIsChangedAndKept(t *testing.T) {
	_, to := classical(t)
	first := ring(t, to)
	year := now.Add(366 * 24 * time.Hour)
	require.Equal(t, year, first.Due())
	second, err := first.Renew(nil, year)
	require.NoError(t, err)
	require.Equal(t, first.Officers(), second.Officers())
	before, err := first.Mark(doctor)
	require.NoError(t, err)
	after, err := second.Mark(doctor)
	require.NoError(t, err)
	require.NotEqual(t, before.Person, after.Person)

	end := year.AddDate(0, 13, 0)
	require.Equal(t, []string{after.Person, before.Person}, second.Marks(doctor, end.Add(-time.Second)))
	require.Equal(t, []string{after.Person}, second.Marks(doctor, end))
	kept := second.Keys(year)
	require.Equal(t, []Kept{{second.keys[0].name(), year, time.Time{}}, {first.keys[0].name(), now, end}}, kept)
	third, err := second.Renew(nil, end)
	require.NoError(t, err)
	require.Len(t, third.keys, 2, "the first is thrown away")
}

// TestSA2PersonKeyOnDisk: it is encrypted under the wrapping key, whole or refused, and says nothing of itself.
func TestSA2PersonKeyOnDisk(t *testing.T) {
	_, to := classical(t)
	r := ring(t, to)
	dir := t.TempDir()
	wrap, file := filepath.Join(dir, "wrap"), filepath.Join(dir, "person.key")
	require.NoError(t, os.WriteFile(wrap, bytes.Repeat([]byte("w"), 48), 0o600))
	c := keys.Config{WrappingKey: wrap}
	require.NoError(t, r.Save(file, c))
	require.NoError(t, r.Save(file, c), "in place of the one before")
	again, err := Open(file, c)
	require.NoError(t, err)
	require.Equal(t, r.keys, again.keys)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Contains(t, string(text), "ENCRYPTED TLAGATE SECRET")
	_, err = Open(file, keys.Config{})
	require.ErrorContains(t, err, "wrapping_key must name the secret")
	require.NoError(t, os.WriteFile(wrap, bytes.Repeat([]byte("x"), 48), 0o600))
	_, err = Open(file, c)
	require.Error(t, err)

	require.NoError(t, r.Save(file, keys.Config{}))
	_, err = Open(file, c)
	require.ErrorContains(t, err, "it is not encrypted")
	_, err = Open(file, keys.Config{})
	require.NoError(t, err)
}

// TestSA2PersonKeyDamaged: no octet of a key can be another, and no error quotes any.
func TestSA2PersonKeyDamaged(t *testing.T) {
	_, to := classical(t)
	data, err := ring(t, to).Marshal()
	require.NoError(t, err)
	secret := string(data[bytes.Index(data, []byte(`"secret"`)):])
	for i := range data {
		changed := bytes.Clone(data)
		changed[i] ^= 2
		if r, err := Parse(changed); err != nil {
			require.NotContains(t, err.Error(), secret[10:20])
		} else {
			require.Equal(t, r.keys[0].name(), r.keys[0].Check)
		}
	}
	for i := range data {
		_, err := Parse(data[:i])
		require.True(t, err != nil || i == len(data)-1, "cut at %d", i)
	}
	_, err = New(nil, now)
	require.ErrorContains(t, err, "names no officer")
}

// TestSA2PersonKeyCopy: an officer's key opens the copy, which is a ring for another gateway: both give one mark.
func TestSA2PersonKeyCopy(t *testing.T) {
	key, to := officer(t)
	r := ring(t, to)
	sealed, err := r.Copy()
	require.NoError(t, err)
	opened, err := age.Decrypt(armor.NewReader(bytes.NewReader(sealed)), key)
	require.NoError(t, err)
	data, err := io.ReadAll(opened)
	require.NoError(t, err)
	other, err := Parse(data)
	require.NoError(t, err)
	ours, err := r.Mark(doctor)
	require.NoError(t, err)
	theirs, err := other.Mark(doctor)
	require.NoError(t, err)
	require.Equal(t, ours.Person, theirs.Person)
}

// TestSA2PersonKeyForTooManyOfficers: what would not fit into a line is refused when the key is made.
func TestSA2PersonKeyForTooManyOfficers(t *testing.T) {
	var many []string
	for range 5 {
		_, to := officer(t)
		many = append(many, to)
	}
	_, err := New(many, now)
	require.ErrorContains(t, err, "name fewer")
	_ = ring(t, many[:2]...)
}

func FuzzParse(f *testing.F) {
	_, to := classical(f)
	data, err := ring(f, to).Marshal()
	require.NoError(f, err)
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := Parse(data)
		if err != nil {
			return
		}
		_, err = r.Mark(doctor)
		require.NoError(t, err)
	})
}
