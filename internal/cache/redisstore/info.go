package redisstore

import (
	"context"
	"strings"
	"sync"

	goredis "github.com/redis/go-redis/v9"

	"tollgate/internal/cache"
)

// Info implements cache.Informer.
func (s *Store) Info(ctx context.Context) (cache.Info, error) {
	var info cache.Info
	text, err := s.redis.Info(ctx).Result()
	if err != nil {
		return info, wrap(err)
	}
	info.Server = parseInfo(text)
	cluster, is := s.redis.(*goredis.ClusterClient)
	if !is {
		text, err := s.redis.ClientList(ctx).Result()
		info.Clients = parseClients(text)
		return info, wrap(err)
	}
	var mu sync.Mutex // ForEachShard asks the nodes side by side
	err = cluster.ForEachShard(ctx, func(ctx context.Context, node *goredis.Client) error {
		text, err := node.ClientList(ctx).Result()
		mu.Lock()
		defer mu.Unlock()
		info.Clients = append(info.Clients, parseClients(text)...)
		return err
	})
	return info, wrap(err)
}

// parseInfo reads INFO: lines "name:value" below lines "# Section".
func parseInfo(text string) map[string]string {
	fields := map[string]string{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if name, value, ok := strings.Cut(line, ":"); ok && !strings.HasPrefix(line, "#") {
			fields[name] = value
		}
	}
	return fields
}

// parseClients reads CLIENT LIST: a line for each client, "name=value" between spaces.
func parseClients(text string) []map[string]string {
	var clients []map[string]string
	for line := range strings.Lines(text) {
		client := map[string]string{}
		for field := range strings.FieldsSeq(line) {
			if name, value, ok := strings.Cut(field, "="); ok {
				client[name] = value
			}
		}
		if len(client) > 0 {
			clients = append(clients, client)
		}
	}
	return clients
}
