// Package der has the DER that several packages read and write in the same way: object identifiers, certIDs,
// extensions, attributes, the frame of a CMS message. It reads strictly: an element that does not have its exact form,
// or has something behind it, is not ok.
package der
