package api

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
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
	maxTagCount    = 50 // tags of a resource
	maxSearchBytes = 256
	// maxNumbered is how many resources numbered pages reach. The resources before a page are read and skipped.
	maxNumbered = 10_000
)

var complianceStatuses = []string{"unknown", "compliant", "non_compliant", "exempt"}

// tenantOf reads the tenant from the header X-Tenant-ID.
func tenantOf(r *http.Request) (store.ID, error) {
	values := r.Header["X-Tenant-Id"]
	switch len(values) {
	case 0:
		return store.ID{}, errors.New("the header X-Tenant-ID is missing; it names the tenant by its UUID")
	case 1:
	default:
		return store.ID{}, fmt.Errorf("the header X-Tenant-ID must be given once; it was given %d times", len(values))
	}
	tenant, err := parseUUID(values[0])
	if err != nil {
		return store.ID{}, fmt.Errorf("the header X-Tenant-ID: %w", err)
	}
	return tenant, nil
}

// parseUUID accepts only the usual form with hyphens, unlike uuid.Parse.
func parseUUID(s string) (store.ID, error) {
	if len(s) == 36 {
		if id, err := uuid.Parse(s); err == nil {
			return id, nil
		}
	}
	return store.ID{}, fmt.Errorf("%.40q is not a UUID such as 0190a6f4-3c1e-7d2b-9a10-5f3e8c7b6a51", s)
}

func formatUUID(id store.ID) string { return uuid.UUID(id).String() }

// listRequest is what a query string asks for.
type listRequest struct {
	filter store.Filter
	order  store.Order
	fields store.Fields
	limit  int
	page   int // from 1; 0 when pages are not numbered
	total  totalKind
	cursor string // unchecked: see after
}

// totalKind says whether a response has the number of all matching resources.
type totalKind uint8

const (
	noTotal totalKind = iota
	exactTotal
	estimatedTotal
)

// Names of orders and totals in query strings.
var (
	orderNames = [...]string{
		store.UpdatedDescending: "-updated_at", store.UpdatedAscending: "updated_at",
		store.NameAscending: "name", store.NameDescending: "-name",
	}
	totalNames = [...]string{exactTotal: "exact", estimatedTotal: "estimate"}
)

// parseListRequest parses a query string. An error names the wrong parameter and what it should be.
func parseListRequest(query string) (listRequest, error) {
	req := listRequest{limit: defaultLimit}
	if err := eachParameter(query, req.set, "tag"); err != nil {
		return req, err
	}
	return req, req.checkPage()
}

func (q *listRequest) checkPage() error {
	switch {
	case q.page == 0:
		return nil
	case q.cursor != "":
		return errors.New("query parameters page and cursor exclude each other: a cursor already names a position")
	case q.page*q.limit > maxNumbered:
		return fmt.Errorf("query parameter page is %d; with limit %d it can be up to %d, as every resource before "+
			"it is read. "+
			"Walk further by cursor", q.page, q.limit, maxNumbered/q.limit)
	case q.total == noTotal:
		q.total = exactTotal
	}
	return nil
}

