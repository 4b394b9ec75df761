package cardsign

import (
	"errors"
	"fmt"
)

// maxFile bounds what is read of a card's file, in octets.
const maxFile = 8 << 10

// readAtOnce is how much of a file is asked for at once: what IAS-ECC cards give (E7), and a round number.
const readAtOnce = 0xE0

// certificate returns the certificate in DER, from where the policy says that it is.
func (k *Key) certificate() ([]byte, error) {
	path := k.app.File
	switch {
	case k.app.Object != nil:
		return k.object(k.app.Object)
	case path == nil:
		var err error
		if path, err = k.lookUp(); err != nil {
			return nil, err
		}
	}
	text, err := k.readFile(path)
	if err != nil {
		return nil, err
	}
	return derOf(text)
}

var (
	errCompressed = errors.New("cannot read the certificate on the card: it is compressed")
	errNoDER      = errors.New("cannot read the certificate on the card: it is no DER")
)

// object reads a PIV data object with a certificate (SP 800-73-4, part 1, appendix A).
func (k *Key) object(tag []byte) ([]byte, error) {
	answer, err := k.must(insGetData, 0x3F, 0xFF, tlv(tagList, tag), withLe)
	if err != nil {
		return nil, fmt.Errorf("cannot read the certificate on the card: %w", err)
	}
	inner, err := only(answer, tagObject)
	if err != nil {
		return nil, err
	}
	der, info := []byte(nil), []byte{0}
	for len(inner) > 0 {
		tag, value, rest, err := cut(inner)
		switch {
		case err != nil:
			return nil, err
		case tag == tagCertificate:
			der = value
		case tag == tagCertInfo:
			info = value
		}
		inner = rest
	}
	if len(info) != 1 || info[0]&1 != 0 {
		return nil, errCompressed
	}
	return der, nil
}

// derOf returns the one value at the beginning of a file, without what fills the rest of it.
func derOf(file []byte) ([]byte, error) {
	tag, value, rest, err := cut(file)
	if err != nil || tag != tagSequence || len(value) == 0 {
		return nil, errNoDER
	}
	return file[:len(file)-len(rest)], nil
}

// readFile selects a file, by its identifier or path, and reads it to its end.
func (k *Key) readFile(path []byte) (file []byte, err error) {
	p1 := byte(selectPath)
	if len(path) == 2 {
		p1 = selectFile
	}
	if _, err := k.must(insSelect, p1, selectNoData, path, noLe); err != nil {
		return nil, fmt.Errorf("cannot select the file %X of the card: %w", path, err)
	}
	for len(file) < maxFile {
		at := len(file)
		part, sw, err := k.readAt(at)
		switch {
		case err != nil:
			return nil, err
		case sw == swOK && len(part) == readAtOnce:
			file = append(file, part...)
			continue
		case sw == swOK, sw == swEndOfFile, sw == swBadOffset && at > 0:
			return append(file, part...), nil
		}
		return nil, fmt.Errorf("cannot read the file %X of the card: %w", path, &refusal{insReadBinary, sw})
	}
	return nil, fmt.Errorf("cannot read the file %X of the card: it is longer than %d octets", path, maxFile)
}

func (k *Key) readAt(at int) (part []byte, sw uint16, err error) {
	apdu := []byte{k.app.Channel, insReadBinary, byte(at >> 8), byte(at), readAtOnce}
	return split(k.card.Exchange(apdu))
}
