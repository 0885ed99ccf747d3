//go:build race

package host

// raceEnabled says that the tests run with the race detector.
const raceEnabled = true
