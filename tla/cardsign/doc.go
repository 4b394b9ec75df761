// Package cardsign has a card sign who its holder is (C2): it finds the card application that the card policy names,
// reads the certificate of its key, and has the key sign a digest. The code is verified by package tla, between these
// steps. docs/policy.md ("How a card proves its holder") is the specification.
package cardsign
