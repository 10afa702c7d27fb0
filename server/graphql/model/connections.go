package model

// Connection is a page of a list.
type Connection[T any] struct {
	Nodes    []T
	PageInfo PageInfo
	// Cursor makes the cursor of an element by its place in Nodes.
	Cursor func(i int) string
	// Total is how many elements the list has, if that was asked for.
	Total Raw
}

// Edges are the elements with their cursors.
func (c *Connection[T]) Edges() []Edge[T] {
	edges := make([]Edge[T], len(c.Nodes))
	for i := range c.Nodes {
		edges[i] = Edge[T]{Node: c.Nodes[i], of: c, i: i}
	}
	return edges
}

// TotalCount is how many elements the list has.
func (c *Connection[T]) TotalCount() Raw { return c.Total }

// Edge is an element of a page.
type Edge[T any] struct {
	Node T
	of   *Connection[T]
	i    int
}

// Cursor is where a page begins that continues after this element.
func (e Edge[T]) Cursor() string { return e.of.Cursor(e.i) }

// The connections of the schema.
type (
	ResourceConnection   = Connection[Resource]
	PolicyConnection     = Connection[Policy]
	EvaluationConnection = Connection[Evaluation]
	EventConnection      = Connection[Event]
	ResourceEdge         = Edge[Resource]
	PolicyEdge           = Edge[Policy]
	EvaluationEdge       = Edge[Evaluation]
	EventEdge            = Edge[Event]
)

// PageInfo says where a page is in its list.
type PageInfo struct {
	HasNextPage, HasPreviousPage bool
	StartCursor, EndCursor       *string
}
