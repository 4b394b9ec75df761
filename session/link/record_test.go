package link

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// vectors reads testdata/records.txt.
func vectors(t testing.TB) map[string][]byte {
	text, err := os.ReadFile("testdata/records.txt")
	require.NoError(t, err)
	found := map[string][]byte{}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if fields[0] == "#" {
			continue
		}
		for _, part := range fields[1:] {
			found[fields[0]] = append(found[fields[0]], octets(t, part)...)
		}
	}
	require.Len(t, found, 13)
	return found
}

// octets reads hex; "xx*n" is n times xx.
func octets(t testing.TB, s string) []byte {
	digits, times, repeated := strings.Cut(s, "*")
	b, err := hex.DecodeString(digits)
	require.NoError(t, err, s)
	if !repeated {
		return b
	}
	n, err := strconv.Atoi(times)
	require.NoError(t, err, s)
	return bytes.Repeat(b, n)
}

func reader(r io.Reader) *recordReader { return &recordReader{r: bufio.NewReader(r)} }

func TestRecordVectors(t *testing.T) {
	for name, b := range vectors(t) {
		t.Run(name, func(t *testing.T) {
			in := reader(bytes.NewReader(b))
			kind, payload, err := in.next()
			require.NoError(t, err)
			require.Equal(t, b, appendRecord(nil, kind, payload), "round trip")
			_, _, err = in.next()
			require.Equal(t, io.EOF, err, "nothing left over")
		})
	}
}

func TestTruncatedRecordsAreRefused(t *testing.T) {
	for name, b := range vectors(t) {
		for n := range b {
			_, _, err := reader(bytes.NewReader(b[:n])).next()
			want := io.ErrUnexpectedEOF
			if n == 0 {
				want = io.EOF
			}
			require.Equal(t, want, err, "%s truncated to %d octets", name, n)
		}
	}
}

// What this package writes is what the vectors say.
func TestMessagesMatchVectors(t *testing.T) {
	v := vectors(t)
	for name, c := range map[string]struct {
		kind    Type
		message any
	}{
		"joined": {TypeJoined, Joined{TLA: "urn:tlagate:cab1:tla:t1", Session: vectorSession,
			Generation: 1, Nonce: vectorNonce, Consent: "c.s"}},
		"joined-proof": {TypeJoined, Joined{TLA: "urn:tlagate:cab1:tla:t1", Session: vectorSession,
			Generation: 1, Nonce: vectorNonce, Consent: "c.s", Proof: "p.s.c"}},
		"joined-again": {TypeJoined, Joined{TLA: "urn:tlagate:cab1:tla:t1", Session: vectorSession, Generation: 2}},
		"notice-revoked": {TypeNotice, Notice{Code: CodeRevoked,
			Text: "The certificate of urn:tlagate:cab1:tla:t1 is revoked."}},
		"notice-incident": {TypeNotice, Notice{CodePeerGone, "The link of the terminal is gone.", "K7M2"}},
	} {
		payload, err := json.Marshal(c.message)
		require.NoError(t, err)
		require.Equal(t, v[name], appendRecord(nil, c.kind, payload), name)
	}
}

const (
	vectorSession = "00112233445566778899aabbccddeeff"
	vectorNonce   = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
)

func TestRecordsRefused(t *testing.T) {
	for name, b := range map[string][]byte{
		"type 0":           {0, 0, 0},
		"type 9":           {9, 0, 0},
		"type 255":         {255, 0, 0},
		"one too long":     {2, 0x42, 0x01},
		"longest possible": {2, 0xff, 0xff},
		"ping of 7":        {4, 0, 7, 1, 2, 3, 4, 5, 6, 7},
		"ping of 9":        {4, 0, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9},
		"empty pong":       {5, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := reader(bytes.NewReader(b)).next()
			var broken *ProtocolError
			require.ErrorAs(t, err, &broken)
		})
	}
}

// A deadline in the middle of a record loses nothing.
func TestReaderGoesOnAfterATimeout(t *testing.T) {
	for name, b := range vectors(t) {
		in := reader(iotest.TimeoutReader(iotest.OneByteReader(bytes.NewReader(b))))
		var err error
		for range 2 {
			var kind Type
			var payload []byte
			if kind, payload, err = in.next(); err == nil {
				require.Equal(t, b, appendRecord(nil, kind, payload), name)
				break
			}
			require.ErrorIs(t, err, iotest.ErrTimeout)
		}
		require.NoError(t, err, name)
	}
}

func TestMessagesRefused(t *testing.T) {
	for name, payload := range map[string]string{
		"empty":            ``,
		"not JSON":         `{`,
		"no TLA":           `{"session":"` + vectorSession + `"}`,
		"no session":       `{"tla":"urn:tlagate:cab1:tla:t1"}`,
		"session in words": `{"tla":"urn:tlagate:cab1:tla:t1","session":"today"}`,
		"upper-case":       `{"tla":"urn:tlagate:cab1:tla:t1","session":"` + strings.ToUpper(vectorSession) + `"}`,
		"array":            `[]`,
	} {
		_, err := decodeJoined([]byte(payload))
		require.Error(t, err, name)
	}
	_, err := decodeNotice([]byte(`"stop"`))
	require.Error(t, err)
}

func TestSentencesOfAPeerAreFitForALog(t *testing.T) {
	n, err := decodeNotice([]byte(`{"code":"x\ny","text":"a\u001b[2Jb\u202ec\u0085d"}`))
	require.NoError(t, err)
	require.Equal(t, Notice{Code: "x y", Text: "a [2Jb c d"}, *n)
	n, err = decodeNotice([]byte(`{"code":"x","text":"` + strings.Repeat("é", 400) + `"}`))
	require.NoError(t, err)
	require.Equal(t, strings.Repeat("é", 300), n.Text)
}
