package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/caarlos0/env/v11"
	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"github.com/policycortex/headroom/server"
)

// readyFormat is the line that a server prints when it answers.
const readyFormat = "serving %s admin %s\n"

// Environment variables that tell a peer what to serve from.
const (
	varDir      = "BENCH_SERVER_DIR" // has the files itemFile and listFile
	varPostgres = "HEADROOM_POSTGRES_URL"
	varCache    = "HEADROOM_CACHE_URL"
)

// Files with the bodies that those peers serve which know no other.
const (
	itemFile = "item.json"
	listFile = "list.json"
)

// serve runs one server until ctx is done. Kind "ours" is the product as its environment configures it.
func serve(ctx context.Context, kind string) error {
	gin.SetMode(gin.ReleaseMode)
	if kind == "ours" {
		var o server.Options
		if err := env.Parse(&o); err != nil {
			return err
		}
		return server.Run(ctx, o, func(addr, admin string) { fmt.Printf(readyFormat, addr, admin) })
	}
	handler, err := peer(ctx, kind)
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	context.AfterFunc(ctx, func() { s.Close() })
	fmt.Printf(readyFormat, listener.Addr(), "none")
	if err := s.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func peer(ctx context.Context, kind string) (http.Handler, error) {
	switch kind {
	case "nethttp":
		return bareNetHTTP()
	case "gin":
		return bareGin()
	case "redis":
		return bareRedis()
	case "pgx":
		return barePgx(ctx)
	}
	return nil, fmt.Errorf("no server %q", kind)
}

func bodies() (item, list []byte, err error) {
	dir := os.Getenv(varDir)
	item, err = os.ReadFile(filepath.Join(dir, itemFile))
	if err != nil {
		return nil, nil, err
	}
	list, err = os.ReadFile(filepath.Join(dir, listFile))
	return item, list, err
}

// bareNetHTTP is as little as a net/http handler can do.
func bareNetHTTP() (http.Handler, error) {
	item, _, err := bodies()
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+itemRoute+"{id}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write(item)
	})
	return mux, nil
}

// bareGin is a Gin without middleware that has the bytes at hand.
func bareGin() (http.Handler, error) {
	item, list, err := bodies()
	if err != nil {
		return nil, err
	}
	e := gin.New()
	e.GET(itemRoute+":id", func(c *gin.Context) { c.Data(http.StatusOK, "application/json", item) })
	e.GET(listRoute, func(c *gin.Context) { c.Data(http.StatusOK, "application/json", list) })
	return e, nil
}

// bareRedis asks the cache server at each request, by go-redis as it comes.
func bareRedis() (http.Handler, error) {
	o, err := redis.ParseURL(os.Getenv(varCache))
	if err != nil {
		return nil, err
	}
	client := redis.NewClient(o)
	e := gin.New()
	e.GET(itemRoute+":id", func(c *gin.Context) {
		body, err := client.Get(c.Request.Context(), redisPeerKey+c.Param("id")).Bytes()
		if err != nil {
			c.AbortWithStatus(http.StatusInternalServerError)
			return
		}
		c.Data(http.StatusOK, "application/json", body)
	})
	return e, nil
}

// row is a resource as a hand-written scan takes it: documents stay bytes, ids stay arrays.
type row struct {
	id                                                 [16]byte
	azureID, subscription, group, name, kind, location string
	properties, tags                                   []byte
	compliance                                         string
	version                                            int64
	created, updated                                   time.Time
}

// barePgx asks Postgres at each request, by QueryRow with prepared statements, and writes the JSON by hand.
func barePgx(ctx context.Context) (http.Handler, error) {
	config, err := pgxpool.ParseConfig(os.Getenv(varPostgres))
	if err != nil {
		return nil, err
	}
	config.MaxConns, config.MinConns = postgresConns, postgresConns
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	e := gin.New()
	e.GET(itemRoute+":id", func(c *gin.Context) {
		id, err := uuid.Parse(c.Param("id"))
		tenant, errTenant := uuid.Parse(c.GetHeader("X-Tenant-ID"))
		if err != nil || errTenant != nil {
			c.AbortWithStatus(http.StatusBadRequest)
			return
		}
		var r row
		err = pool.QueryRow(c.Request.Context(), `SELECT id, version, azure_resource_id, subscription_id, resource_group_name, name, type,
			location, properties, tags, compliance_status, created_at, updated_at
			FROM resources WHERE id = $1 AND tenant_id = $2 AND deleted_at IS NULL`, [16]byte(id), [16]byte(tenant)).
			Scan(&r.id, &r.version, &r.azureID, &r.subscription, &r.group, &r.name, &r.kind, &r.location, &r.properties,
				&r.tags,
				&r.compliance, &r.created, &r.updated)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			c.AbortWithStatus(http.StatusNotFound)
		case err != nil:
			c.AbortWithStatus(http.StatusInternalServerError)
		default:
			c.Data(http.StatusOK, "application/json", r.appendJSON(make([]byte, 0, 1536)))
		}
	})
	return e, nil
}

func (r *row) appendJSON(b []byte) []byte {
	b = append(b, `{"id":"`...)
	b = appendUUID(b, r.id)
	b = strconv.AppendInt(append(b, `","version":`...), r.version, 10)
	b = appendText(b, `,"azure_resource_id":`, r.azureID)
	b = appendText(b, `,"subscription_id":`, r.subscription)
	b = appendText(b, `,"resource_group_name":`, r.group)
	b = appendText(b, `,"name":`, r.name)
	b = appendText(b, `,"type":`, r.kind)
	b = appendText(b, `,"location":`, r.location)
	b = append(append(b, `,"properties":`...), r.properties...)
	b = append(append(b, `,"tags":`...), r.tags...)
	b = appendText(b, `,"compliance_status":`, r.compliance)
	b = r.created.UTC().AppendFormat(append(b, `,"created_at":"`...), time.RFC3339Nano)
	b = r.updated.UTC().AppendFormat(append(b, `","updated_at":"`...), time.RFC3339Nano)
	return append(b, `"}`...)
}

func appendUUID(b []byte, id [16]byte) []byte {
	var text [36]byte
	hex.Encode(text[0:], id[0:4])
	hex.Encode(text[9:], id[4:6])
	hex.Encode(text[14:], id[6:8])
	hex.Encode(text[19:], id[8:10])
	hex.Encode(text[24:], id[10:16])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return append(b, text[:]...)
}

// appendText leaves the rare text that needs escapes to encoding/json.
func appendText(b []byte, name, value string) []byte {
	b = append(b, name...)
	for i := range len(value) {
		if c := value[i]; c < ' ' || c == '"' || c == '\\' {
			quoted, err := json.Marshal(value)
			if err != nil {
				panic("bench-server: text as JSON: " + err.Error())
			}
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, value...)
	return append(b, '"')
}
