package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Each change of a resource is one statement that also records its event: there is no moment at which one of them is
// there without the other, and the tenant's version, which the triggers raise, is locked for that statement alone.

// resourceState is what an event tells of a resource: all that a client can set.
const resourceState = `jsonb_build_object('azure_resource_id', azure_resource_id, 'subscription_id', subscription_id,
         'resource_group_name', resource_group_name, 'name', name, 'type', type, 'location', location,
         'properties', properties, 'tags', tags)`

// recordChange inserts the events of the rows of "changed".
func recordChange(eventType, payload string) string {
	return `recorded AS (
  INSERT INTO events (tenant_id, stream_id, version, type, payload)
  SELECT $1, id, version, '` + eventType + `', ` + payload + ` FROM changed
)`
}

var createSQL = namePrefix + createResource + `
WITH changed AS (
  INSERT INTO resources (tenant_id, id, azure_resource_id, subscription_id, resource_group_name, name, type, location, properties, tags)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::text::jsonb, $10::text::jsonb)
  ON CONFLICT (tenant_id, azure_resource_id) WHERE deleted_at IS NULL DO NOTHING
  RETURNING *
), ` + recordChange("resource.created", resourceState) + `
SELECT ` + resourceColumns + ` FROM changed`

// CreateResource inserts one resource and appends its JSON to dst. It returns [ErrConflict] when the tenant has a
// resource with this azure_resource_id, and a [*ValidationError] for an invalid one; both leave everything as it was.
// The position is one after the commit.
func (s *Store) CreateResource(ctx context.Context, dst []byte, tenant ID, r *NewResource) (body []byte, id ID, lsn LSN, err error) {
	if err := validateOne(r); err != nil {
		return dst, ID{}, 0, err
	}
	ids, err := newIDs(1)
	if err != nil {
		return dst, ID{}, 0, fmt.Errorf("create resource: %w", err)
	}
	body, found := dst, false
	lsn, err = s.write(ctx, func(conn *pgx.Conn) error {
		body, found, err = appendOneResource(ctx, conn, dst, createSQL, resourceFormats, tenant, ids[0], r.AzureResourceID,
			r.SubscriptionID, r.ResourceGroupName, r.Name, r.Type, r.Location, objectOrEmpty(r.Properties), tagsObject(r.Tags))
		return err
	})
	switch {
	case err != nil:
		return dst, ID{}, 0, fmt.Errorf("create resource: %w", err)
	case !found:
		return dst, ID{}, 0, ErrConflict
	}
	return body, ids[0], lsn, nil
}

// AnyVersion as the version that a change expects lets it change whatever version there is.
const AnyVersion = 0

// What a change finds: the resource, if its version is the expected one. A change that waits for another one of the same
// resource compares the version again when that one has been committed, so of two that expect one version one is made.
const expected = ` WHERE id = $2 AND tenant_id = $1 AND deleted_at IS NULL AND ($3 = 0 OR version = $3)`

// An update time that never goes back or stays: now() is when the transaction began, which may be before the change
// that it had to wait for.
const nextTime = `greatest(now(), updated_at + interval '1 microsecond')`

var replaceSQL = namePrefix + replaceResource + `
WITH changed AS (
  UPDATE resources SET azure_resource_id = $4, subscription_id = $5, resource_group_name = $6, name = $7, type = $8,
         location = $9, properties = $10::text::jsonb, tags = $11::text::jsonb, version = version + 1, updated_at = ` + nextTime +
	expected + `
  RETURNING *
), ` + recordChange("resource.updated", resourceState) + `
SELECT ` + resourceColumns + ` FROM changed`

