package store

import (
	"fmt"
	"reflect"
	"time"

	"github.com/jackc/pgx/v5"
)

// maxParameterBytes bounds the copy of a slow statement's parameters. A batch can have a megabyte.
const maxParameterBytes = 64 << 10

// keep keeps the parameters of the slowest execution of a statement, after note has counted it. They are copied,
// because their owner may change them.
func (s *slowQueries) keep(sql string, took time.Duration, args []any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.shapes[sql]
	if q == nil || took < q.Slowest {
		return
	}
	q.Parameters, q.NotKept = copyParameters(args)
}

// copyParameters returns the parameters among the arguments of a query, or why they are not kept.
func copyParameters(args []any) (parameters []any, notKept string) {
	parameters = []any{} // a statement may have none
	size := 0
	for _, arg := range args {
		switch arg.(type) {
		case pgx.QueryResultFormats, pgx.QueryExecMode:
			continue // how to query, for pgx
		}
		kept, bytes, ok := copyParameter(arg)
		size += bytes
		switch {
		case !ok:
			return nil, fmt.Sprintf("parameters of type %T are not kept", arg)
		case size > maxParameterBytes:
			return nil, fmt.Sprintf("its parameters have more than %d bytes", maxParameterBytes)
		}
		parameters = append(parameters, kept)
	}
	return parameters, ""
}

// copyParameter copies a value and tells its size. Elements of slices are values, or pointers to what nobody changes.
func copyParameter(arg any) (kept any, bytes int, ok bool) {
	switch v := arg.(type) {
	case nil:
		return nil, 0, true
	case string:
		return v, len(v), true
	case time.Time:
		return v, 0, true
	}
	v := reflect.ValueOf(arg)
	switch v.Kind() {
	case reflect.Bool, reflect.Int, reflect.Int32, reflect.Int64, reflect.Float64, reflect.Array:
		return arg, int(v.Type().Size()), true
	case reflect.Slice:
		all := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		bytes = v.Len() * int(v.Type().Elem().Size())
		for i := range reflect.Copy(all, v) {
			if element := v.Index(i); element.Kind() == reflect.String {
				bytes += element.Len()
			}
		}
		return all.Interface(), bytes, true
	}
	return nil, 0, false
}
