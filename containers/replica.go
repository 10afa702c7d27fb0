package containers

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/jackc/pgx/v5"
)

// replicationSlot keeps, on the primary, the log that the replica has not had, however long the replica is away. Of
// several replicas each has one of its own.
const replicationSlot = "headroom_replica"

// replicaSettings are the settings of a replica: those of its primary, as a standby must have room for as many
// connections, and what lets it serve reads all the time.
func replicaSettings(primary map[string]string) map[string]string {
	settings := maps.Clone(primary)
	for name, value := range map[string]string{
		"hot_standby": "on",
		// Otherwise rows that the primary removes cancel the replica's queries that may still see them.
		"hot_standby_feedback": "on",
		// A primary that was away is found again at once, not after five seconds.
		"wal_retrieve_retry_interval": "250ms",
	} {
		if _, given := settings[name]; !given {
			settings[name] = value
		}
	}
	return settings
}

// baseBackupArgs are the arguments of pg_basebackup that make a replica, except where from and where to. The password
// comes by the environment variable PGPASSWORD.
func baseBackupArgs(slot string) []string {
	return []string{
		"--username=" + databaseUser, "--no-password", "--write-recovery-conf", "--slot=" + slot,
		"--wal-method=stream", "--checkpoint=fast", "--no-sync",
	}
}

// makeReplicationSlot makes the slot on the primary, unless it is there.
func makeReplicationSlot(ctx context.Context, primary, name string) error {
	const slot = `SELECT pg_create_physical_replication_slot($1, true)
		WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = $1)`
	err := withPostgres(ctx, primary, askLimit, func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, slot, name)
		return err
	})
	if err != nil {
		return fmt.Errorf("make the replica's slot on the primary: %w", err)
	}
	return nil
}

// identifyReplica is identifyPostgres for a server that must be a replica.
func identifyReplica(ctx context.Context, url string) (Server, error) {
	server, err := identifyPostgres(ctx, url)
	if err == nil && !server.Standby {
		err = errors.New("it is no replica: pg_is_in_recovery() is false")
	}
	return server, err
}

// awaitStreaming waits until a replica receives its primary's log.
func awaitStreaming(ctx context.Context, replica string) error {
	_, err := awaitServer(ctx, func(ctx context.Context) (Server, error) { return Server{}, streams(ctx, replica) },
		func(context.Context) error { return nil })
	return err
}

// streams returns nil when a replica receives its primary's log.
func streams(ctx context.Context, replica string) error {
	var status string
	err := withPostgres(ctx, replica, askLimit, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, "SELECT coalesce((SELECT status FROM pg_stat_wal_receiver), 'gone')").Scan(&status)
	})
	if err != nil {
		return fmt.Errorf("ask the replica whether it streams: %w", err)
	}
	if status != "streaming" {
		return fmt.Errorf("the replica does not stream: its receiver is %s", status)
	}
	return nil
}
