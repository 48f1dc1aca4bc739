package ocisim

import "testing"

// The service is written in Java, and its floats look it: one capture has -8.4949343E-4.
func TestJavaFloat(t *testing.T) {
	for f, want := range map[javaFloat]string{
		-8.4949343e-4: "-8.4949343E-4", 0: "0.0", 1: "1.0", 0.001: "0.001", 0.25: "0.25", 1e-4: "1.0E-4", 1e7: "1.0E7",
		1.5e-10: "1.5E-10", 9999999: "9999999.0",
	} {
		if got, err := f.MarshalJSON(); err != nil || string(got) != want {
			t.Errorf("%g is written %s (%v), want %s", float32(f), got, err, want)
		}
	}
}
