package model

// The objects of the schema over the JSON of each.
type (
	// Resource is a resource.
	Resource struct {
		JSON Raw
		// With are the objects of all lists that were read together with this one.
		With *Siblings
	}
	// Policy is a policy.
	Policy struct{ JSON Raw }
	// PolicyRule is what a policy evaluates by.
	PolicyRule struct{ JSON Raw }
	// Evaluation is an evaluation.
	Evaluation struct {
		JSON Raw
		// With are the objects of all lists that were read together with this one.
		With *Siblings
	}
	// Cost is the cost of a resource on a day.
	Cost struct{ JSON Raw }
	// CostTotal is a cost of all resources.
	CostTotal struct{ JSON Raw }
	// CostSeries is the costs of a resource.
	CostSeries struct{ JSON Raw }
	// CostTotals is the costs of all resources.
	CostTotals struct{ JSON Raw }
	// ComplianceCounts is the numbers of a subscription and type.
	ComplianceCounts struct{ JSON Raw }
	// ComplianceTotal is the numbers of all resources.
	ComplianceTotal struct{ JSON Raw }
	// ComplianceSummary is a summary.
	ComplianceSummary struct{ JSON Raw }
	// Event is an event.
	Event struct{ JSON Raw }
)

// The fields of a resource, as they are sent.
func (o Resource) ID() Raw                { return Member(o.JSON, "id") }
func (o Resource) Version() Raw           { return Member(o.JSON, "version") }
func (o Resource) AzureResourceID() Raw   { return Member(o.JSON, "azure_resource_id") }
func (o Resource) SubscriptionID() Raw    { return Member(o.JSON, "subscription_id") }
func (o Resource) ResourceGroupName() Raw { return Member(o.JSON, "resource_group_name") }
func (o Resource) Name() Raw              { return Member(o.JSON, "name") }
func (o Resource) Type() Raw              { return Member(o.JSON, "type") }
func (o Resource) Location() Raw          { return Member(o.JSON, "location") }
func (o Resource) Properties() Raw        { return Member(o.JSON, "properties") }
func (o Resource) Tags() Raw              { return Member(o.JSON, "tags") }
func (o Resource) ComplianceStatus() Raw  { return Member(o.JSON, "compliance_status") }
func (o Resource) CreatedAt() Raw         { return Member(o.JSON, "created_at") }
func (o Resource) UpdatedAt() Raw         { return Member(o.JSON, "updated_at") }

// The fields of a policy, as they are sent.
func (o Policy) ID() Raw         { return Member(o.JSON, "id") }
func (o Policy) Name() Raw       { return Member(o.JSON, "name") }
func (o Policy) Type() Raw       { return Member(o.JSON, "type") }
func (o Policy) Category() Raw   { return Member(o.JSON, "category") }
func (o Policy) Severity() Raw   { return Member(o.JSON, "severity") }
func (o Policy) Enabled() Raw    { return Member(o.JSON, "enabled") }
func (o Policy) Definition() Raw { return Member(o.JSON, "definition") }
func (o Policy) Version() Raw    { return Member(o.JSON, "version") }
func (o Policy) CreatedAt() Raw  { return Member(o.JSON, "created_at") }
func (o Policy) UpdatedAt() Raw  { return Member(o.JSON, "updated_at") }

// The fields of an evaluation, as they are sent.
func (o Evaluation) ID() Raw          { return AsText(Member(o.JSON, "id")) }
func (o Evaluation) ResourceID() Raw  { return Member(o.JSON, "resource_id") }
func (o Evaluation) PolicyID() Raw    { return Member(o.JSON, "policy_id") }
func (o Evaluation) Result() Raw      { return Member(o.JSON, "result") }
func (o Evaluation) EvaluatedAt() Raw { return Member(o.JSON, "evaluated_at") }

// The fields of the cost of a resource on a day, as they are sent.
func (o Cost) Date() Raw        { return Member(o.JSON, "date") }
func (o Cost) ServiceName() Raw { return Member(o.JSON, "service_name") }
func (o Cost) Cost() Raw        { return Member(o.JSON, "cost") }
func (o Cost) Currency() Raw    { return Member(o.JSON, "currency") }

// The fields of a cost of all resources, as they are sent.
func (o CostTotal) Period() Raw      { return Member(o.JSON, "period") }
func (o CostTotal) ServiceName() Raw { return Member(o.JSON, "service_name") }
func (o CostTotal) Cost() Raw        { return Member(o.JSON, "cost") }
func (o CostTotal) Currency() Raw    { return Member(o.JSON, "currency") }
func (o CostTotal) Resources() Raw   { return Member(o.JSON, "resources") }

