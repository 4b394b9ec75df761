package main

import (
	"encoding/hex"
	"errors"
	"time"

	"github.com/ebfe/scard"
)

// The visits for which read-ahead does little good.
const (
	filesRead  = 20
	bothInTurn = 20
	sameRead   = 200
)

// filesInTurn are the files that readFiles selects, one after the other; their length is not told.
var filesInTurn = [][]byte{{0xD0, 0x01}, {0xD0, 0x02}, {0xD0, 0x03}}

// timedVisit times a visit, from the first call of PC/SC to the last.
func timedVisit(visit func() error) (a answer, err error) {
	begun := time.Now()
	err = visit()
	a.Times = append(a.Times, time.Since(begun))
	return a, err
}

// readSame reads one block again and again, which is never read ahead, and returns the median of the times.
func (p *program) readSame(reader string) (a answer, err error) {
	if err := p.open(reader); err != nil {
		return a, err
	}
	all, err := p.readMany(sameRead)
	a.Times = []time.Duration{median(all.Times)}
	return a, errors.Join(err, p.close())
}

// readFiles reads two blocks of each of many files: what is read ahead then, nobody wants.
func (p *program) readFiles(reader string) (err error) {
	if p.ctx, err = scard.EstablishContext(); err != nil {
		return err
	}
	if err := p.connect(reader); err != nil {
		return err
	}
	for i := range filesRead + 1 {
		file := filesInTurn[i%len(filesInTurn)]
		if _, err := p.exchange(append([]byte{0x00, 0xA4, 0x00, 0x0C, 2}, file...)); err != nil {
			return err
		}
		for at := range 2 {
			if _, err := p.exchange([]byte{0x00, 0xB0, 0, byte(at * blockSize), blockSize}); err != nil {
				return err
			}
		}
	}
	return p.close()
}

// selectPIV selects the PIV application of the CPS card, which answers with its properties.
var selectPIV = func() []byte {
	aid, _ := hex.DecodeString("A000000308000010000100")
	return append(append([]byte{0x00, 0xA4, 0x04, 0x00, byte(len(aid))}, aid...), 0)
}()

// useBoth reads the Vitale card block by block, and has the CPS card answer between two blocks.
func useBoth(readers []string) error {
	vitale, cps := new(program), new(program)
	for i, p := range []*program{vitale, cps} {
		var err error
		if p.ctx, err = scard.EstablishContext(); err != nil {
			return err
		}
		if p.card, err = p.ctx.Connect(readers[i], scard.ShareShared, scard.ProtocolAny); err != nil {
			return err
		}
	}
	if _, err := vitale.exchange(selectApplication); err != nil {
		return err
	}
	for i := range bothInTurn {
		if _, err := vitale.block(i); err != nil {
			return err
		}
		if _, err := cps.exchange(selectPIV); err != nil {
			return err
		}
	}
	return errors.Join(vitale.close(), cps.close())
}
