// Claims makes the figures of README and docs again. `make claims` runs, one after the other, the commands that the
// pages name, and prints each page's rows as they should stand there: to be pasted, or looked at. With -small it runs
// of each command what takes a moment, for the sake of the command: one that no longer gives its figures is an error.
// A test keeps rows and commands here and on the pages the same; what was measured on which machine is left to people.
package main
