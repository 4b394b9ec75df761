package tlagate_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// linked returns the targets of a page's links, without URLs.
func linked(t *testing.T, page string) (targets []string) {
	t.Helper()
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	for _, m := range regexp.MustCompile(`\]\(([^)\s]+)\)`).FindAllStringSubmatch(string(text), -1) {
		if !strings.Contains(m[1], "://") {
			targets = append(targets, m[1])
		}
	}
	return targets
}

// headings returns the anchors of a page.
func headings(t *testing.T, page string) (anchors []string) {
	t.Helper()
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(string(text), -1) {
		anchor := regexp.MustCompile(`[^\pL\pN _-]`).ReplaceAllString(strings.ToLower(m[1]), "")
		anchors = append(anchors, strings.ReplaceAll(anchor, " ", "-"))
	}
	return anchors
}

func pages(t *testing.T) (all []string) {
	t.Helper()
	for _, pattern := range []string{"docs/*.md", "docs/fr/*.md"} {
		found, err := filepath.Glob(pattern)
		require.NoError(t, err)
		all = append(all, found...)
	}
	return all
}

// TestG8LinksLeadSomewhere: on every page, each link to a file or a heading of the repository finds it.
func TestG8LinksLeadSomewhere(t *testing.T) {
	for _, page := range append(pages(t), "README.md", "HACKING.md", "SECURITY.md", "CONTRIBUTING.md") {
		for _, target := range linked(t, page) {
			file, anchor, _ := strings.Cut(target, "#")
			where := page
			if file != "" {
				where = filepath.Join(filepath.Dir(page), file)
			}
			require.FileExists(t, where, "%s links to %s", page, target)
			if anchor != "" {
				require.Contains(t, headings(t, where), anchor, "%s links to %s", page, target)
			}
		}
	}
}

// TestG8TheMapHasEveryPage: docs/README.md has a link to every page.
func TestG8TheMapHasEveryPage(t *testing.T) {
	links := linked(t, "docs/README.md")
	for _, page := range pages(t) {
		if page != "docs/README.md" {
			name, err := filepath.Rel("docs", page)
			require.NoError(t, err)
			require.Contains(t, links, name, "docs/README.md has no link to it")
		}
	}
}

// TestG8GlossaryIsInOrder: each word appears once, in order, and is explained in one sentence.
func TestG8GlossaryIsInOrder(t *testing.T) {
	text, err := os.ReadFile("docs/glossary.md")
	require.NoError(t, err)
	rows := regexp.MustCompile(`(?m)^\| \*\*(.+)\*\* \| (.+) \|$`).FindAllStringSubmatch(string(text), -1)
	require.Greater(t, len(rows), 20)
	before := ""
	for _, r := range rows {
		require.Less(t, before, strings.ToLower(r[1]))
		before = strings.ToLower(r[1])
		require.True(t, strings.HasSuffix(r[2], "."), r[1])
		require.NotContains(t, strings.TrimSuffix(r[2], "."), ". ", "%s: one sentence", r[1])
	}
}

// TestG8PicturesAreOfTheirText: each picture was drawn from the text beside it as it is now; `make pictures` draws it
// again.
func TestG8PicturesAreOfTheirText(t *testing.T) {
	texts, err := filepath.Glob("docs/pictures/*.dot")
	require.NoError(t, err)
	require.NotEmpty(t, texts)
	for _, name := range texts {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		picture, err := os.ReadFile(strings.TrimSuffix(name, ".dot") + ".svg")
		require.NoError(t, err)
		require.Contains(t, string(picture), fmt.Sprintf("%x", sha256.Sum256(text)), "run make pictures")
	}
}
