package store

// Statements whose plans the external tests look at.
var (
	PolicyStatement     = policyStatement
	EvaluationStatement = evaluationStatement
	CurrentStatement    = currentStatement
	SeriesStatement     = seriesStatement
	TotalsStatement     = totalsStatement
	ComplianceStatement = complianceStatement
)

const (
	FollowEventsSQL = followEventsSQL
	ReadStreamSQL   = readStreamSQL
)
