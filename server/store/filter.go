package store

import (
	"strconv"
	"strings"
	"time"
)

// Filter selects resources; an empty field selects all.
type Filter struct {
	SubscriptionID   string
	Type             string
	Location         string
	ResourceGroup    string
	ComplianceStatus string
	Tags             []Tag // all of them must match
	TagCount         *int  // with exactly so many tags
	// Search is a full-text search in name and description as of websearch_to_tsquery: words, "phrases", or, -not.
	// A search for nothing but words that the language does not count, such as "the", finds nothing.
	Search string
	// UpdatedSince selects what was updated at that time or later, in Unix microseconds.
	UpdatedSince int64
}

// Tag selects resources that have the tag Key, and, when HasValue, with exactly that Value.
type Tag struct {
	Key, Value string
	HasValue   bool
}

// selection is a statement under construction. The first two of its arguments are for pgx: the formats of the columns
// and whether the plan may be kept; the others are its parameters.
type selection struct {
	sql  strings.Builder
	args []any
}

const optionArgs = 2

func newSelection(formats any, mode any) *selection {
	b := &selection{args: append(make([]any, 0, 16), formats, mode)}
	b.sql.Grow(1024)
	return b
}

func (b *selection) add(text string) { b.sql.WriteString(text) }

// bind adds a parameter between two pieces of text.
func (b *selection) bind(before string, value any, after string) {
	b.args = append(b.args, value)
	b.sql.WriteString(before)
	b.sql.WriteByte('$')
	b.sql.WriteString(strconv.Itoa(len(b.args) - optionArgs))
	b.sql.WriteString(after)
}

func (b *selection) equals(condition, value string) {
	if value != "" {
		b.bind(condition, value, "")
	}
}

// where adds the conditions of a filter. It returns false when no resource can match: one tag cannot have two values.
func (b *selection) where(tenant ID, f *Filter) (possible bool) {
	b.bind(" WHERE tenant_id = ", tenant, " AND deleted_at IS NULL")
	b.equals(" AND subscription_id = ", f.SubscriptionID)
	b.equals(" AND type = ", f.Type)
	b.equals(" AND location = ", f.Location)
	b.equals(" AND resource_group_name = ", f.ResourceGroup)
	b.equals(" AND compliance_status = ", f.ComplianceStatus)
	contained, keys, possible := tagConditions(f.Tags)
	if !possible {
		return false
	}
	if contained != "" {
		b.bind(" AND tags @> ", contained, "::jsonb")
	}
	if keys != nil {
		b.bind(" AND tags ?& ", keys, "::text[]")
	}
	if f.TagCount != nil {
		b.bind(" AND jsonb_key_count(tags) = ", *f.TagCount, "")
	}
	if f.Search != "" {
		b.bind(" AND search @@ websearch_to_tsquery('english', ", f.Search, ")")
	}
	if f.UpdatedSince != 0 {
		b.bind(" AND updated_at >= ", time.UnixMicro(f.UpdatedSince), "")
	}
	return true
}

// indexed reports whether there is an index that begins with just the columns that the filter compares for equality.
// What matches is then one stretch of it.
func (f *Filter) indexed() bool {
	if len(f.Tags) > 0 || f.Search != "" {
		return false
	}
	compared := 0
	for _, value := range [...]string{f.SubscriptionID, f.Type, f.Location, f.ResourceGroup, f.ComplianceStatus} {
		if value != "" {
			compared++
		}
	}
	if f.TagCount != nil {
		compared++
	}
	return compared <= 1 || compared == 3 && f.SubscriptionID != "" && f.Type != "" && f.Location != ""
}

// tagConditions sorts tags into one object that must be contained and the keys that must exist.
func tagConditions(tags []Tag) (contained string, keys []string, possible bool) {
	if len(tags) == 0 {
		return "", nil, true
	}
	values := make(map[string]string, len(tags))
	object := []byte{'{'}
	for _, tag := range tags {
		if !tag.HasValue {
			keys = append(keys, tag.Key)
			continue
		}
		value, seen := values[tag.Key]
		if seen && value != tag.Value {
			return "", nil, false
		}
		if seen {
			continue
		}
		values[tag.Key] = tag.Value
		if len(object) > 1 {
			object = append(object, ',')
		}
		object = appendString(object, tag.Key)
		object = append(object, ':')
		object = appendString(object, tag.Value)
	}
	if len(values) == 0 {
		return "", keys, true
	}
	return string(append(object, '}')), keys, true
}
