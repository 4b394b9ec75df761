package bundle

// Exported for tests.
var (
	Prepare      = prepare
	ParseContent = parseContent
	Seal         = seal
)

// OpenSigned gives the content of a CMS whose form and signature are good.
func OpenSigned(der []byte) ([]byte, error) {
	s, err := openSigned(der)
	if err != nil {
		return nil, err
	}
	return s.content, nil
}
