package keys

// ReadAll reads text as every form of key file, but does not derive the encryption key, which would take most of the
// time.
func ReadAll(text []byte) (plain, encrypted, tpm bool) {
	if b, err := parseBlob(text); err == nil {
		again, err := b.marshal()
		if err != nil {
			panic(err)
		}
		if _, err := parseBlob(again); err != nil {
			panic(err)
		}
		tpm = true
	}
	block, err := onlyBlock(text)
	if err != nil {
		return false, false, tpm
	}
	_, plainErr := parse(block.Bytes)
	s, data, sealedErr := parseSealing(block.Bytes)
	if sealedErr == nil {
		if s.rounds > maxRounds || len(s.iv) != 16 || len(data) == 0 {
			panic("parseSealing accepts what it should not")
		}
		unpad(data)
	}
	return plainErr == nil, sealedErr == nil, tpm
}
