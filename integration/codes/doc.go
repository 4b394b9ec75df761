// Package codes is about docs/annexe7.yaml. It has a row for each sentence of the security annex that software or its
// documentation can answer: the sentence in our words, what answers it, which tests show that, and what is missing.
// [Read] reads the rows, strictly; [Check] compares them with the source tree, so that no row claims more than the tree
// has, and no page about a code escapes its rows; [Format] writes them for a terminal, as docs/annexe7.md, or as JSON.
package codes
