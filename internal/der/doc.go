// Package der has what several packages read and write of DER in the same way: object identifiers, certIDs, extensions,
// attributes, the frame of a CMS message. It reads strictly: an element that is not wholly of its form, or has something
// behind it, is not ok.
package der
