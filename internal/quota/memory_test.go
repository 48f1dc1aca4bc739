package quota_test

import (
	"testing"
	"testing/synctest"
	"time"

	"tollgate/internal/quota"
	"tollgate/internal/quota/quotatest"
)

func TestMemory(t *testing.T) {
	quotatest.Run(t, func(_ *testing.T, ttl time.Duration) quotatest.World {
		m := quota.NewMemory(quota.MemoryOptions{TTL: ttl})
		return quotatest.World{Truth: m.Replica, Spend: m.Spend}
	}, synctest.Test)
}

// Windows that are over leave the memory.
func TestMemoryForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := quota.NewMemory(quota.MemoryOptions{})
		truth := m.Replica("a")
		for i := range 10 {
			asks := make([]quota.Ask, 1000)
			for k := range asks {
				asks[k] = quota.Ask{Account: time.Duration(1000*i + k).String(), Kind: quota.Rate, Cap: 1, Need: 1, Want: 1, Window: time.Minute}
			}
			if _, err := truth.Take(t.Context(), asks); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Minute)
		}
		if n := m.Accounts(); n > 3000 {
			t.Errorf("%d accounts are in memory", n)
		}
	})
}
