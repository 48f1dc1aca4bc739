//go:build !race

package e2e_test

// raceEnabled is false: neither the tests nor the program under test look for races.
const raceEnabled = false
