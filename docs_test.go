package tlagate_test

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
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

// TestG8HackingHasEveryPackage: the layout has each package on a line of its own, and what it and the table below name
// is there.
func TestG8HackingHasEveryPackage(t *testing.T) {
	text, err := os.ReadFile("HACKING.md")
	require.NoError(t, err)
	_, layout, _ := strings.Cut(string(text), "## Layout\n")
	layout, table, _ := strings.Cut(layout, "### I want to add")
	table, _, _ = strings.Cut(table, "## Style")
	var listed []string
	for _, m := range regexp.MustCompile(`(?m)^([a-z0-9/-]+) {2,}\S`).FindAllStringSubmatch(layout, -1) {
		require.DirExists(t, m[1])
		listed = append(listed, m[1])
	}
	for _, dir := range packages(t) {
		require.Contains(t, listed, dir, "HACKING.md, Layout: a line for it")
	}
	named := regexp.MustCompile("`([a-z0-9/-]+(/|\\.)[A-Za-z0-9_./-]+)`").FindAllStringSubmatch(table, -1)
	require.Greater(t, len(named), 20)
	for _, m := range named {
		_, err := os.Stat(m[1])
		require.NoError(t, err, "HACKING.md, I want to add")
	}
}

// packages returns the directories of our packages, except the root.
func packages(t *testing.T) (dirs []string) {
	t.Helper()
	require.NoError(t, fs.WalkDir(os.DirFS("."), ".", func(name string, d fs.DirEntry, err error) error {
		if d.IsDir() && (d.Name() == "testdata" || name != "." && strings.HasPrefix(d.Name(), ".")) {
			return fs.SkipDir
		}
		dir := filepath.Dir(name)
		if strings.HasSuffix(name, ".go") && dir != "." && !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
		return err
	}))
	return dirs
}
