package cardsim

import "time"

// Slow gives card the speed of a real one: each exchange takes perByte for
// every byte of command and response. (9600 baud, T=0: about 1.25 ms a byte.)
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
