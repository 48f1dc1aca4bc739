package store

import (
	"testing"
	"time"

	"tollgate/internal/money"
)

func TestScanUSD(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		from any
		want money.USD
	}{
		{nil, 0},
		{int64(-5), -5},
		{"0.000000000001", 1},
		{"-12.500000000000", -12_500_000_000_000},
		{[]byte("3"), 3 * money.Dollar},
		{"9223372.036854775807", money.Max},
		{"9223372.036854775808", money.Max},
		{"99999999999999999999999999.5", money.Max},
		{"-99999999999999999999999999.5", money.Min},
		{1e30, money.Max},
		{-1e30, money.Min},
	} {
		got := money.USD(7)
		if err := (scanUSD{&got}).Scan(c.from); err != nil || got != c.want {
			t.Errorf("%v reads as %v, %v, want %v", c.from, got, err, c.want)
		}
	}
	for _, from := range []any{1.5, true, time.Now()} {
		if err := (scanUSD{new(money.USD)}).Scan(from); err == nil {
			t.Errorf("%v reads as money", from)
		}
	}
}

func TestScanTime(t *testing.T) {
	t.Parallel()
	want := time.Date(2026, 11, 25, 12, 0, 0, 1000, time.UTC)
	for _, from := range []any{want.UnixMicro(), want, want.In(time.FixedZone("", 3600))} {
		var at time.Time
		var maybe *time.Time
		if err := (scanTime{&at}).Scan(from); err != nil || at != want {
			t.Errorf("%v reads as %v, %v", from, at, err)
		}
		if err := (scanTimePtr{&maybe}).Scan(from); err != nil || maybe == nil || *maybe != want {
			t.Errorf("%v reads as %v, %v", from, maybe, err)
		}
	}
	at, maybe := want, &want
	if err := (scanTime{&at}).Scan(nil); err != nil || !at.IsZero() {
		t.Errorf("NULL reads as %v, %v", at, err)
	}
	if err := (scanTimePtr{&maybe}).Scan(nil); err != nil || maybe != nil {
		t.Errorf("NULL reads as %v, %v", maybe, err)
	}
	if (scanTime{&at}).Scan("yesterday") == nil || (scanTimePtr{&maybe}).Scan("yesterday") == nil {
		t.Error("a text reads as a time")
	}
}
