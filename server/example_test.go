package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"strings"

	"github.com/policycortex/headroom/containers"
	"github.com/policycortex/headroom/server"
)

// Run serves until its context ends. Here it gets a Postgres and a cache of its own; a port of 0 takes any free port.
func ExampleRun() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	env, err := containers.Start(ctx, containers.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer env.Stop(context.Background())

	ready, ended := make(chan string), make(chan error)
	go func() {
		ended <- server.Run(ctx, server.Options{
			Addr: "127.0.0.1:0", PostgresURL: env.PostgresURL, CacheURL: env.CacheURL,
			Logger: slog.New(slog.DiscardHandler),
		}, func(addr, _ string) { ready <- addr })
	}()
	select {
	case err := <-ended:
		log.Fatal(err)
	case addr := <-ready:
		createAndList("http://" + addr + "/api/v1/resources")
	}

	stop() // requests in progress are finished
	fmt.Println("error:", <-ended)
	// Output:
	// POST: 201 Created
	// GET: 200 OK vm-1
	// error: <nil>
}

// createAndList creates a resource of a tenant and lists it.
func createAndList(url string) {
	send := func(method, body string) *http.Response {
		r, err := http.NewRequest(method, url, strings.NewReader(body))
		if err != nil {
			log.Fatal(err)
		}
		r.Header.Set("X-Tenant-ID", "0b7d6a0e-6f0c-4b0e-9f0a-3c1d2e4f5a6b")
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			log.Fatal(err)
		}
		return response
	}
	created := send(http.MethodPost, `{"azure_resource_id":"/vm-1","subscription_id":"s1","resource_group_name":"rg1",
		"name":"vm-1","type":"Microsoft.Compute/virtualMachines","location":"westeurope"}`)
	created.Body.Close()
	fmt.Println("POST:", created.Status)

	listed := send(http.MethodGet, "")
	defer listed.Body.Close()
	var page struct{ Data []struct{ Name string } }
	if err := json.NewDecoder(listed.Body).Decode(&page); err != nil {
		log.Fatal(err)
	}
	fmt.Println("GET:", listed.Status, page.Data[0].Name)
}
