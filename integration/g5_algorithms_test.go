package integration

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/integration/world"
)

// algorithmWords are words that the list of each program has.
var algorithmWords = map[string][]string{
	"tla-relay":   {"X25519MLKEM768", "session/consent", "HMAC-SHA-256"},
	"tla-gateway": {"X25519MLKEM768", "gateway", "session/ticket"},
	"tla-pdt":     {"X25519MLKEM768", "HMAC-SHA-256", "bundle"},
	"tla-pki":     {"X25519MLKEM768", "ca/backup", "SubjectKeyIdentifier"},
	"tla-ocsp":    {"SHA-1 (OCSP)", "PBES2", "ocsp"},
}

// TestG5AlgorithmsArePrinted: each program lists its part, as text, as JSON and in French.
func TestG5AlgorithmsArePrinted(t *testing.T) {
	t.Parallel()
	for program, words := range algorithmWords {
		path, err := world.Binary(program)
		require.NoError(t, err)
		for _, flags := range [][]string{nil, {"--json"}, {"--language", "fr"}} {
			out, err := world.Run(patience, nil, path, append([]string{"algorithms"}, flags...)...)
			require.NoError(t, err, "%s %v", program, flags)
			for _, word := range words {
				require.Contains(t, out, word, "%s %v", program, flags)
			}
		}
	}
}
