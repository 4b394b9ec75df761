// Claims makes the figures of README and docs again. `make claims` runs the commands that the pages name, one after the
// other, and prints each page's rows in the form that they have there, to be pasted or compared. With -small it runs
// the short forms of these commands, all at once, to find one that no longer prints its figures. A test keeps the rows
// and commands here equal to those on the pages; which machine the figures come from is left to people.
package main