// The fields of the costs of a resource, as they are sent.
func (o CostSeries) From() Raw { return Member(o.JSON, "from") }
func (o CostSeries) To() Raw   { return Member(o.JSON, "to") }

// The fields of the costs of all resources, as they are sent.
func (o CostTotals) From() Raw { return Member(o.JSON, "from") }
func (o CostTotals) To() Raw   { return Member(o.JSON, "to") }

// The fields of the numbers of a subscription and type, as they are sent.
func (o ComplianceCounts) SubscriptionID() Raw     { return Member(o.JSON, "subscription_id") }
func (o ComplianceCounts) ResourceType() Raw       { return Member(o.JSON, "resource_type") }
func (o ComplianceCounts) TotalResources() Raw     { return Member(o.JSON, "total_resources") }
func (o ComplianceCounts) EvaluatedResources() Raw { return Member(o.JSON, "evaluated_resources") }
func (o ComplianceCounts) CompliantResources() Raw { return Member(o.JSON, "compliant_resources") }
func (o ComplianceCounts) NonCompliantResources() Raw {
	return Member(o.JSON, "non_compliant_resources")
}
func (o ComplianceCounts) ExemptResources() Raw      { return Member(o.JSON, "exempt_resources") }
func (o ComplianceCounts) CompliancePercentage() Raw { return Member(o.JSON, "compliance_percentage") }

// The fields of the numbers of all resources, as they are sent.
func (o ComplianceTotal) TotalResources() Raw     { return Member(o.JSON, "total_resources") }
func (o ComplianceTotal) EvaluatedResources() Raw { return Member(o.JSON, "evaluated_resources") }
func (o ComplianceTotal) CompliantResources() Raw { return Member(o.JSON, "compliant_resources") }
func (o ComplianceTotal) NonCompliantResources() Raw {
	return Member(o.JSON, "non_compliant_resources")
}
func (o ComplianceTotal) ExemptResources() Raw      { return Member(o.JSON, "exempt_resources") }
func (o ComplianceTotal) CompliancePercentage() Raw { return Member(o.JSON, "compliance_percentage") }

// The fields of a summary, as they are sent.
func (o ComplianceSummary) RefreshedAt() Raw { return Member(o.JSON, "refreshed_at") }

// The fields of an event, as they are sent.
func (o Event) Place() Raw      { return Member(o.JSON, "place") }
func (o Event) StreamID() Raw   { return Member(o.JSON, "stream_id") }
func (o Event) Version() Raw    { return Member(o.JSON, "version") }
func (o Event) Type() Raw       { return Member(o.JSON, "type") }
func (o Event) Payload() Raw    { return Member(o.JSON, "payload") }
func (o Event) OccurredAt() Raw { return Member(o.JSON, "occurred_at") }

// Data are the costs.
func (o CostSeries) Data() []Cost {
	return each(Member(o.JSON, "data"), func(r Raw) Cost { return Cost{r} })
}

// Data are the costs.
func (o CostTotals) Data() []CostTotal {
	return each(Member(o.JSON, "data"), func(r Raw) CostTotal { return CostTotal{r} })
}

// Data are the numbers by subscription and type.
func (o ComplianceSummary) Data() []ComplianceCounts {
	return each(Member(o.JSON, "data"), func(r Raw) ComplianceCounts { return ComplianceCounts{r} })
}

// Total are the numbers of all.
func (o ComplianceSummary) Total() ComplianceTotal { return ComplianceTotal{Member(o.JSON, "total")} }

func each[T any](array Raw, make func(Raw) T) []T {
	all := []T{}
	Elements(array, func(value []byte) bool {
		all = append(all, make(value))
		return true
	})
	return all
}

// The fields of a rule, as they are sent.
func (o PolicyRule) Kind() Raw       { return Member(o.JSON, "kind") }
func (o PolicyRule) Expression() Raw { return orNull(Member(o.JSON, "expression")) }
func (o PolicyRule) Sha256() Raw     { return orNull(Member(o.JSON, "sha256")) }
func (o PolicyRule) Bytes() Raw      { return orNull(Member(o.JSON, "bytes")) }

func orNull(r Raw) Raw {
	if r == nil {
		return Raw("null")
	}
	return r
}

// Rule is nil for a policy without one.
func (o Policy) Rule() *PolicyRule {
	rule := Member(o.JSON, "rule")
	if len(rule) == 0 || rule[0] != '{' {
		return nil
	}
	return &PolicyRule{rule}
}
