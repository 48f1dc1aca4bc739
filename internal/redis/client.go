// Package redis shares requests per minute, tokens per minute and calls at once between replicas through Redis or Valkey
// (one server, a cluster, or a master behind sentinels), and tells the replicas of each other's changes. Money is not kept
// here: a budget is leased from the store, where what was spent is.
package redis

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"tollgate/internal/secret"
)

// Defaults of Options.
const (
	DefaultPrefix  = "tollgate:"
	DefaultTimeout = 500 * time.Millisecond
)

// Options say where Redis is.
type Options struct {
	// URL is redis://, rediss:// or unix://, with user, password and database number. What it names goes before Addrs,
	// Username, Password, DB and TLS.
	URL secret.String
	// Addrs are host:port: of the server, of some nodes of the cluster, or of the sentinels.
	Addrs   []string
	Cluster bool   // the server is a cluster, even with one address
	Master  string // the name by which sentinels know the master; "" = no sentinels

	Username         string
	Password         secret.String
	SentinelUsername string
	SentinelPassword secret.String
	DB               int         // not of a cluster
	TLS              *tls.Config // nil = no TLS

	Prefix   string        // of keys and channels; "" = DefaultPrefix
	Timeout  time.Duration // of one command, the connection included; 0 = DefaultTimeout
	PoolSize int           // connections; 0 = ten per processor
	// Dial opens connections; nil = a plain dialer.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	Log  *slog.Logger // nil = slog.Default
}

// ErrNoAddress says that Options name no server.
var ErrNoAddress = errors.New("redis: no address is given")

// Client is a connection to Redis. Safe for concurrent use.
type Client struct {
	redis  redis.UniversalClient
	prefix string
	log    *slog.Logger
}

// Open prepares a Client. It does not connect: a Redis that is away is tried again at every use.
func Open(o Options) (*Client, error) {
	library, err := Connect(o)
	if err != nil {
		return nil, err
	}
	return &Client{redis: library, prefix: cmp.Or(o.Prefix, DefaultPrefix), log: cmp.Or(o.Log, slog.Default())}, nil
}

// Connect prepares the library's client, for those who keep something else in Redis than what replicas share. It does not
// connect. Options.Prefix is of no use here.
func Connect(o Options) (redis.UniversalClient, error) {
	u, err := o.universal()
	if err != nil {
		return nil, err
	}
	redis.SetLogger(libraryLog{cmp.Or(o.Log, slog.Default())})
	return redis.NewUniversalClient(u), nil
}

// universal are the library's options.
func (o *Options) universal() (*redis.UniversalOptions, error) {
	u := &redis.UniversalOptions{
		Addrs: o.Addrs, MasterName: o.Master, IsClusterMode: o.Cluster,
		Username: o.Username, Password: o.Password.Reveal(), SentinelUsername: o.SentinelUsername, SentinelPassword: o.SentinelPassword.Reveal(),
		DB: o.DB, TLSConfig: o.TLS, PoolSize: o.PoolSize, Dialer: o.Dial,
		// A command that was sent is not sent again: it may have counted already (BerriAI/litellm#28283).
		MaxRetries:               -1,
		DialerRetries:            1,
		ContextTimeoutEnabled:    true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	timeout := cmp.Or(o.Timeout, DefaultTimeout)
	u.DialTimeout, u.ReadTimeout, u.WriteTimeout, u.PoolTimeout = timeout, timeout, timeout, timeout
	if !o.URL.Empty() {
		if err := o.byURL(u); err != nil {
			return nil, err
		}
	}
	if len(u.Addrs) == 0 {
		return nil, ErrNoAddress
	}
	return u, nil
}

// byURL puts what the URL names into the library's options.
func (o *Options) byURL(u *redis.UniversalOptions) error {
	parsed, err := redis.ParseURL(o.URL.Reveal())
	if err != nil {
		return errors.New("redis: the URL is not redis://, rediss:// or unix:// with a host") // the library's error shows the password
	}
	u.Addrs = append([]string{parsed.Addr}, o.Addrs...)
	u.DB = parsed.DB
	u.Username = cmp.Or(parsed.Username, u.Username)
	u.Password = cmp.Or(parsed.Password, u.Password)
	if parsed.TLSConfig != nil {
		u.TLSConfig = parsed.TLSConfig
		if o.TLS != nil {
			u.TLSConfig = o.TLS.Clone()
			u.TLSConfig.ServerName = parsed.TLSConfig.ServerName
		}
	}
	if u.Dialer == nil && parsed.Network == "unix" {
		dial := redis.NewDialer(parsed)
		u.Dialer = func(ctx context.Context, _, addr string) (net.Conn, error) { return dial(ctx, "unix", addr) }
	}
	return nil
}

// Ping asks whether Redis answers.
func (c *Client) Ping(ctx context.Context) error {
	if err := c.redis.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	return nil
}

// Close closes the connections.
func (c *Client) Close() error { return c.redis.Close() }

// libraryLog writes what the library has to say where it does not disturb: who uses it logs what goes wrong.
type libraryLog struct{ log *slog.Logger }

// Printf implements the library's logger.
func (l libraryLog) Printf(ctx context.Context, format string, v ...any) {
	l.log.DebugContext(ctx, fmt.Sprintf(format, v...))
}
