package integrity

// Parse is parse, for tests.
var Parse = parse
