// Package integrity compares files of a machine with signed manifests (annex codes DL3, EL1): programs, units,
// drop-ins, configuration. A manifest has the form of a bundle and the same signers (package bundle). What differs, and
// what is again as it should be, is recorded in the audit trace once. docs/integrity.md is the specification.
//
// It finds what was changed by mistake, by another program, or by somebody who can write files but cannot sign. Whoever
// is root can stop the program, or give it a configuration without this.
package integrity
