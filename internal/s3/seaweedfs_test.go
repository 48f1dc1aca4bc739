//go:build seaweedfs

package s3_test

import (
	"testing"

	"tollgate/internal/testkit"
)

// SeaweedFS takes minutes to build, so these tests have a tag of their own: make test-integrations.

func TestSeaweedFS(t *testing.T) {
	t.Parallel()
	suite(t, testkit.SeaweedFS(t))
}
