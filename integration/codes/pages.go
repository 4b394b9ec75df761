package codes

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// unfinished matches the words by which a page says that something is not there yet.
var unfinished = regexp.MustCompile(`(?i)\bnot yet\b|\bno \w+ yet\b|\bis done yet\b|\bto be (built|done)\b|` +
	`\buntil the \w+ does it\b|\bTODO\b|\bn'existe pas encore\b|\bpas encore (fait|prévu|disponible)\b|\breste à (faire|écrire)\b`)

// named matches the annex's codes in a text, except numbers of chapters, which look like any other number.
var named = regexp.MustCompile(`\b(G[1-8]|EL[1-3]|SP[1-4]|SA[1-4]|C[1-4]|DO1|DL[1-5])\b`)

// section is a heading and the text below it, up to the next heading. The first section of a page has no heading.
type section struct {
	heading string
	anchor  string
	text    string // without the heading's line
	level   int
}

// sections returns the sections of a page. A # in a block of code begins none.
func sections(text string) []section {
	list, code := []section{{}}, false
	for line := range strings.Lines(text) {
		title := strings.TrimLeft(line, "#")
		level := len(line) - len(title)
		switch {
		case strings.HasPrefix(line, "```"):
			code = !code
		case !code && level > 0 && strings.HasPrefix(title, " "):
			title = strings.TrimSpace(title)
			list = append(list, section{heading: title, anchor: anchorOf(title), level: level})
			continue
		}
		list[len(list)-1].text += line
	}
	return list
}

var noAnchor = regexp.MustCompile(`[^\pL\pN _-]`)

func anchorOf(heading string) string {
	return strings.ReplaceAll(noAnchor.ReplaceAllString(strings.ToLower(heading), ""), " ", "-")
}

// below returns the text under the heading with that anchor, subsections included, and whether there is one; without an
// anchor, the whole text.
func below(text, anchor string) (string, bool) {
	if anchor == "" {
		return text, true
	}
	found, level := "", 0
	for _, s := range sections(text) {
		switch {
		case level == 0 && s.anchor == anchor:
			level = s.level
			found = s.heading + "\n" + s.text
		case level > 0 && s.level <= level:
			return found, true
		case level > 0:
			found += s.heading + "\n" + s.text
		}
	}
	return found, level > 0
}

// blocks returns the paragraphs, rows and items of a text.
func blocks(text string) (list []string) {
	begin := true
	for line := range strings.Lines(text) {
		trimmed := strings.TrimSpace(line)
		begin = begin || strings.HasPrefix(trimmed, "|") || strings.HasPrefix(trimmed, "- ")
		if begin {
			list = append(list, "")
		}
		list[len(list)-1] += line
		begin = trimmed == ""
	}
	return list
}

// promises returns the codes that a page names in blocks that say that something is not there yet. A heading that says
// so says it for all blocks below.
func promises(text string) (codes []string) {
	for _, s := range sections(text) {
		if unfinished.MatchString(s.heading) {
			codes = append(codes, named.FindAllString(s.heading+"\n"+s.text, -1)...)
			continue
		}
		for _, b := range blocks(s.text) {
			if unfinished.MatchString(b) {
				codes = append(codes, named.FindAllString(b, -1)...)
			}
		}
	}
	return codes
}

// readPages returns the texts of README and of each page of docs, except Page, by their names.
func readPages(root string) (map[string]string, error) {
	pages := map[string]string{"README.md": ""}
	err := fs.WalkDir(os.DirFS(root), "docs", func(name string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(name, ".md") && name != Page {
			pages[name] = ""
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	for name := range pages {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			return nil, err
		}
		pages[name] = string(text)
	}
	return pages, nil
}
