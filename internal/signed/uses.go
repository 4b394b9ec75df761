package signed

import "tlagate/internal/algorithms"

// Algorithms lists the ways in which statements of one kind are signed; what is not listed is refused.
func Algorithms(place string, purpose algorithms.Text) []algorithms.Use {
	var list []algorithms.Use
	for _, key := range algorithms.Probes(algorithms.LeastRSA) {
		if _, options, err := algorithm(key); err == nil {
			list = append(list, algorithms.Signed(algorithms.Statement, key, options, purpose))
		}
	}
	return algorithms.In(place, list...)
}
