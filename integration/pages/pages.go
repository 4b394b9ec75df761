// Package pages reads the code blocks of the documents, so that tests type what a reader is told to type, and miss no
// block.
//
// The first word behind the fence is the language: sh is commands, text is output or a picture, and yaml, json and ini
// are files. A second word behind sh names the machine on which the commands are typed, a third one its user (root if
// there is none):
//
//	```sh valise dominique
//
// In a drop-in for systemd, a comment that begins with three blanks is a command.
//
// Package integration runs the blocks that name a machine, in the order of [Trial] and [Setup], and of [Operate]. The others need the
// CA's directory alone: cmd/tla-pki runs them, page by page of [CA].
package pages

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// The pages with commands, from the module's root, in the order in which they are run.
var (
	// CA needs tla-pki and openssl alone.
	CA = []string{"docs/ca.md", "docs/fr/guide-operateur.md"}
	// Trial is run on the machines of the trial, Setup on those of a real installation, each from its beginning.
	Trial = []string{"README.md", "docs/trial.md"}
	Setup = []string{
		"docs/setup.md", "docs/crypto.md", "docs/metrics.md", "docs/audit.md", "docs/heads.md", "docs/integrity.md",
		"docs/policy.md", "docs/keys.md",
		"deploy/relay/examples/flows.conf", "deploy/relay/examples/key-press.conf", "deploy/relay/examples/tpm.conf",
		"deploy/relay/examples/token.conf",
		"docs/fr/guide-operateur.md", // ends with a terminal without keys, and a code for it
		"deploy/relay/examples/wrapping.conf",
	}
	// Operate is typed by an operator, with a session running.
	Operate = []string{"docs/operate.md"}
)

// Block is a fenced block of a page.
type Block struct {
	Page     string // from the module's root
	Line     int    // of the opening fence, from 1
	Language string
	Machine  string // "" = none
	User     string // "" = root
	Text     string
}

// String returns where the block is.
func (b Block) String() string { return fmt.Sprintf("%s:%d", b.Page, b.Line) }

const fence = "```"

// Read returns the blocks of a page; root is the module's root.
func Read(root, page string) (blocks []Block, err error) {
	text, err := os.ReadFile(filepath.Join(root, page))
	if err != nil {
		return nil, err
	}
	if filepath.Ext(page) == ".conf" {
		return remarks(page, string(text)), nil
	}
	inside, n := false, 0
	for line := range strings.Lines(string(text)) {
		n++
		switch info, isFence := strings.CutPrefix(strings.TrimSpace(line), fence); {
		case isFence && !inside:
			blocks, inside = append(blocks, open(page, n, info)), true
		case isFence:
			inside = false
		case inside:
			blocks[len(blocks)-1].Text += line
		}
	}
	if inside {
		return nil, fmt.Errorf("cannot read %v: its fence is never closed", blocks[len(blocks)-1])
	}
	return blocks, nil
}

// remarks returns the commands in the head of one of the terminal's drop-ins, which are typed where the package has it.
func remarks(page, text string) []Block {
	b := Block{Page: page, Line: 1, Language: "sh", Machine: "valise", Text: "cd /usr/share/doc/tla-relay/examples\n"}
	for line := range strings.Lines(text) {
		if command, ok := strings.CutPrefix(line, "#   "); ok {
			b.Text += command
		}
	}
	return []Block{b}
}

func open(page string, line int, info string) Block {
	words := append(strings.Fields(info), "", "", "")
	return Block{Page: page, Line: line, Language: words[0], Machine: words[1], User: words[2]}
}

// Commands returns the blocks of commands of a page: those that name a machine, or those that do not.
func Commands(root, page string, ofMachines bool) (commands []Block, err error) {
	blocks, err := Read(root, page)
	for _, b := range blocks {
		if b.Language == "sh" && (b.Machine != "") == ofMachines {
			commands = append(commands, b)
		}
	}
	return commands, err
}
