package request

import (
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/policycortex/headroom/scenarios"
)

// fedPlan is a plan beside the files of its feeders, users.csv and orders.jsonl.
func fedPlan(t *testing.T, users, orders, choice string) *scenarios.Plan {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"users.csv": users, "orders.jsonl": orders} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	plan, err := scenarios.Parse(filepath.Join(dir, "fed.yaml"), []byte(`
feeders:
  users: {csv: users.csv, choice: `+choice+`}
  orders: {jsonl: orders.jsonl, choice: sequential}
scenarios:
  s:
    executor: constant-vus
    vus: 1
    duration: 1s
    requests:
      - name: a
        path: /{{id}}/{{order}}
        headers: {Authorization: "{{password}}"}
        values:
          password: {feeder: users, column: password}
          id: {feeder: users, column: id}
          order: {feeder: orders, field: "$.order['no']"}
`))
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

func TestFeeders(t *testing.T) {
	for _, choice := range []string{"sequential", "uniform", "zipf"} {
		t.Run(choice, func(t *testing.T) {
			var users strings.Builder
			users.WriteString("\ufeffid,unused,password\r\n")
			for i := range 10 {
				fmt.Fprintf(&users, "%d,x,\"secret,%d\"\r\n", i, i)
			}
			plan := fedPlan(t, users.String(), "{\"order\": {\"no\": 1}}\n\n{\"order\": {\"no\": \"two\"}}\n", choice)
			feeders, err := LoadFeeders(t.Context(), plan)
			if err != nil {
				t.Fatal(err)
			}
			s, err := New(plan.Seed, &plan.Scenarios[0], Sources{Feeders: feeders})
			if err != nil {
				t.Fatal(err)
			}
			r := &s.requests[0]
			seen := map[string]int{}
			for n := range int64(1000) {
				d := s.Draw(n)
				path := string(r.append(nil, r.path, &d))
				password := string(r.append(nil, r.headers[0].value, &d))
				id, order, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
				if password != "secret,"+id {
					t.Fatalf("iteration %d has user %s with the password %s", n, id, password)
				}
				if want := []string{"1", "two"}[n%2]; order != want {
					t.Fatalf("iteration %d has order %s", n, order)
				}
				seen[id]++
			}
			if len(seen) != 10 || choice == "zipf" && seen["0"] < 2*seen["5"] || choice == "sequential" &&
				seen["3"] != 100 {
				t.Errorf("rows by %s: %v", choice, seen)
			}
		})
	}
}

func TestFeederSums(t *testing.T) {
	sums := func(users, orders string) map[string]string {
		feeders, err := LoadFeeders(t.Context(), fedPlan(t, users, orders, "uniform"))
		if err != nil {
			t.Fatal(err)
		}
		return feeders.Sums()
	}
	const users, orders = "id,password,unused\n1,a,b\n", `{"order": {"no": 1}}`
	one := sums(users, orders)
	if want := fmt.Sprintf("%x", sha256.Sum256([]byte(users))); one["users"] != want {
		t.Errorf("the sum of the users is %s, want %s", one["users"], want)
	}
	if want := fmt.Sprintf("%x", sha256.Sum256([]byte(orders))); one["orders"] != want {
		t.Errorf("the sum of the orders is %s, want %s", one["orders"], want)
	}
	if marked := sums("\ufeff"+users, orders); !maps.Equal(marked, one) {
		t.Errorf("with a mark the sums are %v, without %v", marked, one)
	}
	if packed := sums(gzipped(t, users), gzipped(t, "\ufeff"+orders)); !maps.Equal(packed, one) {
		t.Errorf("compressed the sums are %v, plain %v", packed, one)
	}
	if other := sums(users, orders+"\n\n"); other["orders"] == one["orders"] || other["users"] != one["users"] {
		t.Errorf("the sums of one and of another file of orders are %v and %v", one, other)
	}
}

// gzipped is a text compressed by gzip.
func gzipped(t *testing.T, text string) string {
	t.Helper()
	var b strings.Builder
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestFeederFaults(t *testing.T) {
	const users, orders = "id,password\n1,a\n", `{"order": {"no": 1}}`
	tests := map[string]struct{ users, orders, want string }{
		"empty":       {"", orders, "users.csv: it is empty"},
		"no rows":     {"id,password\n", orders, "users.csv: it has no rows"},
		"no column":   {"id,pass\n1,a\n", orders, `users.csv:1: there is no column "password"; there are id, pass`},
		"two columns": {"id,password,id\n1,a,2\n", orders, `users.csv:1: there are two columns "id"`},
		"ragged": {
			users + "2\n", orders,
			"users.csv:3: the row does not have the 2 fields that the first line names",
		},
		"quote":    {users + "2,\"x\n", orders, "users.csv:3:6: extraneous"},
		"header":   {users + "2,\"a\nb\"\n", orders, "users.csv:3: password goes into a header"},
		"no lines": {users, "\n", "orders.jsonl: it has no rows"},
		"not JSON": {users, orders + "\nx", "orders.jsonl:2: the line is not a JSON document"},
		"no field": {users, orders + "\n\n{}", "orders.jsonl:3: there is no $.order.no"},
		"object":   {users, `{"order": {"no": {}}}`, "orders.jsonl:1: $.order.no is an object"},
		"UTF-16":   {"\xff\xfei\x00d\x00", orders, "users.csv:1: it is UTF-16, and must be UTF-8: iconv"},
		"Latin-1": {
			users + "2,b\xfcrger\n", orders,
			"users.csv:3: the line has a byte that is not UTF-8: iconv -f ISO-8859-1 -t UTF-8 FILE",
		},
		"its columns": {"id,password,stra\xdfe\n1,a,b\n", orders, "users.csv:1: the line has a byte that is not UTF-8"},
		"its lines": {
			users, orders + "\n{\"order\": {\"no\": \"\xfc\"}}",
			"orders.jsonl:2: the line has a byte that is not UTF-8",
		},
		"no mark": {"i\x00d\x00", orders, "users.csv:1: it is UTF-16"},
		"spreadsheet": {
			"PK\x03\x04...", orders,
			"users.csv:1: it is a ZIP archive or a spreadsheet: unpack it, or save it as text",
		},
		"cut":       {gzipped(t, users)[:12], orders, "users.csv: the compressed file ends here"},
		"cut lines": {users, gzipped(t, orders)[:12], "orders.jsonl:1: the compressed file ends here"},
		"array": {
			users, `[{"order": {"no": 1}}]`,
			"orders.jsonl:1: there is no $.order.no; a row of a JSON array is to be a line of its own: jq -c " +
				"'.[]' FILE",
		},
		"array lines": {
			users, "[\n" + `{"order": {"no": 1}}` + "\n]",
			"orders.jsonl:1: the line is not a JSON document; a row of a JSON array",
		},
		"semicolons": {
			"id;password\n1;a\n", orders,
			`users.csv:1: there is no column "password"; there is one alone, "id;password": fields are separated by commas`,
		},
		"long": {
			users, orders + "\n" + strings.Repeat(" ", maxLine+1),
			"orders.jsonl:2: bufio.Scanner: token too long",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := LoadFeeders(t.Context(), fedPlan(t, test.users, test.orders, "uniform"))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
	plan := fedPlan(t, users, orders, "uniform")
	plan.Source.File = "/nowhere/fed.yaml"
	if _, err := LoadFeeders(t.Context(), plan); err == nil ||
		!strings.Contains(err.Error(), "/nowhere/fed.yaml:3:11: open /nowhere/users.csv: no such file or directory") {
		t.Errorf("a file that is not there: %v", err)
	}
}
