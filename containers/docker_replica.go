package containers

import (
	"context"
	_ "embed"
	"strconv"
	"strings"

	"github.com/testcontainers/testcontainers-go"
)

//go:embed replica.sh
var replicaScript string

// primaryName is what a replica's container calls its primary in a network of their own.
const primaryName = "primary"

// allowReplication is a script that the image's entrypoint runs when it has made the cluster. The official image lets
// everybody with the password into the databases, but nobody from another container into replication.
func allowReplication() testcontainers.ContainerFile {
	const script = `echo 'host replication all all scram-sha-256' >>"$PGDATA/pg_hba.conf"` + "\n"
	return testcontainers.ContainerFile{
		Reader: strings.NewReader(script), ContainerFilePath: "/docker-entrypoint-initdb.d/headroom-replication.sh",
		FileMode: 0o755,
	}
}

// startReplica starts a container that copies the primary and streams from it. It needs an image whose entrypoint is
// not needed: one with pg_basebackup, postgres and a user postgres.
func (r *dockerRun) startReplica(ctx context.Context, env *Environment, o Options) error {
	if err := makeReplicationSlot(ctx, env.PostgresURL, replicationSlot); err != nil {
		return err
	}
	host, port := loopback, r.primary.port
	var links []string
	if !r.engine.hostNetwork {
		// The engine keeps the name's address right when the primary is started again.
		host, port = primaryName, postgresPort
		links = []string{r.primary.container.GetContainerID() + ":" + primaryName}
	}
	script := strings.ReplaceAll(replicaScript, "BASE_BACKUP_ARGS", strings.Join(baseBackupArgs(replicationSlot), " "))
	return onFreePort(func(free int) error {
		settings := replicaSettings(r.settings)
		address, own := r.listen(free, postgresPort)
		settings["listen_addresses"], settings["port"] = address, strconv.Itoa(own)
		q := request{
			image: o.PostgresImage, port: own, hostPort: free, sharedMem: sharedMemory, user: "postgres", links: links,
			entrypoint: []string{"sh", "-c", script, "headroom-replica", host, strconv.Itoa(port)},
			args:       settingArgs(settings), env: map[string]string{"PGPASSWORD": r.password},
		}
		s, server, err := r.serve(ctx, env, TargetReplica, q,
			func(ctx context.Context, host string, port int) (Server, error) {
				return identifyReplica(ctx, postgresURL(host, port, r.password, databaseName))
			})
		if err != nil {
			return err
		}
		env.ReplicaURL, env.Replica = postgresURL(s.host, s.port, r.password, databaseName), server
		return awaitStreaming(ctx, env.ReplicaURL)
	})
}
