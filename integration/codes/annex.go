package codes

import "fmt"

// chapter is a part of the annex, with the sentences that each of its codes has for us.
type chapter struct {
	title string
	codes []code
}

type code struct {
	name      string
	sentences int
}

// annex is the list of all sentences. What is not here needs no row, and what is here has one; a sentence more or less
// is a reading of the annex itself, and changes [Sentences], too.
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

// Sentences is how many there are.
const Sentences = 72

// identifiers returns those of the chapter's sentences, in the annex's order: G2.1, G2.2 …, and where the code is a
// chapter's number a letter in place of another number, 6.3.2a, 6.3.2b.
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

// Identifiers returns those of all sentences, in the annex's order.
func Identifiers() (all []string) {
	for _, c := range annex {
		all = append(all, c.identifiers()...)
	}
	return all
}
