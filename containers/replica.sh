# The command of a replica's container, which runs as the user postgres. $1 is the primary's host, $2 its port, and the
# rest are arguments of postgres. A container that is started again has its copy already.
set -eu
host=$1 port=$2
shift 2
export PGDATA="${PGDATA:-/var/lib/postgresql/data}"
if [ ! -s "$PGDATA/PG_VERSION" ]; then
	mkdir -p "$PGDATA"
	chmod 700 "$PGDATA"
	pg_basebackup -D "$PGDATA" -h "$host" -p "$port" BASE_BACKUP_ARGS
fi
exec postgres -D "$PGDATA" "$@"
