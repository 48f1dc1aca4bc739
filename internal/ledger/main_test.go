package ledger

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv("LEDGER_VICTIM") != "" {
		victim()
		return
	}
	goleak.VerifyTestMain(m)
}
