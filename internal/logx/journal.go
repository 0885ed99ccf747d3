package logx

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"sync"
	"time"
)

// How much of the log is kept in memory, in bytes: of what is worth an operator's attention, and of details, which come
// in floods and may not push it out.
const (
	keptLines   = 512 << 10
	keptDetails = 256 << 10
	// overhead is what a line takes besides its text.
	overhead = 64
	// longest is the longest line that is kept as it is, such as that of a panic with its stack.
	longest = 64 << 10
)

// Journal is the logger of a program that runs. Its level can be changed while it does, and the newest lines are kept,
// redacted like all others. Lines below the level are kept only as long as someone follows them (Follow), but those at
// info level always.
type Journal struct {
	*slog.Logger
	written, kept slog.LevelVar

	mu        sync.Mutex
	last      uint64 // the number of the newest line
	lines     ring
	details   ring
	news      chan struct{} // closed with the next line; nil if no one waits
	followers map[slog.Level]int
}

// Line is a line of a Journal.
type Line struct {
	// ID is larger than those of all lines before it, those of an earlier process included.
	ID    uint64
	Level slog.Level
	// Text is the line as an object of JSON.
	Text json.RawMessage
}

// Open returns a journal that writes to w as the logger of New does. Lines are numbered from now on.
func Open(w io.Writer, level slog.Level, asJSON bool, now time.Time) *Journal {
	j := &Journal{last: uint64(max(now.UnixMilli(), 0)) * 1000, lines: ring{most: keptLines}, details: ring{most: keptDetails}, followers: map[slog.Level]int{}}
	j.SetLevel(level)
	j.Logger = slog.New(slog.NewMultiHandler(
		New(w, Options{Level: &j.written, JSON: asJSON}).Handler(), New(keeper{j}, Options{Level: &j.kept, JSON: true}).Handler()))
	return j
}

// Level is the least level that is written.
func (j *Journal) Level() slog.Level { return j.written.Level() }

// SetLevel changes it.
func (j *Journal) SetLevel(level slog.Level) {
	j.written.Set(level)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.decide()
}

// Follow has lines of a level and above kept until stop is called, whether they are written or not.
func (j *Journal) Follow(level slog.Level) (stop func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.followers[level]++
	j.decide()
	return func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		if j.followers[level]--; j.followers[level] == 0 {
			delete(j.followers, level)
		}
		j.decide()
	}
}

// decide sets what is kept.
func (j *Journal) decide() {
	level := min(j.written.Level(), slog.LevelInfo)
	for wanted := range j.followers {
		level = min(level, wanted)
	}
	j.kept.Set(level)
}

// Read returns lines of a level and above in their order: the first after a line, or the newest ones if after is 0 or
// no line of this process. News is closed with the next line.
func (j *Journal) Read(after uint64, level slog.Level, limit int) (found []Line, news <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.news == nil {
		j.news = make(chan struct{})
	}
	if after > j.last {
		after = 0
	}
	lines, details := j.lines.entries, j.details.entries
	for len(lines)+len(details) > 0 {
		from := &lines
		if len(lines) == 0 || len(details) > 0 && details[0].ID < lines[0].ID {
			from = &details
		}
		if l := (*from)[0]; l.ID > after && l.Level >= level {
			found = append(found, l)
		}
		*from = (*from)[1:]
	}
	if n := len(found) - limit; n > 0 && after > 0 {
		found = found[:limit]
	} else if n > 0 {
		found = found[n:]
	}
	return found, j.news
}

// keeper is what the handler of the kept lines writes to, each in one call.
type keeper struct{ journal *Journal }

// Write implements io.Writer.
func (k keeper) Write(text []byte) (int, error) {
	j := k.journal
	level := levelOf(text)
	kept := bytes.Clone(bytes.TrimSpace(text))
	if len(kept) > longest {
		kept, _ = json.Marshal(struct {
			Time  time.Time `json:"time"`
			Level string    `json:"level"`
			Text  string    `json:"msg"`
			Bytes int       `json:"bytes"`
		}{time.Now(), level.String(), "a line that is too long to be kept", len(text)})
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.last++
	to := &j.lines
	if level < slog.LevelInfo {
		to = &j.details
	}
	to.add(Line{j.last, level, kept})
	if j.news != nil {
		close(j.news)
		j.news = nil
	}
	return len(text), nil
}

// levelOf is the level of a line. Nothing but the time stands in front of it.
func levelOf(line []byte) (level slog.Level) {
	_, rest, _ := bytes.Cut(line, []byte(`"level":"`))
	text, _, _ := bytes.Cut(rest, []byte(`"`))
	if level.UnmarshalText(text) != nil {
		return slog.LevelError
	}
	return level
}

// ring has the newest lines that fit.
type ring struct {
	entries []Line
	size    int
	most    int
}

func (r *ring) add(l Line) {
	r.entries = append(r.entries, l)
	r.size += len(l.Text) + overhead
	gone := 0
	for ; r.size > r.most; gone++ {
		r.size -= len(r.entries[gone].Text) + overhead
		r.entries[gone] = Line{}
	}
	r.entries = r.entries[gone:]
}
