package api

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/policycortex/headroom/server/store"
)

const (
	defaultLimit = 20
	maxLimit     = 100
	// maxFilterBytes bounds the value of a filter, maxTagFilters their number.
	maxFilterBytes = 1024
	maxTagFilters  = 10
)

var complianceStatuses = []string{"unknown", "compliant", "non_compliant", "exempt"}

// tenantOf reads the tenant from the header X-Tenant-ID.
func tenantOf(r *http.Request) (store.ID, error) {
	values := r.Header["X-Tenant-Id"]
	if len(values) != 1 {
		return store.ID{}, fmt.Errorf("the header X-Tenant-ID must be given once, as a UUID; it was given %d times", len(values))
	}
	tenant, err := parseUUID(values[0])
	if err != nil {
		return store.ID{}, fmt.Errorf("the header X-Tenant-ID: %w", err)
	}
	return tenant, nil
}

// parseUUID takes the usual form with hyphens only: of the others that uuid.Parse knows, none names a resource here.
func parseUUID(s string) (store.ID, error) {
	if len(s) == 36 {
		if id, err := uuid.Parse(s); err == nil {
			return id, nil
		}
	}
	return store.ID{}, fmt.Errorf("%.40q is not a UUID such as 0190a6f4-3c1e-7d2b-9a10-5f3e8c7b6a51", s)
}

// listRequest is what a query string asks for.
type listRequest struct {
	filter store.Filter
	limit  int
	after  *store.Position
}

// parseListRequest reads a query string. It walks the string itself: url.ParseQuery would build a map for every
// request. An error says which parameter is wrong and what it should be.
func parseListRequest(query string) (listRequest, error) {
	req := listRequest{limit: defaultLimit}
	seen := make(map[string]bool, 8) // stays on the stack
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		if pair == "" {
			continue
		}
		name, value, err := unescapePair(pair)
		if err != nil {
			return req, err
		}
		if seen[name] && name != "tag" {
			return req, fmt.Errorf("query parameter %s is given more than once", name)
		}
		seen[name] = true
		if err := req.set(name, value); err != nil {
			return req, err
		}
	}
	return req, nil
}

func unescapePair(pair string) (name, value string, err error) {
	name, value, _ = strings.Cut(pair, "=")
	if name, err = url.QueryUnescape(name); err != nil {
		return "", "", fmt.Errorf("query string: %w", err)
	}
	if value, err = url.QueryUnescape(value); err != nil {
		return "", "", fmt.Errorf("query parameter %.40q: %w", name, err)
	}
	return name, value, nil
}

func (q *listRequest) set(name, value string) error {
	switch name {
	case "subscription_id":
		return setText(&q.filter.SubscriptionID, name, value)
	case "type":
		return setText(&q.filter.Type, name, value)
	case "location":
		return setText(&q.filter.Location, name, value)
	case "resource_group":
		return setText(&q.filter.ResourceGroup, name, value)
	case "compliance_status":
		if !slices.Contains(complianceStatuses, value) {
			return fmt.Errorf("query parameter compliance_status is %.40q; it must be one of %s",
				value, strings.Join(complianceStatuses, ", "))
		}
		q.filter.ComplianceStatus = value
	case "tag":
		return q.addTag(value)
	case "limit":
		limit, err := strconv.Atoi(value)
		if err != nil || limit < 1 || limit > maxLimit {
			return fmt.Errorf("query parameter limit is %.40q; it must be a number from 1 to %d", value, maxLimit)
		}
		q.limit = limit
	case "cursor":
		after, err := decodeCursor(value)
		if err != nil {
			return fmt.Errorf("query parameter cursor: %w", err)
		}
		q.after = &after
	default:
		return fmt.Errorf("unknown query parameter %.40q; known are subscription_id, type, location, resource_group, "+
			"tag, compliance_status, limit and cursor", name)
	}
	return nil
}

func setText(field *string, name, value string) error {
	if err := checkText(name, value); err != nil {
		return err
	}
	*field = value
	return nil
}

// checkText refuses what Postgres would refuse as text.
func checkText(name, value string) error {
	switch {
	case value == "":
		return fmt.Errorf("query parameter %s is empty; leave it out to select all", name)
	case len(value) > maxFilterBytes:
		return fmt.Errorf("query parameter %s has %d bytes; at most %d are allowed", name, len(value), maxFilterBytes)
	case !utf8.ValidString(value) || strings.IndexByte(value, 0) >= 0:
		return fmt.Errorf("query parameter %s is not text in UTF-8", name)
	}
	return nil
}

// addTag takes key:value or key. Tags are kept sorted and single, so that their order makes no other list.
func (q *listRequest) addTag(value string) error {
	if err := checkText("tag", value); err != nil {
		return err
	}
	var tag store.Tag
	tag.Key, tag.Value, tag.HasValue = strings.Cut(value, ":")
	at, found := slices.BinarySearchFunc(q.filter.Tags, tag, compareTags)
	if found {
		return nil
	}
	if len(q.filter.Tags) == maxTagFilters {
		return fmt.Errorf("query parameter tag is given more than %d times", maxTagFilters)
	}
	q.filter.Tags = slices.Insert(q.filter.Tags, at, tag)
	return nil
}

func compareTags(a, b store.Tag) int {
	if c := strings.Compare(a.Key, b.Key); c != 0 {
		return c
	}
	if a.HasValue != b.HasValue {
		if b.HasValue {
			return -1
		}
		return 1
	}
	return strings.Compare(a.Value, b.Value)
}

// canonical returns the one query string for all that ask for the same page. parseListRequest reads it back.
func (q *listRequest) canonical() string {
	b := make([]byte, 0, 256)
	b = append(b, "limit="...)
	b = strconv.AppendInt(b, int64(q.limit), 10)
	b = appendParameter(b, "subscription_id", q.filter.SubscriptionID)
	b = appendParameter(b, "type", q.filter.Type)
	b = appendParameter(b, "location", q.filter.Location)
	b = appendParameter(b, "resource_group", q.filter.ResourceGroup)
	b = appendParameter(b, "compliance_status", q.filter.ComplianceStatus)
	for _, tag := range q.filter.Tags {
		b = append(b, "&tag="...)
		b = appendEscaped(b, tag.Key)
		if tag.HasValue {
			b = append(b, ':')
			b = appendEscaped(b, tag.Value)
		}
	}
	if q.after != nil {
		b = append(b, "&cursor="...)
		b = appendCursor(b, *q.after)
	}
	return string(b)
}

func appendParameter(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	b = append(b, '&')
	b = append(b, name...)
	b = append(b, '=')
	return appendEscaped(b, value)
}

// appendEscaped escapes only what would end or change a value in a query string.
func appendEscaped(b []byte, value string) []byte {
	const digits = "0123456789ABCDEF"
	for i := range len(value) {
		switch c := value[i]; {
		case c <= ' ' || c == 0x7f || c == '%' || c == '&' || c == '+':
			b = append(b, '%', digits[c>>4], digits[c&0xf])
		default:
			b = append(b, c)
		}
	}
	return b
}
