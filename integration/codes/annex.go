package codes

import "fmt"

// chapter is a part of the annex: its codes, and how many sentences of each concern us.
type chapter struct {
	title string
	codes []code
}

type code struct {
	name      string
	sentences int
}

// annex lists all sentences that have a row, and no others do. Adding or removing one is a decision about how the annex
// is to be read, and changes [Sentences] too.
var annex = []chapter{
	{"Chapters 3, 5.1 and 6: what is sensitive, the cards, the configuration",
		[]code{{"3.1", 2}, {"3.2", 2}, {"3.3", 1}, {"5.1", 2}, {"6.1", 1}, {"6.3.2", 2}}},
	{"Chapter 5.2: security management",
		[]code{{"G1", 1}, {"G2", 4}, {"G3", 2}, {"G4", 1}, {"G5", 2}, {"G6", 3}, {"G7", 2}, {"G8", 3}}},
	{"Chapter 5.3: the equipment",
		[]code{{"EL1", 4}, {"EL2", 3}, {"EL3", 1}}},
	{"Chapter 5.4: data and functions",
		[]code{{"SP1", 1}, {"SP2", 2}, {"SP3", 3}, {"SP4", 1}, {"SA1", 2}, {"SA2", 6}, {"SA3", 1}, {"SA4", 2}}},
	{"Chapter 5.5: communications",
		[]code{{"C1", 3}, {"C2", 6}, {"C3", 1}, {"C4", 2}}},
	{"Chapter 5.6: the remote environment",
		[]code{{"DO1", 1}, {"DL1", 1}, {"DL2", 1}, {"DL3", 1}, {"DL4", 1}, {"DL5", 1}}},
}

// Sentences is the number of sentences in annex.
const Sentences = 72

// identifiers returns the names of the chapter's sentences, in the annex's order: G2.1, G2.2 …; where the code is
// itself the number of a chapter, a letter follows it: 6.3.2a, 6.3.2b.
func (c chapter) identifiers() (all []string) {
	for _, of := range c.codes {
		for n := range of.sentences {
			all = append(all, of.sentence(n))
		}
	}
	return all
}

func (c code) sentence(n int) string {
	if c.name[0] >= '0' && c.name[0] <= '9' {
		return fmt.Sprintf("%s%c", c.name, 'a'+n)
	}
	return fmt.Sprintf("%s.%d", c.name, n+1)
}

// Identifiers returns the names of all sentences, in the annex's order.
func Identifiers() (all []string) {
	for _, c := range annex {
		all = append(all, c.identifiers()...)
	}
	return all
}
