// Package codes keeps docs/annexe7.yaml: of each sentence of the security annex that software or its documentation can
// answer, in our words, what answers it, which tests show that, and what is missing. [Read] reads it, strictly; [Check]
// compares it with the source tree, so that no row says more than the tree holds; [Format] writes it for a terminal, as
// docs/annexe7.md, or as JSON.
package codes
