// Package store is the CA's database, its books: every certificate issued or about to be, the invitations, the numbers
// of the lists, and the events that tell the world what changed. All of the CA's SQL is here.
//
// The certificates table is that of cfssl's certdb, so that its programs can read it.
package store
