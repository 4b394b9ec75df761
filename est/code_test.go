package est

import (
	"crypto/x509"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"tlagate/pki/pkitest"
)

// A code of zeros and ones, worked out by hand from docs/enrolment.md.
func TestCodeVector(t *testing.T) {
	c := Code{}
	for i := range c.anchor {
		c.anchor[i] = 0xff
	}
	text := c.Text()
	// 0001 1111 1…: the first character is 00011 = 3, then 128-1 ones in all, and 80 zeros.
	require.Equal(t, "3ZZZZ-ZZZZZ-ZZZZZ-ZZZZZ-ZZZZZ-ZR000-00000-00000-00", text[:len(text)-3])
	back, err := ParseCode(text)
	require.NoError(t, err)
	require.Equal(t, c, back)
}

func TestCodeNamesItsAnchorAlone(t *testing.T) {
	one, other := pkitest.New(t), pkitest.New(t)
	c := NewCode(one.Root.Cert)
	require.True(t, c.Names(one.Root.Cert))
	require.False(t, c.Names(other.Root.Cert))
	require.NotEqual(t, c, NewCode(one.Root.Cert), "each has a secret of its own")
	require.NotContains(t, fmt.Sprintf("%v %+v %#v %s", c, c, c, []Code{c}), c.Text()[:5])
}

func TestCodeIsReadAsTyped(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Code{
			anchor: [anchorHashSize]byte(rapid.SliceOfN(rapid.Byte(), anchorHashSize, anchorHashSize).Draw(t,
				"anchor")),
			secret: [secretSize]byte(rapid.SliceOfN(rapid.Byte(), secretSize, secretSize).Draw(t, "secret")),
		}
		text := c.Text()
		sloppy := strings.NewReplacer("0", "o", "1", "l", "-", " ").Replace(strings.ToLower(text))
		for _, typed := range []string{text, sloppy, "  " + strings.ReplaceAll(text, "-", "") + "\n"} {
			back, err := ParseCode(typed)
			if err != nil || back != c {
				t.Fatal("not read back")
			}
		}
	})
}

// One wrong character, or two neighbours in the wrong order, is found but for 1 in 8192.
func TestMistypedCodeIsRefused(t *testing.T) {
	digits := []byte(strings.ReplaceAll(Code{anchor: [anchorHashSize]byte{1, 2, 3},
		secret: [secretSize]byte{4, 5, 6}}.Text(), "-", ""))
	passed := 0
	for i := range digits {
		for _, other := range []byte(alphabet) {
			if wrong := append(append([]byte{}, digits[:i]...), other); other != digits[i] {
				_, err := ParseCode(string(append(wrong, digits[i+1:]...)))
				if err == nil {
					passed++
				}
			}
		}
	}
	require.Less(t, passed, 3, "of %d", 45*31)
	for _, text := range []string{"", "3", string(digits[1:]), string(digits) + "0", strings.Repeat("U", 45),
		strings.Repeat("é", 45), strings.Repeat("-", 1<<20)} {
		_, err := ParseCode(text)
		require.Error(t, err)
	}
}

func FuzzParseCode(f *testing.F) {
	f.Add(NewCode(&x509.Certificate{RawSubjectPublicKeyInfo: []byte("key")}).Text())
	f.Add("3ZZZZ-ZZZZZ-ZZZZZ-ZZZZZ-ZZZZZ-ZR000-00000-00000-00000")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseCode(text)
		if err != nil {
			return
		}
		again, err := ParseCode(c.Text())
		if err != nil || again != c {
			t.Fatal("what was read is not written as it was read")
		}
	})
}
