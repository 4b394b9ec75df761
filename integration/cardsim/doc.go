// Package cardsim simulates smart cards and plugs them into vpcd, the virtual reader driver of the vsmartcard project.
//
// There are three personalities: [Vitale], a T=0 card with transparent files; [CPS], a PIV card (NIST SP 800-73-4) that
// OpenSC recognises behind the ATR of a CPS4; and [CPS3], a card of the IAS-ECC family. Everything on them is
// fictitious: the contents are labelled SPECIMEN and the keys are made when the card is.
//
// It is for tests, the demo and benchmarks only. Private-key operations are neither constant-time nor protected.
package cardsim