// ReplaceResource replaces all that a client can set of a resource and appends the JSON of its new version to dst. It
// does so if its version is the expected one, or whatever it is for [AnyVersion]; the same change made twice makes two
// versions. It returns [ErrVersion] for another version, [ErrNotFound], [ErrConflict] when another resource of the
// tenant has the azure_resource_id, and a [*ValidationError]; all leave everything as it was. The position is one after
// the commit.
func (s *Store) ReplaceResource(ctx context.Context, dst []byte, tenant, id ID, version int, r *NewResource) ([]byte, LSN, error) {
	if err := validateOne(r); err != nil {
		return dst, 0, err
	}
	body, found := dst, false
	lsn, err := s.write(ctx, func(conn *pgx.Conn) (err error) {
		body, found, err = appendOneResource(ctx, conn, dst, replaceSQL, resourceFormats, tenant, id, version, r.AzureResourceID,
			r.SubscriptionID, r.ResourceGroupName, r.Name, r.Type, r.Location, objectOrEmpty(r.Properties), tagsObject(r.Tags))
		if err != nil || found {
			return err
		}
		return whyUnchanged(ctx, conn, tenant, id, version)
	})
	if err != nil {
		return dst, 0, resourceChangeError("replace resource", err)
	}
	return body, lsn, nil
}

var deleteSQL = namePrefix + deleteResource + `
WITH changed AS (
  UPDATE resources SET deleted_at = now(), version = version + 1, updated_at = ` + nextTime + expected + `
  RETURNING id, version
), ` + recordChange("resource.deleted", "'{}'") + `
SELECT FROM changed`

// DeleteResource marks a resource as deleted, if its version is the expected one or version is [AnyVersion]. Nothing
// reads it from then on; its events remain, and its azure_resource_id is free for another resource. It returns
// [ErrVersion] for another version and [ErrNotFound], also for one that is deleted already. The position is one after
// the commit.
func (s *Store) DeleteResource(ctx context.Context, tenant, id ID, version int) (LSN, error) {
	lsn, err := s.write(ctx, func(conn *pgx.Conn) error {
		tag, err := conn.Exec(ctx, deleteSQL, tenant, id, version)
		if err != nil || tag.RowsAffected() == 1 {
			return err
		}
		return whyUnchanged(ctx, conn, tenant, id, version)
	})
	if err != nil {
		return 0, resourceChangeError("delete resource", err)
	}
	return lsn, nil
}

// whyUnchanged tells the two reasons for which a change finds no row. It looks after the change: one that is deleted in
// between is not found, which is as true.
func whyUnchanged(ctx context.Context, conn *pgx.Conn, tenant, id ID, version int) error {
	if version == AnyVersion {
		return ErrNotFound
	}
	var present bool
	err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM resources WHERE id = $1 AND tenant_id = $2 AND deleted_at IS NULL)", id, tenant).Scan(&present)
	switch {
	case err != nil:
		return err
	case present:
		return ErrVersion
	}
	return ErrNotFound
}

// resourceChangeError leaves the errors that a caller tells apart as they are.
func resourceChangeError(what string, err error) error {
	const uniqueViolation = "23505"
	var fromPostgres *pgconn.PgError
	switch {
	case errors.Is(err, ErrNotFound), errors.Is(err, ErrVersion):
		return err
	case errors.As(err, &fromPostgres) && fromPostgres.Code == uniqueViolation:
		return ErrConflict
	}
	return fmt.Errorf("%s: %w", what, err)
}

// appendOneResource appends the resource that a statement returns, if it returns one.
func appendOneResource(ctx context.Context, conn *pgx.Conn, dst []byte, sql string, args ...any) (body []byte, found bool, err error) {
	rows, err := conn.Query(ctx, sql, args...)
	if err != nil {
		return dst, false, err
	}
	defer rows.Close()
	if found = rows.Next(); found {
		dst = appendResource(dst, rows.RawValues())
	}
	rows.Close()
	return dst, found, rows.Err()
}

// versionAt is where the version begins in the JSON of a resource: the id before it is always as long.
const versionAt = len(`{"id":"00000000-0000-0000-0000-000000000000","version":`)

// ResourceVersion returns the version in the JSON of a resource that this package wrote.
func ResourceVersion(resource []byte) (int, error) {
	end := versionAt
	for end < len(resource) && resource[end] >= '0' && resource[end] <= '9' {
		end++
	}
	if end <= versionAt {
		return 0, errors.New("this is not the JSON of a resource")
	}
	return strconv.Atoi(string(resource[versionAt:end]))
}
