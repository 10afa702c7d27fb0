package results

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ServerLog is what the reference server wrote to its log besides what is as it should be.
type ServerLog struct {
	Messages []LogMessage `json:"messages,omitempty"` // errors first, then the most frequent first
	// LeftOut counts the lines of further messages.
	LeftOut int64 `json:"left_out,omitempty"`
}

// LogMessage is a message of the log, with those of the same level and text. Times are seconds since the start of the
// run, negative before it.
type LogMessage struct {
	Level string  `json:"level"` // WARN, ERROR, or OTHER for lines that are not of the server's logger
	Text  string  `json:"text"`
	Count int64   `json:"count"`
	First float64 `json:"first_seconds"`
	Last  float64 `json:"last_seconds"`
	// Details are the attributes of the first.
	Details string `json:"details,omitempty"`
}

// The bounds of what is kept of a log.
const (
	maxLogMessages = 40
	maxLogText     = 300
	maxLogLine     = 64 << 10
)

// The levels of messages that are kept.
const (
	LogWarn  = "WARN"
	LogError = "ERROR"
	LogOther = "OTHER"
)

// otherLines is the message of all lines that are not of the server's logger: a crash writes hundreds of them.
const otherLines = "lines that are not of the server's logger"

// Read adds the warnings and errors of a log, in the format of slog's TextHandler. They are grouped by level and
// message.
func (l *ServerLog) Read(from io.Reader, started time.Time) error {
	lines := bufio.NewReaderSize(from, maxLogLine)
	for at := 0.0; ; {
		read, err := lines.ReadSlice('\n')
		line := string(read)            // what is read next takes its place
		if err == bufio.ErrBufferFull { // the beginning has all that is kept
			err = skipLine(lines)
		}
		if line != "" {
			at = l.take(strings.TrimRight(line, "\r\n"), started, at)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("read the server's log: %w", err)
		}
	}
	rank := []string{LogError, LogWarn, LogOther}
	slices.SortStableFunc(l.Messages, func(a, b LogMessage) int {
		return cmp.Or(slices.Index(rank, a.Level)-slices.Index(rank, b.Level), cmp.Compare(b.Count, a.Count))
	})
	return nil
}

func skipLine(lines *bufio.Reader) error {
	for {
		_, err := lines.ReadSlice('\n')
		if err != bufio.ErrBufferFull {
			return err
		}
	}
}

// take takes a line, and returns its time: that of the line before where it has none.
func (l *ServerLog) take(line string, started time.Time, before float64) (at float64) {
	when, level, text, details, ok := parseLogLine(line)
	if !ok {
		if strings.TrimSpace(line) != "" {
			l.add(LogMessage{Level: LogOther, Text: otherLines, Details: line, First: before})
		}
		return before
	}
	at = when.Sub(started).Seconds()
	if level == LogWarn || level == LogError {
		l.add(LogMessage{Level: level, Text: text, Details: details, First: at})
	}
	return at
}

func (l *ServerLog) add(m LogMessage) {
	m.Text = cut(m.Text, maxLogText)
	i := slices.IndexFunc(l.Messages, func(o LogMessage) bool { return o.Level == m.Level && o.Text == m.Text })
	switch {
	case i >= 0:
		same := &l.Messages[i]
		same.Count++
		same.First, same.Last = min(same.First, m.First), max(same.Last, m.First)
	case len(l.Messages) >= maxLogMessages:
		l.LeftOut++
	default:
		m.Count, m.Last, m.Details = 1, m.First, cut(m.Details, maxLogText)
		l.Messages = append(l.Messages, m)
	}
}

// parseLogLine reads "time=… level=… msg=… key=value …".
func parseLogLine(line string) (when time.Time, level, text, rest string, ok bool) {
	stamp, rest, ok := logField(line, "time=")
	if !ok {
		return when, "", "", "", false
	}
	when, err := time.Parse(time.RFC3339Nano, stamp)
	if err != nil {
		return when, "", "", "", false
	}
	level, rest, ok = logField(rest, "level=")
	if !ok {
		return when, "", "", "", false
	}
	text, rest, ok = logField(rest, "msg=")
	return when, level, text, rest, ok
}

// logField takes the field with that name from the beginning of a line; its value may be quoted.
func logField(line, name string) (value, rest string, ok bool) {
	line, ok = strings.CutPrefix(line, name)
	if !ok {
		return "", "", false
	}
	quoted, err := strconv.QuotedPrefix(line)
	if err != nil || line[0] == '`' {
		value, rest, _ = strings.Cut(line, " ")
		return value, rest, true
	}
	value, err = strconv.Unquote(quoted)
	return value, strings.TrimPrefix(line[len(quoted):], " "), err == nil
}
