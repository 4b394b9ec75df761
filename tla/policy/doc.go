// Package policy decides which commands of a remote Poste de Travail may reach a card (annex code C1: only TLA
// functions may be used remotely). What no rule allows is refused. docs/policy.md is the specification.
//
// A [Table] is what an operator writes; [Compile] checks it; [Policy.Guard] puts it between a session and a card.
package policy
