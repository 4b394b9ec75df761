package built

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// its are words that the list of each program has.
var its = map[string][]string{
	"tla-relay":   {"X25519MLKEM768", "session/consent", "HMAC-SHA-256"},
	"tla-gateway": {"X25519MLKEM768", "gateway", "session/ticket"},
	"tla-pdt":     {"X25519MLKEM768", "HMAC-SHA-256", "bundle"},
	"tla-pki":     {"X25519MLKEM768", "ca/backup", "SubjectKeyIdentifier"},
	"tla-ocsp":    {"SHA-1 (OCSP)", "PBES2", "ocsp"},
}

func TestMain(m *testing.M) {
	os.Exit(Run(m, "tla-relay", "tla-gateway", "tla-pdt", "tla-pki", "tla-ocsp"))
}

// TestG5AlgorithmsArePrinted: each program lists its part, as text, as JSON and in French.
func TestG5AlgorithmsArePrinted(t *testing.T) {
	for program, words := range its {
		for _, flags := range [][]string{nil, {"--json"}, {"--language", "fr"}} {
			out, err := exec.Command(program, append([]string{"algorithms"}, flags...)...).CombinedOutput()
			require.NoError(t, err, "%s %v: %s", program, flags, out)
			for _, word := range words {
				require.Contains(t, string(out), word, "%s %v", program, flags)
			}
		}
	}
}
