// Package files writes files so that a crash leaves the old content or the new, never half of it, and reads the small ones
// that a program keeps for itself over a restart.
//
// Errors are those of package os: the caller says what the file is.
package files
