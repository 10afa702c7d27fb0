package store

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// MaxBatch is the largest number of resources that one insert takes.
const MaxBatch = 1000

// Limits in bytes. The first two keep index entries below what a Postgres page holds; the tag limits are Azure's.
const (
	maxAzureResourceID = 1024
	maxText            = 256
	maxTags            = 50
	maxTagKey          = 512
	maxTagValue        = 256
)

// NewResource is a resource to be inserted. All texts are required; properties and tags may be missing.
type NewResource struct {
	AzureResourceID   string            `json:"azure_resource_id"` // unique within its tenant
	SubscriptionID    string            `json:"subscription_id"`
	ResourceGroupName string            `json:"resource_group_name"`
	Name              string            `json:"name"`
	Type              string            `json:"type"`
	Location          string            `json:"location"`
	Properties        json.RawMessage   `json:"properties"` // a JSON object
	Tags              map[string]string `json:"tags"`
}

// Fault is what is wrong with the resource at Index of a batch.
type Fault struct {
	Index   int    `json:"index"`
	Message string `json:"error"`
}

// ValidationError says why a batch was refused. Nothing of it was inserted.
type ValidationError struct{ Faults []Fault }

// Error names the number of faults and the first one.
func (e *ValidationError) Error() string {
	return fmt.Sprintf("%d faults in the batch, the first at index %d: %s", len(e.Faults), e.Faults[0].Index, e.Faults[0].Message)
}

// Validate returns every fault of a resource, none when it can be inserted.
func (r *NewResource) Validate() []string {
	var faults []string
	text := func(field, value string, limit int) {
		if value == "" {
			faults = append(faults, field+" is missing")
			return
		}
		if fault := textFault(value, limit); fault != "" {
			faults = append(faults, field+" "+fault)
		}
	}
	text("azure_resource_id", r.AzureResourceID, maxAzureResourceID)
	text("subscription_id", r.SubscriptionID, maxText)
	text("resource_group_name", r.ResourceGroupName, maxText)
	text("name", r.Name, maxText)
	text("type", r.Type, maxText)
	text("location", r.Location, maxText)
	if fault := documentFault(r.Properties); fault != "" {
		faults = append(faults, "properties "+fault)
	}
	if len(r.Tags) > maxTags {
		faults = append(faults, fmt.Sprintf("tags has %d entries, at most %d are allowed", len(r.Tags), maxTags))
	}
	for key, value := range r.Tags {
		if fault := textFault(key, maxTagKey); fault != "" {
			faults = append(faults, fmt.Sprintf("tags: key %.40q %s", key, fault))
		}
		if fault := textFault(value, maxTagValue); fault != "" {
			faults = append(faults, fmt.Sprintf("tags: value of %.40q %s", key, fault))
		}
	}
	return faults
}

func textFault(value string, limit int) string {
	switch {
	case len(value) > limit:
		return fmt.Sprintf("has %d bytes, at most %d are allowed", len(value), limit)
	case !utf8.ValidString(value):
		return "is not valid UTF-8"
	case slices.Contains([]byte(value), 0):
		return "contains a NUL character, which Postgres cannot store"
	}
	return ""
}

// Inserted is the outcome of a batch.
type Inserted struct {
	Created   []ID  // in the order of the batch
	Conflicts []int // indexes of resources whose azure_resource_id exists already, or came earlier in the batch
}

// The rows go in by one order of the conflicting key: two batches with the same resources, each in its own order,
// would otherwise wait for each other's rows and one of them would end as a deadlock.
const insertSQL = namePrefix + insertResources + `
INSERT INTO resources (tenant_id, id, azure_resource_id, subscription_id, resource_group_name, name, type, location, properties, tags)
SELECT $1, id, azure_resource_id, subscription_id, resource_group_name, name, type, location, properties::jsonb, tags::jsonb
  FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[])
    AS new (id, azure_resource_id, subscription_id, resource_group_name, name, type, location, properties, tags)
ON CONFLICT (tenant_id, azure_resource_id) WHERE deleted_at IS NULL DO NOTHING
RETURNING id`

// InsertResources inserts 1 to [MaxBatch] resources of a tenant in one statement. A resource that exists already is
// reported in Conflicts and does not hinder the others. A batch with any fault is refused as a whole by a
// [*ValidationError]. The position is one after the commit.
func (s *Store) InsertResources(ctx context.Context, tenant ID, resources []NewResource) (Inserted, LSN, error) {
	if len(resources) == 0 || len(resources) > MaxBatch {
		return Inserted{}, 0, fmt.Errorf("insert resources: a batch has 1 to %d resources, not %d", MaxBatch, len(resources))
	}
	var faults []Fault
	for i := range resources {
		for _, message := range resources[i].Validate() {
			faults = append(faults, Fault{Index: i, Message: message})
		}
	}
	if faults != nil {
		return Inserted{}, 0, &ValidationError{Faults: faults}
	}
	ids, err := newIDs(len(resources))
	if err != nil {
		return Inserted{}, 0, fmt.Errorf("insert resources: %w", err)
	}
	var created []ID
	lsn, err := s.write(ctx, func(conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, insertSQL, insertArguments(tenant, ids, resources)...)
		if err != nil {
			return err
		}
		created, err = pgx.CollectRows(rows, pgx.RowTo[ID])
		return err
	})
	if err != nil {
		return Inserted{}, 0, fmt.Errorf("insert resources: %w", err)
	}
	return splitInserted(ids, created), lsn, nil
}

// newIDs makes UUIDs of version 7: they grow with time, so the primary key's index is filled at its end.
func newIDs(n int) ([]ID, error) {
	ids := make([]ID, n)
	for i := range ids {
		id, err := uuid.NewV7()
		if err != nil {
			return nil, fmt.Errorf("make UUID: %w", err)
		}
		ids[i] = id
	}
	return ids, nil
}

func insertArguments(tenant ID, ids []ID, resources []NewResource) []any {
	order := make([]int, len(resources))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(resources[a].AzureResourceID, resources[b].AzureResourceID)
	})
	sortedIDs := make([]ID, len(order))
	var columns [8][]string
	for c := range columns {
		columns[c] = make([]string, len(order))
	}
	for at, i := range order {
		r := &resources[i]
		sortedIDs[at] = ids[i]
		for c, value := range [8]string{
			r.AzureResourceID, r.SubscriptionID, r.ResourceGroupName, r.Name, r.Type, r.Location,
			objectOrEmpty(r.Properties), tagsObject(r.Tags),
		} {
			columns[c][at] = value
		}
	}
	args := []any{tenant, sortedIDs}
	for c := range columns {
		args = append(args, columns[c])
	}
	return args
}

func objectOrEmpty(properties json.RawMessage) string {
	if trimmed := bytes.TrimSpace(properties); len(trimmed) == 0 || string(trimmed) == "null" {
		return "{}"
	}
	return string(properties)
}

func tagsObject(tags map[string]string) string {
	object := []byte{'{'}
	for key, value := range tags {
		if len(object) > 1 {
			object = append(object, ',')
		}
		object = appendString(object, key)
		object = append(object, ':')
		object = appendString(object, value)
	}
	return string(append(object, '}'))
}

func splitInserted(ids, created []ID) Inserted {
	exists := make(map[ID]bool, len(created))
	for _, id := range created {
		exists[id] = true
	}
	out := Inserted{Created: make([]ID, 0, len(created))}
	for i, id := range ids {
		if exists[id] {
			out.Created = append(out.Created, id)
		} else {
			out.Conflicts = append(out.Conflicts, i)
		}
	}
	return out
}
