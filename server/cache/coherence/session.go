package coherence

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/policycortex/headroom/server/cache/coalesce"
)

// Timeouts for L2. Postgres answers in a millisecond, so a slower L2 is of no use.
const (
	dialTimeout = 200 * time.Millisecond
	// Timeout bounds each read and each write on a connection to L2.
	Timeout = 100 * time.Millisecond
	// farTimeout does the same where L2 is in another region. Two of them in a row still fit into a lease.
	farTimeout = 400 * time.Millisecond
)

// Prefix begins every name in L2. It contains formatVersion: raise that when the form of stored values or of messages
// changes. (Instances of different versions do not receive each other's invalidations.)
const (
	formatVersion = "3"
	Prefix        = "headroom:" + formatVersion + ":"
)

// Session lasts from joining the other instances to losing contact. It has its own connections, all to the one server
// process that holds the subscription.
type Session struct {
	Client *redis.Client
	Reads  *coalesce.Reader

	timeout time.Duration // of each read and each write
	server  string        // id of the server process
	epochs  string        // prefix of the names of its epochs
	known   knownEpochs
	// generation is the value of GenerationName, nil when it is not known: see generation.go.
	generation atomic.Pointer[string]
}

var errOtherServer = errors.New("another server process answers at the address of L2")

// openSession makes a client whose first connection identifies the server process. It calls other when a later
// connection reaches another process.
func openSession(address *redis.Options, far bool, other func(error)) *Session {
	// The library would print a line for every failed connection. Failures are counted and logged here instead.
	logging.Disable()
	o := *address
	t := &Session{timeout: Timeout}
	o.DialTimeout = dialTimeout
	if far {
		t.timeout, o.DialTimeout = farTimeout, farTimeout
	}
	o.ReadTimeout = t.timeout
	o.WriteTimeout = t.timeout
	o.PoolTimeout = t.timeout
	// No retries: the database is the fallback.
	o.MaxRetries = -1
	o.DialerRetries = 1
	o.ContextTimeoutEnabled = true
	// Nothing is pushed on these connections, and with protocol 3 the library would check for pushes before each
	// answer.
	o.Protocol = 2
	// Without these two settings, new connections send commands that not every server knows.
	o.DisableIdentity = true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	o.OnConnect = func(ctx context.Context, conn *redis.Conn) error {
		server, err := identify(ctx, conn)
		switch {
		case err != nil:
			return err
		case t.server == "": // the subscription, before anyone else has the session
			t.server = server
			t.epochs = Prefix + "e:" + server + ":"
		case t.server != server:
			other(errOtherServer)
			return errOtherServer
		}
		return nil
	}
	t.Client = redis.NewClient(&o)
	t.Reads = coalesce.New(t.Client, 2*t.timeout)
	return t
}

// identify returns an id that differs for each process of a server: run_id of Redis and Valkey, master_replid of
// Dragonfly. A server that reports neither (miniredis) is assumed to keep nothing over a restart.
func identify(ctx context.Context, conn *redis.Conn) (string, error) {
	info, err := conn.Info(ctx).Result()
	if err != nil {
		return "", fmt.Errorf("ask L2 which process it is: %w", err)
	}
	for _, field := range []string{"run_id:", "master_replid:"} {
		if _, rest, found := strings.Cut(info, "\n"+field); found {
			id, _, _ := strings.Cut(rest, "\r")
			return id, nil
		}
	}
	return "0", nil
}

// EpochName returns the name in L2 of a stripe's epoch.
func (t *Session) EpochName(stripe uint16) string { return t.epochs + strconv.Itoa(int(stripe)) }

// Server returns the id of the server process.
func (t *Session) Server() string { return t.server }

// Generation returns L2's generation, or nil when it is not known.
func (t *Session) Generation() *string { return t.generation.Load() }

// Recall returns the epoch of a stripe in L2 if it is known for the epoch at in this instance.
func (t *Session) Recall(stripe uint16, at uint64) (Epoch, bool) { return t.known.recall(stripe, at) }

// Learn remembers the epoch in L2 of a stripe that had the epoch at in this instance before it was read.
func (t *Session) Learn(stripe uint16, at uint64, epoch Epoch) { t.known.learn(stripe, at, epoch) }

// IsReply reports whether an error is an answer of the server, as opposed to the lack of one.
func IsReply(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply)
}
