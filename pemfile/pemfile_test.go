package pemfile_test

import (
	"bytes"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/pemfile"
)

const (
	good = "-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n"
	two  = "-----BEGIN CERTIFICATE-----\nb25l\n-----END CERTIFICATE-----\n" +
		"-----BEGIN CERTIFICATE-----\ndHdv\n-----END CERTIFICATE-----\n"
	unread  = `the block "CERTIFICATE" cannot be read: `
	endless = `the block "CERTIFICATE" that begins there has no END`
	label   = "it begins no PEM block, but nearly so"
)

// long is a block with lines as long as those of real ones.
var long = block("CERTIFICATE", strings.Repeat("TEST octets 0123", 8))

func block(kind, content string) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: []byte(content)}))
}

// A text is read whole, whatever text is between its blocks.
func TestBlocksReadsAllOrNothing(t *testing.T) {
	for name, text := range map[string]string{
		"two": two,
		"text beside them": "O = Week-End, CN = THE END\n" + strings.Replace(two, "\n-----BEGIN",
			"\nBag\n-----BEGIN", 1) + "END\n",
		"CRLF":                   strings.ReplaceAll(two, "\n", "\r\n"),
		"no newline at its end":  strings.TrimSpace(two),
		"spaces at a line's end": strings.ReplaceAll(two, "-----\n", "----- \t\n"),
		"blank lines in a block": strings.ReplaceAll(two, "dHdv", "dH\n\ndv"),
		"comments that are no boundaries": "-- end of the list --\n" +
			"---- Begin ----\n# --- end of certificates ---\n" +
			"GlobalSign Root CA\nSHA256=" + strings.Repeat("0123abcd", 8) + "\n" +
			strings.Repeat("=", 64) + "\n" + strings.Repeat("0123abcd", 8) +
			"\n" + two +
			"    00:d3:b2:78:1f:e5:a4:0c:11:72:01:b5:cc:c1:4f:fd:61:90\nfriendlyName: " + "Caf\xe9\n",
		"blank lines around them": "\n\n" + strings.ReplaceAll(two, "-----\n-----", "-----\n\n-----") + "\n\n",
	} {
		blocks, err := pemfile.Read([]byte(text), "CERTIFICATE")
		require.NoError(t, err, name)
		require.Len(t, blocks, 2, name)
		require.Equal(t, "one", string(blocks[0].Bytes), name)
		require.Equal(t, "two", string(blocks[1].Bytes), name)
		require.ErrorContains(t, blocks[1].At(os.ErrInvalid), "line ", name)
	}
}

// What would silently have removed a block is an error that names the line and says what to do.
func TestReadRefusesWhatIsNotWhole(t *testing.T) {
	for name, c := range map[string]struct{ text, says string }{
		"empty":                       {"", "it is empty"},
		"no block":                    {"hello\n", "no line is -----BEGIN CERTIFICATE-----"},
		"byte order mark":             {"\ufeff" + good, "line 1: it begins with a byte order mark"},
		"byte order mark further on":  {good + "\ufeff" + good, "line 4: it begins with a byte order mark"},
		"byte order mark, text after": {"\ufeff# ours\n" + good, "line 1: it begins with a byte order mark"},
		"UTF-16":                      {"\xff\xfe-\x00-\x00-\x00", "it is UTF-16 text: save it as UTF-8"},
		"UTF-16, big end first":       {"\xfe\xff\x00-\x00-", "it is UTF-16 text"},
		"UTF-16 without its mark":     {"-\x00-\x00-\x00-\x00", "it is UTF-16 text"},
		"binary after it":             {good + "\x00\x01", "line 4: it has a NUL octet"},
		"one bad character": {good + strings.Replace(good, "AQID", "A*ID", 1), "line 4: " + unread +
			"line 5 is no base64"},
		"one character less":         {strings.Replace(good, "AQID", "AQI", 1), "line 1: " + unread + "line 2"},
		"cut in the block":           {good + good[:35], "line 4: " + endless},
		"cut in the END":             {good + good[:len(good)-6], "line 4: " + endless},
		"cut in the BEGIN":           {good + good[:20], "line 4: " + label},
		"another begins within":      {good[:33] + good, "line 1: " + endless},
		"another's END":              {strings.Replace(good, "END C", "END D", 1), "line 1: the block"},
		"something after the END":    {strings.TrimSpace(good) + "x\n" + good, "line 1: the block"},
		"two on one line":            {strings.TrimSpace(good) + good, "line 1: the block"},
		"indented":                   {good + "  " + good, "line 4: " + label},
		"commented out":              {"#" + good, "line 1: it begins no PEM block"},
		"a dash too few":             {good[1:], "line 1: it begins no PEM block"},
		"dashes of a word processor": {"—–" + strings.TrimPrefix(good, "-----"), "line 1: it begins no PEM block"},
		"an END alone": {good + "-----END CERTIFICATE-----\n",
			"line 4: a block ends that was not begun"},
		"CR alone": {strings.ReplaceAll(good, "\n", "\r"), "line 1: it begins no PEM block"},
		"no label": {"-----BEGIN -----\n-----END -----\n", "line 1: it begins no PEM block"},
		"both boundaries in small letters": {good + strings.NewReplacer("BEGIN CERTIFICATE", "begin certificate",
			"END CERTIFICATE", "end certificate").Replace(good), "line 4: it begins no PEM block"},
		"both boundaries half small": {good + strings.NewReplacer("BEGIN", "Begin", "END", "End").Replace(good),
			"line 4: it begins no PEM block"},
		"a no-break space behind the dashes": {good + strings.ReplaceAll(good, "-----BEGIN", "-----\u00a0BEGIN"),
			"line 4: it begins no PEM block"},
		"a zero-width space behind the dashes": {good + strings.ReplaceAll(good, "-----BEGIN", "-----\u200bBEGIN"),
			"line 4: it begins no PEM block"},
		"both boundaries misspelt": {long + strings.NewReplacer("BEGIN", "BEGN", "END", "EN").Replace(long),
			"line 7: it is the content of a PEM block that begins nowhere"},
		"no boundaries": {long + strings.Join(strings.Split(long, "\n")[1:4], "\r\n"),
			"line 6: it is the content of a PEM block that begins nowhere"},
		"on one line":                {long + "MIIB" + strings.Repeat("b25l", 200), "line 6: it is the content"},
		"binary without a NUL after": {good + "\x30\x82\x01\x02abc", "line 4: it has a control character"},
		"another kind":               {good + block("X509 CRL", "x"), `line 4: it holds a PEM block "X509 CRL"`},
		"trusted certificate":        {block("TRUSTED CERTIFICATE", "x"), "line 1: it holds a PEM block"},
		"private key":                {good + block("EC PRIVATE KEY", "secret"), "line 4: it holds a private key"},
	} {
		_, err := pemfile.Read([]byte(c.text), "CERTIFICATE")
		require.ErrorContains(t, err, c.says, name)
		require.NotContains(t, err.Error(), "secret", name)
		require.NotContains(t, err.Error(), "A*ID", name)
	}
}

