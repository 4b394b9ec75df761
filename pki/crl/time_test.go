package crl_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"tlagate/pki/crl"
)

// FuzzUTCTime: what our fast path reads, cryptobyte reads alike.
func FuzzUTCTime(f *testing.F) {
	for _, text := range []string{"491231235959Z", "500101000000Z", "240229120000Z", "250229120000Z", "250101240000Z",
		"250101006000Z",
		"251301000000Z", "250001000000Z", "250100000000Z", "2501010000Z", "250101000000+", "25010100000:Z", ""} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		if len(content) > 127 {
			return
		}
		if ours, theirs, oursOK, theirsOK := crl.UTCTimes(content); oursOK && (!theirsOK || !ours.Equal(theirs)) {
			t.Fatalf("%q: %v and %v (%v)", content, ours, theirs, theirsOK)
		}
	})
}

// Every time that a CA writes takes the fast path.
func TestUTCTimeShortWay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := time.Unix(rapid.Int64Range(-631152000, 2524607999).Draw(t, "at"), 0).UTC()
		ours, theirs, oursOK, theirsOK := crl.UTCTimes([]byte(at.Format("060102150405Z")))
		require.True(t, oursOK && theirsOK)
		require.Equal(t, at, ours)
		require.True(t, theirs.Equal(ours))
	})
}
