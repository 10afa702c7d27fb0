package store

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
)

// Filter selects resources; an empty field selects all.
type Filter struct {
	SubscriptionID   string
	Type             string
	Location         string
	ResourceGroup    string
	ComplianceStatus string
	Tags             []Tag // all must match
	TagCount         *int  // with exactly so many tags
	// Search is a full-text search in name and description, in the syntax of websearch_to_tsquery: words, "phrases",
	// or, -not. A search for stop words alone, such as "the", finds nothing.
	Search string
	// UpdatedSince selects resources updated at that time or later, in Unix microseconds.
	UpdatedSince int64
}

// Tag selects resources with the tag Key and, if HasValue, exactly this Value.
type Tag struct {
	Key, Value string
	HasValue   bool
}

// newStatement begins a statement about resources. Where one index holds the matching rows together, one cached plan
// suits all values. Otherwise the right plan depends on the frequency of the values, so each query is planned anew.
// That costs Postgres about 0.2 ms; a plan for values of average frequency could read the whole tenant.
func newStatement(formats any, keepPlan bool) *statement {
	b := &statement{args: make([]any, 0, 16), anew: !keepPlan, row: &wholeRow}
	b.Grow(1024)
	b.args = append(b.args, formats)
	if b.anew {
		b.args = append(b.args, planAnew)
	}
	return b
}

var (
	planAnew  any = pgx.QueryExecModeCacheDescribe
	noFormats any = pgx.QueryResultFormats(nil)
)

// where adds the conditions of a filter.
func (b *statement) where(tenant ID, f *Filter) {
	b.bind(" WHERE tenant_id = ", tenant, " AND deleted_at IS NULL")
	b.conditions(f)
}

// conditions adds the conditions of where except the tenant.
func (b *statement) conditions(f *Filter) {
	b.equals(" AND subscription_id = ", f.SubscriptionID)
	b.equals(" AND type = ", f.Type)
	b.equals(" AND location = ", f.Location)
	b.equals(" AND resource_group_name = ", f.ResourceGroup)
	b.equals(" AND compliance_status = ", f.ComplianceStatus)
	if len(f.Tags) > 0 {
		b.bind(" AND tag_terms @> ", tagTerms(f.Tags), "::text[]")
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
}

// possible reports whether a resource can match: one tag cannot have two values.
func (f *Filter) possible() bool {
	for i, a := range f.Tags {
		for _, b := range f.Tags[:i] {
			if a.Key == b.Key && a.HasValue && b.HasValue && a.Value != b.Value {
				return false
			}
		}
	}
	return true
}

// selectsAll reports whether there is no condition.
func (f *Filter) selectsAll() bool {
	return f.SubscriptionID+f.Type+f.Location+f.ResourceGroup+f.ComplianceStatus+f.Search == "" && f.Tags == nil &&
		f.TagCount == nil && f.UpdatedSince == 0
}

// indexed reports whether an index begins with exactly the columns that the filter compares for equality, so that the
// matching entries are adjacent.
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

// tagTerms are the elements of the column tag_terms that what has all of the tags has.
func tagTerms(tags []Tag) []string {
	terms := make([]string, len(tags))
	for i, tag := range tags {
		if tag.HasValue {
			terms[i] = tagTerm(strconv.Itoa(len(tag.Key)) + ":" + tag.Key + tag.Value)
		} else {
			terms[i] = tagTerm(":" + tag.Key)
		}
	}
	return terms
}

// maxTermBytes keeps an entry of the index well below what it takes.
const maxTermBytes = 256

func tagTerm(term string) string {
	if len(term) <= maxTermBytes {
		return term
	}
	sum := sha256.Sum256([]byte(term))
	return "#" + hex.EncodeToString(sum[:])
}
