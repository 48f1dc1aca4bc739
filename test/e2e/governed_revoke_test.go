package e2e_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"tollgate/internal/testkit"
)

// revoked is how soon a change on one replica must be in force on the others.
const revoked = time.Second

// TestRevocation changes keys, teams and users on one replica and asks the other until it obeys: through PostgreSQL's
// notifications, through PgBouncer (which has none), and with Redis beside it.
func TestRevocation(t *testing.T) {
	t.Run("PostgreSQL", func(t *testing.T) { revocation(t, settings{database: testkit.Postgres(t)}) })
	t.Run("PgBouncer", func(t *testing.T) {
		revocation(t, settings{database: testkit.PgBouncer(t, testkit.Postgres(t))})
	})
	t.Run("Redis", func(t *testing.T) {
		revocation(t, settings{database: testkit.Postgres(t), env: redisEnv(testkit.Redis(t))})
	})
}

func revocation(t *testing.T, s settings) {
	s.replicas = 2
	w := newWorld(t, s)
	w.manage("POST", "/team/new", obj{"team_id": "t"})
	w.manage("POST", "/user/new", obj{"user_id": "u", "auto_create_key": false, "user_role": "internal_user"})
	for _, tt := range []struct {
		name   string
		fields obj
		path   string
		body   func(key string) obj
		status int
	}{
		{"block", nil, "/key/block", func(k string) obj { return obj{"key": k} }, http.StatusUnauthorized},
		{"delete", nil, "/key/delete", func(k string) obj { return obj{"keys": []string{k}} }, http.StatusUnauthorized},
		{"regenerate", nil, "/key/regenerate", func(k string) obj { return obj{"key": k} }, http.StatusUnauthorized},
		{"fewer models", nil, "/key/update", func(k string) obj { return obj{"key": k, "models": []string{"second"}} }, http.StatusForbidden},
		{"no budget", nil, "/key/update", func(k string) obj { return obj{"key": k, "max_budget": 0} }, http.StatusTooManyRequests},
		{"no requests", nil, "/key/update", func(k string) obj { return obj{"key": k, "rpm_limit": 0} }, http.StatusTooManyRequests},
		{"expired", nil, "/key/update", func(k string) obj { return obj{"key": k, "duration": "0s"} }, http.StatusUnauthorized},
		{"team blocked", obj{"team_id": "t"}, "/team/block", func(string) obj { return obj{"team_id": "t"} }, http.StatusUnauthorized},
		{"user deleted", obj{"user_id": "u"}, "/user/delete", func(string) obj { return obj{"user_ids": []string{"u"}} }, http.StatusUnauthorized},
	} {
		t.Run(tt.name, func(t *testing.T) {
			key := w.key(tt.fields)
			if a := w.replicas[1].call(key, question("chat")); !a.ok() { // now the other replica knows the key
				t.Fatalf("%v %d %s", a.err, a.status, a.body)
			}
			w.manage("POST", tt.path, tt.body(key))
			refusedWithin(t, w.replicas[1], key, tt.status)
			if a := w.replicas[0].call(key, question("chat")); a.status != tt.status {
				t.Errorf("the replica that was told itself: %d %s", a.status, a.body)
			}
		})
	}
	t.Run("unblock", func(t *testing.T) {
		key := w.key(obj{"blocked": true})
		if a := w.replicas[1].call(key, question("chat")); a.status != http.StatusUnauthorized {
			t.Fatalf("%v %d %s", a.err, a.status, a.body)
		}
		w.manage("POST", "/key/unblock", obj{"key": key})
		eventually(t, revoked, func() string {
			a := w.replicas[1].call(key, question("chat"))
			if a.ok() {
				return ""
			}
			return fmt.Sprintf("%d %s", a.status, a.body)
		})
	})
	t.Run("a stream under way goes on", func(t *testing.T) { streamSurvives(t, w) })
}

// refusedWithin calls until the replica refuses.
func refusedWithin(t *testing.T, r *replica, key string, status int) {
	t.Helper()
	began := time.Now()
	for {
		a := r.call(key, question("chat"))
		took := time.Since(began)
		if a.status == status {
			t.Logf("refused after %s", took.Round(time.Millisecond))
			return
		}
		if !a.ok() || took > revoked {
			t.Fatalf("after %s, want %d: %v %d %s", took, status, a.err, a.status, a.body)
		}
	}
}

func streamSurvives(t *testing.T, w *world) {
	w.sim.fault(`{"chunk_delay": "60ms", "stream": true}`)
	defer w.sim.heal()
	key := w.key(nil)
	resp, err := w.replicas[1].open(key, question("chat", asStream))
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(err, resp)
	}
	ended := make(chan answered, 1)
	go func() { ended <- readAnswer(resp) }()
	w.manage("POST", "/key/block", obj{"key": key})
	refusedWithin(t, w.replicas[1], key, http.StatusUnauthorized)
	select {
	case a := <-ended:
		t.Fatalf("the stream ended before its key was refused: %+v", a)
	default:
	}
	if a := <-ended; !a.ok() {
		t.Errorf("the stream of a key that was blocked meanwhile: %v %d %s", a.err, a.status, a.body)
	}
}
