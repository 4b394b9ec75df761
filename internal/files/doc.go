// Package files writes files so that a crash leaves the old content or the new, never half of it, and reads the small
// ones that a program keeps for itself across restarts.
//
// Errors are those of package os: the caller says what the file is for.
package files
