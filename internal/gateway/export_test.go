package gateway

import "tollgate/internal/cache"

// SetCache puts a cache into the configuration in force, for tests.
func (g *Gateway) SetCache(c *cache.Cache) {
	s := *g.snap.Load()
	s.Cache = c
	g.Swap(&s)
}

// SharingTeam is a team as far as its keys share cached answers.
func SharingTeam(id string) string { return sharingTeam(id) }
