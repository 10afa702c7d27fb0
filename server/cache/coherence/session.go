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

// How long L2 is waited for. Postgres answers in a millisecond, so an L2 that takes longer than this is of no use.
const (
	dialTimeout = 200 * time.Millisecond
	Timeout     = 100 * time.Millisecond
)

// Names in L2. formatVersion is part of all of them: raise it when the form of what is stored, or of what instances say
// to each other, changes. (Instances of two versions do not hear of each other's invalidations.)
const (
	formatVersion = "2"
	Prefix        = "headroom:" + formatVersion + ":"
)

// Session is the time from joining the other instances to losing contact. It has connections of its own, all to the one
// server process that the subscription is made to.
type Session struct {
	Client *redis.Client
	Reads  *coalesce.Reader

	server string // which process it is
	epochs string // prefix of the names of its epochs
	known  knownEpochs
	// generation is what headroom:…:generation holds, as far as known: see generation.go.
	generation atomic.Pointer[string]
}

var errOtherServer = errors.New("another server process answers at the address of L2")

// openSession makes a client whose first connection says which server it is.
func openSession(address *redis.Options, other func(error)) *Session {
	// The library would print a line for every connection that fails. Failures are counted and logged here.
	logging.Disable()
	o := *address
	o.DialTimeout = dialTimeout
	o.ReadTimeout = Timeout
	o.WriteTimeout = Timeout
	o.PoolTimeout = Timeout
	// A second try is what the database is for.
	o.MaxRetries = -1
	o.DialerRetries = 1
	o.ContextTimeoutEnabled = true
	// Nothing is pushed on these connections, and with protocol 3 the library looks for that before each answer.
	o.Protocol = 2
	// These two ask a new connection things that not every server knows.
	o.DisableIdentity = true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	t := &Session{}
	o.OnConnect = func(ctx context.Context, conn *redis.Conn) error {
		server, err := identify(ctx, conn)
		switch {
		case err != nil:
			return err
		case t.server == "": // the subscription, before the session is shown to anyone
			t.server = server
			t.epochs = Prefix + "e:" + server + ":"
		case t.server != server:
			other(errOtherServer)
			return errOtherServer
		}
		return nil
	}
	t.Client = redis.NewClient(&o)
	t.Reads = coalesce.New(t.Client, 2*Timeout)
	return t
}

// identify returns what is new in each process of a server: run_id of Redis and Valkey, master_replid of Dragonfly. A
// server that says neither (miniredis) is taken not to keep anything over a restart.
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

// EpochName is the name of a stripe's epoch.
func (t *Session) EpochName(stripe uint16) string { return t.epochs + strconv.Itoa(int(stripe)) }

// Server says which server process the session is with.
func (t *Session) Server() string { return t.server }

// Generation is that of L2, as far as known: nil when it is not.
func (t *Session) Generation() *string { return t.generation.Load() }

// Recall returns the epoch of a stripe in L2, if it is known for the present epoch at in this instance.
func (t *Session) Recall(stripe uint16, at uint64) (Epoch, bool) { return t.known.recall(stripe, at) }

// Learn remembers the epoch in L2 of a stripe that had the epoch at in this instance before the reading.
func (t *Session) Learn(stripe uint16, at uint64, epoch Epoch) { t.known.learn(stripe, at, epoch) }

// IsReply says whether the server answered, if only to say no.
func IsReply(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply)
}
