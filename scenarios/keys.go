package scenarios

// Keys is a set of keys that a value is drawn from: one of [FixtureKeys], [ListKeys], [RangeKeys], [FeederKeys],
// [StringKeys] and [TimeKeys].
type Keys interface{ keys() }

// FixtureKeys are keys of the reference system's fixture.
type FixtureKeys struct {
	Set   string // one of [FixtureSets]
	First int    // only the first so many of them; 0: all
}

// FixtureSets are the names of the key sets that the reference system's fixture has.
var FixtureSets = []string{
	"resource_id", "tenant_id", "subscription_id", "type", "location", "resource_group", "tag",
	"policy_id", "cost_resource_id", "service_name", "tenant_resource_id",
}

// ListKeys are keys that the scenario file lists.
type ListKeys []string

// RangeKeys are the numbers From to To, both included, in units of the last of so many decimals: 150 to 999 with two
// decimals are 1.50 to 9.99.
type RangeKeys struct {
	From, To int64
	Decimals int
}

// StringKeys are all strings of so many characters of an alphabet.
type StringKeys struct {
	Length   int
	Alphabet string
}

// TimeKeys are the instants at which requests are rendered: no key is drawn.
type TimeKeys struct{ Format TimeFormat }

// TimeFormat is how an instant is written.
type TimeFormat string

// The formats of instants.
const (
	RFC3339   TimeFormat = "rfc3339" // in UTC, with milliseconds
	Unix      TimeFormat = "unix"    // seconds since 1970
	UnixMilli TimeFormat = "unixMilli"
	UnixMicro TimeFormat = "unixMicro"
	UnixNano  TimeFormat = "unixNano"
)

var timeFormats = []string{string(RFC3339), string(Unix), string(UnixMilli), string(UnixMicro), string(UnixNano)}

// FeederKeys are a column of a feeder: the value comes from the row that the iteration has drawn.
type FeederKeys struct {
	Feeder string   // the name of one of Plan.Feeders
	Column string   // of a CSV file
	Field  JSONPath // of JSON lines; nil: Column is set
}

// Name is the column's name, or the text of the field's path.
func (k FeederKeys) Name() string {
	if k.Field != nil {
		return k.Field.String()
	}
	return k.Column
}

func (FixtureKeys) keys() {}
func (ListKeys) keys()    {}
func (RangeKeys) keys()   {}
func (FeederKeys) keys()  {}
func (StringKeys) keys()  {}
func (TimeKeys) keys()    {}
