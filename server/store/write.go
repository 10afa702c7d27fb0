package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"
)

// Each change of a resource is one statement that also records its event. So neither is ever visible without the other,
// and the tenant's version, which triggers increment, is locked for that statement only.

// resourceState is the resource in an event: all fields that a client can set.
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
// resource with this azure_resource_id, and a [*ValidationError] for an invalid one; both change nothing. The LSN is
// one after the commit.
func (s *Store) CreateResource(ctx context.Context, dst []byte, tenant ID, r *NewResource) (body []byte, id ID, lsn LSN,
	err error,
) {
	if err := refusal(r.faults()); err != nil {
		return dst, ID{}, 0, err
	}
	id = newID()
	lsn, err = s.write(ctx, func(conn *pgx.Conn) (err error) {
		body, err = appendOne(ctx, conn, dst, appendResource, createSQL, resourceFormats, tenant, id, r.AzureResourceID,
			r.SubscriptionID, r.ResourceGroupName, r.Name, r.Type, r.Location, objectOrEmpty(r.Properties),
			tagsObject(r.Tags))
		return err
	})
	switch {
	case errors.Is(err, ErrNotFound): // what there was to insert conflicted
		return dst, ID{}, 0, ErrConflict
	case err != nil:
		return dst, ID{}, 0, fmt.Errorf("create resource: %w", err)
	}
	return body, id, lsn, nil
}

// AnyVersion as the expected version lets a change apply to any version.
const AnyVersion = 0

// What a change finds: the resource, if its version is the expected one. A change that waits for another one of the
// same resource compares the version again when that one has been committed, so of two that expect one version one is
// made.
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

// ReplaceResource replaces all client fields of a resource with the expected version, or any version for [AnyVersion],
// and appends the JSON of the new version to dst. The same change made twice makes two versions. It returns
// [ErrVersion] for another version, [ErrNotFound], [ErrConflict] when another resource of the tenant has the
// azure_resource_id, or a [*ValidationError]; all change nothing. The LSN is one after the commit.
func (s *Store) ReplaceResource(ctx context.Context, dst []byte, tenant, id ID, version int, r *NewResource) ([]byte,
	LSN, error,
) {
	if err := refusal(r.faults()); err != nil {
		return dst, 0, err
	}
	var body []byte
	lsn, err := s.write(ctx, func(conn *pgx.Conn) (err error) {
		body, err = appendOne(ctx, conn, dst, appendResource, replaceSQL, resourceFormats, tenant, id, version,
			r.AzureResourceID,
			r.SubscriptionID, r.ResourceGroupName, r.Name, r.Type, r.Location, objectOrEmpty(r.Properties),
			tagsObject(r.Tags))
		return staleOrMissing(ctx, conn, err, existsSQL, tenant, id, version)
	})
	if err != nil {
		return dst, 0, fmt.Errorf("replace resource: %w", changeError(err, azureKey))
	}
	return body, lsn, nil
}

var deleteSQL = namePrefix + deleteResource + `
WITH changed AS (
  UPDATE resources SET deleted_at = now(), version = version + 1, updated_at = ` + nextTime + expected + `
  RETURNING id, version
), ` + recordChange("resource.deleted", "'{}'") + `
SELECT FROM changed`

// DeleteResource marks a resource with the expected version, or any version for [AnyVersion], as deleted. It can no
// longer be read; its events remain, and its azure_resource_id becomes free. It returns [ErrVersion] for another
// version and [ErrNotFound], also for a deleted resource. The LSN is one after the commit.
func (s *Store) DeleteResource(ctx context.Context, tenant, id ID, version int) (LSN, error) {
	lsn, err := s.write(ctx, func(conn *pgx.Conn) error {
		tag, err := conn.Exec(ctx, deleteSQL, tenant, id, version)
		if err != nil || tag.RowsAffected() == 1 {
			return err
		}
		return staleOrMissing(ctx, conn, ErrNotFound, existsSQL, tenant, id, version)
	})
	if err != nil {
		return 0, fmt.Errorf("delete resource: %w", err)
	}
	return lsn, nil
}

// existsSQL tells the two reasons apart for which a change finds no row. It looks after the change: what is deleted in
// between is not found, which is as true.
const existsSQL = "SELECT $3 <> 0 AND EXISTS (SELECT FROM resources WHERE tenant_id = $1 AND id = $2 AND " +
	"deleted_at IS NULL)"

// azureKey is the unique key of the resources of a tenant.
const azureKey = "uq_resources_azure"

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