func TestReadTakesDER(t *testing.T) {
	for _, der := range []string{"\x30\x82\x00\x04----", "\x30\x03\x0a\x01\x06"} {
		blocks, err := pemfile.Read([]byte(der), "X509 CRL")
		require.NoError(t, err)
		require.Len(t, blocks, 1)
		require.Equal(t, der, string(blocks[0].Bytes))
		require.Equal(t, os.ErrInvalid, blocks[0].At(os.ErrInvalid), "DER has no lines")
	}
	for _, text := range []string{"0", "0\n", "00\n11\n", "0\x82"[:1] + "x"} {
		_, err := pemfile.Read([]byte(text), "X509 CRL")
		require.ErrorContains(t, err, "neither DER nor PEM", "%q", text)
	}
}

func TestOne(t *testing.T) {
	der, err := pemfile.One([]byte("text\n"+good), "CERTIFICATE")
	require.NoError(t, err)
	require.Equal(t, []byte{1, 2, 3}, der)
	_, err = pemfile.One([]byte(good+good), "CERTIFICATE")
	require.ErrorContains(t, err, "line 4: a second PEM block begins")
}

// Inputs from real use.
func TestReadRefusesTheDamagedFilesOfRealUse(t *testing.T) {
	for file, c := range map[string]struct{ kind, says string }{
		"crl-bom-then-arl.pem":      {"X509 CRL", "line 1: it begins with a byte order mark"},
		"anchors-bom.pem":           {"CERTIFICATE", "line 1: it begins with a byte order mark"},
		"anchors-first-damaged.pem": {"CERTIFICATE", "line 1: " + unread + "line 2 is no base64"},
	} {
		text, err := os.ReadFile(filepath.Join("testdata", file))
		require.NoError(t, err)
		_, err = pemfile.Read(text, c.kind)
		require.ErrorContains(t, err, c.says, file)
	}
}

func FuzzBlocks(f *testing.F) {
	seeds, err := filepath.Glob("testdata/*.pem")
	require.NoError(f, err)
	require.NotEmpty(f, seeds)
	for _, file := range seeds {
		text, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(text)
		f.Add(bytes.TrimPrefix(text, []byte("\ufeff")))
	}
	f.Add([]byte("x-----BEGINF"))
	f.Add([]byte(good + "text\n" + strings.ReplaceAll(good, "\n", "\r\n")))
	f.Add([]byte(block("PRIVATE KEY", "") + "-----BEGIN X-----\nProc-Type: 4,ENCRYPTED\n\nAQID\n-----END X-----"))
	f.Fuzz(func(t *testing.T, text []byte) {
		blocks, err := pemfile.Blocks(text)
		if err != nil {
			require.Empty(t, blocks)
			require.NotContains(t, err.Error(), "\n")
			return
		}
		require.Equal(t, bytes.Count(text, []byte("-----BEGIN")), len(blocks), "each BEGIN is a block")
		for b, rest := pem.Decode(text); b != nil; b, rest = pem.Decode(rest) {
			require.NotEmpty(t, blocks)
			require.Equal(t, b, blocks[0].Block)
			require.True(t, bytes.HasPrefix(bytes.Split(text, []byte("\n"))[blocks[0].Line-1], []byte("-----BEGIN ")))
			blocks = blocks[1:]
		}
		require.Empty(t, blocks, "encoding/pem reads the same")
	})
}
