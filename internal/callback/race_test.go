//go:build race

package callback_test

// raceDetector is true where every access is checked: what takes a second otherwise takes twenty.
const raceDetector = true
