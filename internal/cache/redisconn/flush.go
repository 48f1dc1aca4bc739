package redisconn

import (
	"context"
	"fmt"
	"slices"
	"strings"

	goredis "github.com/redis/go-redis/v9"
)

const (
	// scanned is how many keys Redis looks at per step of a flush: enough for few round trips, too few to hold others up.
	scanned = 1000
	// batch is how many keys are removed in one round trip.
	batch = 1000
)

// Flush removes the keys that begin with prefix: it walks over all keys, on every master of a cluster, and lets Redis free
// them in the background. Keys that are made meanwhile may stay.
func Flush(ctx context.Context, client goredis.UniversalClient, prefix string) error {
	cluster, is := client.(*goredis.ClusterClient)
	if !is {
		return flush(ctx, client, prefix)
	}
	return cluster.ForEachMaster(ctx, func(ctx context.Context, node *goredis.Client) error { return flush(ctx, node, prefix) })
}

func flush(ctx context.Context, node goredis.Cmdable, prefix string) error {
	pattern := literal(prefix) + "*"
	for cursor := uint64(0); ; {
		keys, next, err := node.Scan(ctx, cursor, pattern, scanned).Result()
		if err == nil {
			err = Unlink(ctx, node, keys)
		}
		if err != nil {
			return fmt.Errorf("redis: %w", err)
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}

// literal writes a text so that a pattern of Redis means it as it is.
func literal(text string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`).Replace(text)
}

// Unlink removes keys one by one, but in few round trips: those of a cluster may lie in different slots.
func Unlink(ctx context.Context, node goredis.Cmdable, keys []string) error {
	for part := range slices.Chunk(keys, batch) {
		_, err := node.Pipelined(ctx, func(p goredis.Pipeliner) error {
			for _, k := range part {
				p.Unlink(ctx, k)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
