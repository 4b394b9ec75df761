package link

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestStatusRoundTrip(t *testing.T) {
	big := bytes.Repeat([]byte{7}, 9000)
	pieces := []Status{{DER: []byte("an answer")}, {ARL: true, DER: []byte("an ARL")}, {DER: big},
		{ARL: true, DER: big}, {DER: nil}, {CRL: true, DER: []byte("a CRL")}}
	payloads, err := encodeStatus(pieces)
	require.NoError(t, err)
	require.Len(t, payloads, 2, "what does not fit goes into the next record")
	var got []Status
	for _, p := range payloads {
		require.LessOrEqual(t, len(p), maxStatus)
		part, err := decodeStatus(p)
		require.NoError(t, err)
		got = append(got, part...)
	}
	require.Len(t, got, len(pieces))
	for i, p := range pieces {
		require.Equal(t, [2]bool{p.ARL, p.CRL}, [2]bool{got[i].ARL, got[i].CRL})
		require.True(t, bytes.Equal(p.DER, got[i].DER))
	}
}

func TestStatusTooLongIsLeftOut(t *testing.T) {
	payloads, err := encodeStatus([]Status{{ARL: true, DER: make([]byte, maxStatus)}, {DER: []byte("x")}})
	require.ErrorContains(t, err, "16384")
	require.Len(t, payloads, 1)
	payloads, err = encodeStatus([]Status{{CRL: true, DER: make([]byte, MaxCRL+1)},
		{CRL: true, DER: make([]byte, MaxCRL)}})
	require.ErrorContains(t, err, "12289")
	require.Len(t, payloads, 1)
	_, err = decodeStatus(append([]byte{statusCRL, 0x30, 1}, make([]byte, MaxCRL+1)...))
	require.Error(t, err)
}

func TestStatusFraming(t *testing.T) {
	good := Status{ARL: true, DER: []byte("an ARL")}.append(Status{DER: []byte("an answer")}.append(nil))
	first := pieceHeaderLen + len("an answer")
	for n := 1; n < len(good); n++ {
		_, err := decodeStatus(good[:n])
		if n == first {
			require.NoError(t, err)
			continue
		}
		var broken *ProtocolError
		require.ErrorAs(t, err, &broken, "%d octets", n)
	}
	_, err := decodeStatus(make([]byte, maxStatus+1))
	require.Error(t, err)
	_, err = decodeStatus(bytes.Repeat([]byte{1, 0, 0}, maxPieces+1))
	require.Error(t, err)
	many, err := encodeStatus(make([]Status, maxPieces+1))
	require.NoError(t, err)
	require.Len(t, many, 2)
	pieces, err := decodeStatus(append([]byte{9, 0, 1, 0}, good...))
	require.NoError(t, err)
	require.Len(t, pieces, 2, "an unknown kind is passed over")
}

func FuzzStatus(f *testing.F) {
	f.Add(Status{ARL: true, DER: []byte("x")}.append(nil))
	f.Fuzz(func(t *testing.T, payload []byte) {
		pieces, err := decodeStatus(payload)
		if err == nil {
			_, err = encodeStatus(pieces)
			require.NoError(t, err)
		}
	})
}
