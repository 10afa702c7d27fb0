package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"unicode/utf8"
)

// Limits in bytes. The first two keep index entries below what a Postgres page holds; the tag limits are Azure's.
const (
	maxAzureResourceID = 1024
	maxText            = 256
	maxTags            = 50
	maxTagKey          = 512
	maxTagValue        = 256
	// Postgres refuses a tsvector of more than a megabyte, and one can be five times as large as its text.
	maxDescription = 100_000
)

// NewResource is a resource to insert. All texts are required; properties and tags are optional.
type NewResource struct {
	AzureResourceID   string            `json:"azure_resource_id"` // unique within its tenant
	SubscriptionID    string            `json:"subscription_id"`
	ResourceGroupName string            `json:"resource_group_name"`
	Name              string            `json:"name"`
	Type              string            `json:"type"`
	Location          string            `json:"location"`
	Properties        json.RawMessage   `json:"properties"` // a JSON object
	Tags              map[string]string `json:"tags"`
}

// ResourceFaults returns every fault of a batch that can be found without the database.
func ResourceFaults(resources []NewResource) (faults []Fault) {
	for i := range resources {
		faults = append(faults, resources[i].faults().at(i)...)
	}
	return faults
}

// faults are all of a resource; none when it can be stored.
func (r *NewResource) faults() (faults faultList) {
	faults.textUpTo(maxAzureResourceID, "azure_resource_id", r.AzureResourceID)
	faults.text("subscription_id", r.SubscriptionID)
	faults.text("resource_group_name", r.ResourceGroupName)
	faults.text("name", r.Name)
	faults.text("type", r.Type)
	faults.text("location", r.Location)
	if wrong := documentFault(r.Properties); wrong != "" {
		faults.add("properties", wrong)
	}
	if n := descriptionBytes(r.Properties); n > maxDescription {
		faults.within("properties", fmt.Sprintf("properties.description has %d bytes, at most %d are allowed", n,
			maxDescription))
	}
	if len(r.Tags) > maxTags {
		faults.add("tags", fmt.Sprintf("has %d entries, at most %d are allowed", len(r.Tags), maxTags))
	}
	for key, value := range r.Tags {
		if wrong := textFault(key, maxTagKey); wrong != "" {
			faults.within("tags", fmt.Sprintf("tags: key %.40q %s", key, wrong))
		}
		if wrong := textFault(value, maxTagValue); wrong != "" {
			faults.within("tags", fmt.Sprintf("tags: value of %.40q %s", key, wrong))
		}
	}
	return faults
}

func textFault(value string, limit int) string {
	switch {
	case len(value) > limit:
		return fmt.Sprintf("has %d bytes, at most %d are allowed", len(value), limit)
	case !utf8.ValidString(value):
		return "is not valid UTF-8"
	case slices.Contains([]byte(value), 0):
		return "contains a NUL character, which Postgres cannot store"
	}
	return ""
}

// descriptionBytes is the size of the description that is searched. Only large documents are looked into.
func descriptionBytes(properties json.RawMessage) int {
	if len(properties) <= maxDescription {
		return 0
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(properties, &fields); err != nil {
		return 0 // that is a fault of its own
	}
	return len(fields["description"])
}

func objectOrEmpty(properties json.RawMessage) string {
	if trimmed := bytes.TrimSpace(properties); len(trimmed) == 0 || string(trimmed) == "null" {
		return "{}"
	}
	return string(properties)
}

func tagsObject(tags map[string]string) string {
	object := []byte{'{'}
	for key, value := range tags {
		if len(object) > 1 {
			object = append(object, ',')
		}
		object = appendString(object, key)
		object = append(object, ':')
		object = appendString(object, value)
	}
	return string(append(object, '}'))
}
