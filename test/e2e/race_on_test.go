//go:build race

package e2e_test

// raceEnabled builds the program under test with the race detector, as the tests themselves are.
const raceEnabled = true
