package imports

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

var noVariable = regexp.MustCompile(`[^A-Za-z0-9]+`)

// variableName is a name as variables of the environment have it: "X-Api-Key" is X_API_KEY, "baseUrl" BASE_URL.
func variableName(s string) string {
	s = regexp.MustCompile(`([a-z0-9])([A-Z])`).ReplaceAllString(s, "${1}_$2")
	s = strings.ToUpper(strings.Trim(noVariable.ReplaceAllString(s, "_"), "_"))
	if s == "" || '0' <= s[0] && s[0] <= '9' {
		s = "VALUE_" + s
	}
	return strings.TrimRight(s[:min(len(s), 60)], "_")
}

var noName = regexp.MustCompile(`[^A-Za-z0-9_-]+`)

// nameOf is a text as names in a scenario file have it.
func nameOf(s, fallback string) string {
	const longest = 60
	s = strings.Trim(noName.ReplaceAllString(s, "_"), "_-")
	s = strings.Trim(s[:min(len(s), longest)], "_-")
	if s == "" {
		return fallback
	}
	return s
}

// tagValue is a text as tags have it; empty where nothing of it is left.
func tagValue(s string) string {
	const longest = 80
	s = strings.Map(func(c rune) rune {
		if c < ' ' || strings.ContainsRune(",{}", c) || c == 0x7f {
			return ' '
		}
		return c
	}, strings.ToValidUTF8(s, ""))
	s = strings.Join(strings.Fields(s), " ")
	return strings.TrimSpace(strings.ToValidUTF8(s[:min(len(s), longest)], ""))
}

// unique is a name that taken does not have, and has then.
func unique(name string, taken map[string]bool) string {
	free := name
	for n := 2; taken[free]; n++ {
		free = fmt.Sprintf("%s_%d", name, n)
	}
	taken[free] = true
	return free
}

var idSegment = regexp.MustCompile(`^([0-9]+|[0-9a-fA-F-]{16,}|.*\{\{.*|.*\$\{.*|.{25,})$`)

// requestName names a request by its method and its path, in which ids are "id".
func requestName(method string, u text) string {
	path, _, _ := strings.Cut(pathOf(u).string(), "?")
	words := []string{strings.ToLower(method)}
	for segment := range strings.SplitSeq(path, "/") {
		switch {
		case segment == "":
		case idSegment.MatchString(segment):
			words = append(words, "id")
		default:
			if decoded, err := url.PathUnescape(segment); err == nil {
				segment = decoded
			}
			words = append(words, segment)
		}
	}
	return nameOf(strings.Join(words, "_"), strings.ToLower(method))
}

var absolute = regexp.MustCompile(`(?i)^https?://[^/?#]*`)

// pathOf is the path of a URL with its query, without scheme, host and fragment.
func pathOf(u text) text {
	_, path := splitAddress(u)
	path, _ = path.split("#")
	if s, _ := path.flat(); !strings.HasPrefix(s, "/") {
		path = joined(plain("/"), path)
	}
	return path
}

// splitAddress cuts a URL into the address of its service and what follows. The address is empty in a URL that begins
// with its path. A URL that begins with a variable or hole has that as its address.
func splitAddress(u text) (address, rest text) {
	s, parts := u.flat()
	if place := absolute.FindString(s); place != "" {
		n := strings.Count(place, string(mark))
		return unflat(place, parts[:n]), unflat(s[len(place):], parts[n:])
	}
	if strings.HasPrefix(s, string(mark)) {
		end := strings.IndexAny(s, "/?#")
		if end < 0 {
			end = len(s)
		}
		n := strings.Count(s[:end], string(mark))
		return unflat(s[:end], parts[:n]), unflat(s[end:], parts[n:])
	}
	return nil, u
}

func baseName(file string) string { return file[strings.LastIndexAny(file, `/\`)+1:] }

func extension(file string) string {
	if i := strings.LastIndexByte(file, '.'); i > 0 && !strings.ContainsAny(file[i:], `/\`) {
		return file[i:]
	}
	return ""
}
