//go:build !race

package e2e

// raceEnabled says that the tests run with the race detector; the server is then built with it too.
const raceEnabled = false
