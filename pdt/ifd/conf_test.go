package ifd

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write deploy/examples/reader.conf")

// installed are the readers of a Poste de Travail as packages install it.
var installed = []Entry{
	{Name: "tlagate Vitale", Socket: "/run/tla-pdt/readers.sock", Owner: "tla-pdt", Slot: 0},
	{Name: "tlagate CPS", Socket: "/run/tla-pdt/readers.sock", Owner: "tla-pdt", Slot: 1},
}

func TestReaderConfIsTheInstalledOne(t *testing.T) {
	path := filepath.Join("..", "..", "deploy", "examples", "reader.conf")
	if *update {
		require.NoError(t, os.WriteFile(path, ReaderConf(installed), 0o644))
	}
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(ReaderConf(installed)), string(text))
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "driver.md"))
	require.NoError(t, err)
	_, entries, _ := strings.Cut(string(text), "\n\n")
	require.Contains(t, string(page), "```text\n"+entries+"```")
}

// TestReaderConfKeepsPlaces: whatever becomes of an entry, those after it stay where they are.
func TestReaderConfKeepsPlaces(t *testing.T) {
	for _, e := range []Entry{
		{Name: "tlagate Vitale", Placeholder: true},
		{Name: "tlagate\"\nLIBPATH /tmp/x", Socket: "/s", Owner: "root"},
		{Name: "tlagate Vitale", Socket: "/s", Owner: "root\n"},
		{Name: "tlagate Vitale", Socket: "/a b", Owner: "root"},
		{Name: "tlagate Vitale", Socket: "/a/../b", Owner: "root"},
		{Name: "tlagate Vitale", Socket: "/s", Owner: "root", Slot: 10},
	} {
		text := string(ReaderConf([]Entry{e, installed[1]}))
		require.Equal(t, 2, strings.Count(text, "\nFRIENDLYNAME \"tlagate"), text)
		require.Equal(t, 2, strings.Count(text, "\nLIBPATH "+Library+"\n"), text)
		require.Contains(t, text, "\nDEVICENAME ifd:none\n")
		require.Contains(t, text, "\nDEVICENAME ifd:1:tla-pdt:/run/tla-pdt/readers.sock\n")
		require.Equal(t, e.Placeholder, e.Check() == nil)
	}
}

func TestEntriesOfAPCSCD(t *testing.T) {
	var many []Entry
	for i := range MostEntries {
		many = append(many, Entry{Name: fmt.Sprintf("tlagate %d", i), Placeholder: true})
	}
	require.NoError(t, CheckEntries(many))
	require.ErrorContains(t, CheckEntries(append(many, many[0])), "cannot have 17 readers in one pcscd")
}

// TestC1NoReaderIsOverlooked: what tla-pdt reads of its own file is all that pcscd reads of it.
func TestC1NoReaderIsOverlooked(t *testing.T) {
	whole := string(ReaderConf(installed))
	_, bare, _ := strings.Cut(whole, "\n\n")
	for _, good := range []string{whole, bare, "# mine\n" + bare + "\n# more\n"} {
		entries, err := ReadEntries([]byte(good))
		require.NoError(t, err, good)
		require.Equal(t, installed, entries)
	}
	const other = "FRIENDLYNAME \"Other\"\nLIBPATH /l/other.so\nCHANNELID 0x1\n"
	for _, bad := range []string{other + whole, " " + other + whole, whole + "\n\t" + other,
		whole + "\n" + strings.Replace(other, " ", "\t", 1), whole + "LIBPATH /l/other.so\n",
		strings.Replace(whole, "CHANNELID 0x1", "CHANNELID 0x0", 1)} {
		_, err := ReadEntries([]byte(bad))
		require.ErrorContains(t, err, "cannot understand", bad)
	}
}
