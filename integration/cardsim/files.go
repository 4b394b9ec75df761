package cardsim

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// folder is the MF or an application.
type folder struct {
	fid   uint16
	aid   []byte
	files []*file
}

// file is a transparent EF.
type file struct {
	fid  uint16
	sfi  byte // 0: none
	body []byte
}

// vitaleTree returns the files of a card. The big file of the application has the 40 blocks of 32 bytes that a visit
// reads, and more.
func vitaleTree(serial string) []*folder {
	return []*folder{
		{fid: 0x3F00, aid: unhex(AIDVitaleMF), files: []*file{
			specimen(serial, "MF", 0x2F02, 2, 48),
			specimen(serial, "MF", 0x2F05, 5, 96),
		}},
		{fid: 0xD000, aid: unhex(AIDVitale), files: []*file{
			specimen(serial, "VITALE", 0xD001, 1, 2048),
			specimen(serial, "VITALE", 0xD002, 2, 512),
			specimen(serial, "VITALE", 0xD003, 3, 100),
		}},
		{fid: 0xD100, aid: unhex(AIDVitaleCP), files: []*file{
			specimen(serial, "CP", 0xD101, 1, 256),
		}},
	}
}

// specimen fills a file with numbered lines of 32 bytes that name the card and the file, so that a byte from elsewhere
// shows.
func specimen(serial, folder string, fid uint16, sfi byte, size int) *file {
	var body strings.Builder
	for line := 0; body.Len() < size; line++ {
		fmt.Fprintf(&body, "%-31.31s\n", fmt.Sprintf("SPECIMEN %03d %04X %.10s %s", line, fid, serial, folder))
	}
	return &file{fid: fid, sfi: sfi, body: []byte(body.String()[:size])}
}

func (d *folder) byFID(fid uint16) *file {
	for _, f := range d.files {
		if f.fid == fid {
			return f
		}
	}
	return nil
}

func (d *folder) bySFI(sfi byte) *file {
	for _, f := range d.files {
		if f.sfi == sfi && sfi != 0 {
			return f
		}
	}
	return nil
}

// info returns the FCI: file identifier and name.
func (d *folder) info() []byte {
	return tlv(0x6F, tlv(0x83, fidBytes(d.fid)), tlv(0x84, d.aid))
}

// info returns the FCI: identifier, size, "transparent".
func (f *file) info() []byte {
	size := []byte{byte(len(f.body) >> 8), byte(len(f.body))}
	return tlv(0x6F, tlv(0x80, size), tlv(0x82, []byte{0x01}), tlv(0x83, fidBytes(f.fid)))
}

// read answers READ BINARY by the rules of T=0: with all le bytes, or with 6Cxx and how many there are.
func (f *file) read(offset, le int) []byte {
	if offset >= len(f.body) {
		return status(swWrongOffset)
	}
	rest := f.body[offset:]
	if le > len(rest) {
		return status(swExactLength | uint16(len(rest)))
	}
	return respond(rest[:le], swOK)
}

func fidBytes(fid uint16) []byte { return []byte{byte(fid >> 8), byte(fid)} }

// unhex decodes constants of this package.
func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic("cardsim: a constant is not hexadecimal: " + s)
	}
	return b
}

func lower(s string) string { return strings.ToLower(s) }
