package cardsim

import "time"

// Slow returns card with the speed of a real one: each exchange takes perByte for every byte of command and response
// (about 1.25 ms with T=0 at 9600 baud).
func Slow(card Card, perByte time.Duration) Card { return slow{card, perByte} }

type slow struct {
	Card
	perByte time.Duration
}

func (s slow) Process(cmd []byte) []byte {
	begun := time.Now()
	resp := s.Card.Process(cmd)
	time.Sleep(time.Duration(len(cmd)+len(resp))*s.perByte - time.Since(begun))
	return resp
}
