package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// MaxBatch is the maximum number of resources, evaluations or costs in one call.
const MaxBatch = 1000

// Inserted is the outcome of a batch.
type Inserted struct {
	Created   []ID  // in the order of the batch
	Conflicts []int // indexes of resources whose azure_resource_id exists already, or came earlier in the batch
}

// Rows are inserted in the order of the conflicting key. Otherwise two batches with the same resources in different
// orders could wait for each other and deadlock.
var insertSQL = namePrefix + insertResources + `
WITH changed AS (
  INSERT INTO resources (tenant_id, id, azure_resource_id, subscription_id, resource_group_name, name, type, location, properties, tags)
  SELECT $1, id, azure_resource_id, subscription_id, resource_group_name, name, type, location, properties::jsonb, tags::jsonb
    FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[])
      AS new (id, azure_resource_id, subscription_id, resource_group_name, name, type, location, properties, tags)
  ON CONFLICT (tenant_id, azure_resource_id) WHERE deleted_at IS NULL DO NOTHING
  RETURNING *
), ` + recordChange("resource.created", resourceState) + `
SELECT id FROM changed`

// InsertResources inserts 1 to [MaxBatch] resources of a tenant in one statement, with an event for each. Existing
// resources are reported in Conflicts and do not affect the others. A batch with a fault is refused as a whole by a
// [*ValidationError]. The LSN is one after the commit.
func (s *Store) InsertResources(ctx context.Context, tenant ID, resources []NewResource) (Inserted, LSN, error) {
	if len(resources) == 0 || len(resources) > MaxBatch {
		return Inserted{}, 0, fmt.Errorf("insert resources: a batch has 1 to %d resources, not %d", MaxBatch,
			len(resources))
	}
	if err := refusal(ResourceFaults(resources)); err != nil {
		return Inserted{}, 0, err
	}
	ids := make([]ID, len(resources))
	for i := range ids {
		ids[i] = newID()
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
		err = s.eachFault(ctx, len(resources), err, func(conn *pgx.Conn, i int) error {
			_, err := conn.Exec(ctx, insertSQL, insertArguments(tenant, ids[i:i+1], resources[i:i+1])...)
			return err
		})
		return Inserted{}, 0, fmt.Errorf("insert resources: %w", err)
	}
	s.loads.add(len(created))
	return splitInserted(ids, created), lsn, nil
}

// newID makes a version 7 UUID. These grow with time, so that the primary key's index is filled at its end. It cannot
// fail: crypto/rand ends the process instead.
func newID() ID { return ID(uuid.Must(uuid.NewV7())) }

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
