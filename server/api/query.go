package api

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/policycortex/headroom/server/store"
)

// eachParameter calls set for every parameter of a query string. Parameters that are not repeatable may occur once. It
// scans the string itself, because url.ParseQuery would build a map for each request.
func eachParameter(query string, set func(name, value string) error, repeatable ...string) error {
	seen := make([]string, 0, 8)
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		if pair == "" {
			continue
		}
		name, value, err := unescapePair(pair)
		if err != nil {
			return err
		}
		if slices.Contains(seen, name) && !slices.Contains(repeatable, name) {
			return fmt.Errorf("query parameter %s is given more than once", name)
		}
		seen = append(seen, name)
		if err := set(name, value); err != nil {
			return err
		}
	}
	return nil
}

func unknownParameter(name, known string) error {
	return fmt.Errorf("unknown query parameter %.40q; known are %s", name, known)
}

func setOneOf(field *string, name, value string, known []string) error {
	if !slices.Contains(known, value) {
		return fmt.Errorf("query parameter %s is %.40q; it must be one of %s", name, value, strings.Join(known, ", "))
	}
	*field = value
	return nil
}

func setBool(field *bool, name, value string) error {
	var choice string
	err := setOneOf(&choice, name, value, []string{"true", "false"})
	*field = choice == "true"
	return err
}

func setID(field **store.ID, name, value string) error {
	id, err := parseUUID(value)
	if err != nil {
		return fmt.Errorf("query parameter %s: %w", name, err)
	}
	*field = &id
	return nil
}

// firstDay is the first one that a query string can name.
var firstDay = time.Unix(0, 0).UTC()

func setDay(field *time.Time, name, value string) error {
	day, err := time.Parse(time.DateOnly, value)
	if err != nil || day.Before(firstDay) {
		return fmt.Errorf("query parameter %s is %.40q; it must be a day such as 2026-01-31", name, value)
	}
	*field = day
	return nil
}

func appendID(b []byte, name string, id *store.ID) []byte {
	if id == nil {
		return b
	}
	return appendParameter(b, name, formatUUID(*id))
}

// asked returns the tenant of a request whose query string parse accepts. If ok is false, it has answered the request.
func asked(c *gin.Context, parse func(query string) error) (tenant store.ID, ok bool) {
	tenant, err := tenantOf(c.Request)
	if err == nil {
		err = parse(c.Request.URL.RawQuery)
	}
	if err != nil {
		refuse(c, http.StatusBadRequest, err.Error())
		return tenant, false
	}
	return tenant, true
}