func unescapePair(pair string) (name, value string, err error) {
	name, value, _ = strings.Cut(pair, "=")
	name, err = url.QueryUnescape(name)
	if err != nil {
		return "", "", fmt.Errorf("query string: %w", err)
	}
	value, err = url.QueryUnescape(value)
	if err != nil {
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
		return setOneOf(&q.filter.ComplianceStatus, name, value, complianceStatuses)
	case "tag":
		return q.addTag(value)
	case "tag_count":
		count, err := numberParameter(name, value, 0, maxTagCount)
		q.filter.TagCount = &count
		return err
	case "q":
		if len(value) > maxSearchBytes {
			return fmt.Errorf("query parameter q has %d bytes; at most %d are allowed", len(value), maxSearchBytes)
		}
		return setText(&q.filter.Search, name, value)
	case "updated_since":
		since, err := time.Parse(time.RFC3339Nano, value)
		// an offset can lead outside the range of the format
		if year := since.UTC().Year(); err != nil || year < 0 || year > 9999 {
			return fmt.Errorf("query parameter updated_since is %.40q; it must be a time such as 2026-10-01T00:00:00Z",
				value)
		}
		q.filter.UpdatedSince = since.UnixMicro()
		return nil
	case "fields":
		return setFields(&q.fields, name, value)
	case "order_by":
		return setChoice(&q.order, name, value, orderNames[:])
	case "total":
		return setChoice(&q.total, name, value, totalNames[:])
	case "limit":
		return setNumber(&q.limit, name, value, maxLimit)
	case "page":
		return setNumber(&q.page, name, value, maxNumbered)
	case "cursor":
		if _, err := decodeCursor(value); err != nil {
			return fmt.Errorf("query parameter cursor: %w", err)
		}
		q.cursor = value
		return nil
	}
	return unknownParameter(name, "subscription_id, type, location, resource_group, compliance_status, tag, "+
		"tag_count, q, "+
		"updated_since, fields, order_by, limit, cursor, page and total")
}

func numberParameter(name, value string, least, most int) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("query parameter %s is %.40q; it must be a number from %d to %d", name, value, least, most)
	}
	return n, nil
}

func setNumber(field *int, name, value string, most int) (err error) {
	*field, err = numberParameter(name, value, 1, most)
	return err
}

// setChoice sets a field to the index of its value's name.
func setChoice[T ~uint8](field *T, name, value string, names []string) error {
	at := slices.Index(names, value)
	if at < 0 || value == "" {
		return fmt.Errorf("query parameter %s is %.40q; it must be one of %s", name, value,
			strings.TrimLeft(strings.Join(names, ", "), ", "))
	}
	*field = T(at)
	return nil
}

func setText(field *string, name, value string) error {
	if err := checkText(name, value); err != nil {
		return err
	}
	*field = value
	return nil
}

// checkText refuses text that Postgres would refuse.
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

// addTag adds key:value or key. Tags are sorted and unique, so that their order does not make different lists.
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

// canonical returns the same query string for all requests for the same page. parseListRequest parses it.
func (q *listRequest) canonical() []byte {
	b := q.appendList(make([]byte, 0, 256))
	b = appendNumber(b, "&limit=", q.limit)
	if q.page > 0 {
		b = appendNumber(b, "&page=", q.page)
	}
	b = appendFields(b, q.fields)
	b = appendParameter(b, "total", totalNames[q.total])
	return appendParameter(b, "cursor", q.cursor)
}

// appendList appends what identifies a page's list: filter and order.
func (q *listRequest) appendList(b []byte) []byte {
	f := &q.filter
	b = append(b, "order_by="...)
	b = append(b, orderNames[q.order]...)
	b = appendParameter(b, "subscription_id", f.SubscriptionID)
	b = appendParameter(b, "type", f.Type)
	b = appendParameter(b, "location", f.Location)
	b = appendParameter(b, "resource_group", f.ResourceGroup)
	b = appendParameter(b, "compliance_status", f.ComplianceStatus)
	for _, tag := range f.Tags {
		b = append(b, "&tag="...)
		b = appendEscaped(b, tag.Key)
		if tag.HasValue {
			b = append(b, ':')
			b = appendEscaped(b, tag.Value)
		}
	}
	if f.TagCount != nil {
		b = appendNumber(b, "&tag_count=", *f.TagCount)
	}
	b = appendParameter(b, "q", f.Search)
	if f.UpdatedSince != 0 {
		b = append(b, "&updated_since="...)
		b = time.UnixMicro(f.UpdatedSince).UTC().AppendFormat(b, time.RFC3339Nano)
	}
	return b
}

func appendNumber(b []byte, name string, n int) []byte {
	b = append(b, name...)
	return strconv.AppendInt(b, int64(n), 10)
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

// appendEscaped escapes only the bytes that would end or change a value in a query string.
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
