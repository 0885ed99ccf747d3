package adminapi

import (
	"net/http"
	"strconv"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/audit"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/instance"
	"or3.chat/cloud/internal/safeint"
	"or3.chat/cloud/operator"
)

// journalAPI are the endpoints that show what the server does: its load, and its own log.
//
//	GET metrics                             the load of the last quarter of an hour, and current figures (load.Summary)
//	GET log?level=warn&limit=200&after=ID   the newest lines, or those after one
//	GET log/stream?level=debug              lines as they come, each an event whose id is that of the line
//	GET log/level, PUT log/level            the lowest level that is written to the program's output
//
// A line is an object with time, level, msg, and its attributes. None of them contains secrets (logx).
type journalAPI struct{ *API }

func (j journalAPI) table() []endpoint {
	return []endpoint{
		{method: http.MethodGet, path: "metrics", may: superAdmins, proof: readOnly, handle: j.load},
		{method: http.MethodGet, path: "log", may: superAdmins, proof: readOnly, buffer: 1 << 20, handle: j.read},
		{method: http.MethodGet, path: "log/stream", may: superAdmins, proof: readOnly, effects: true, handle: j.stream},
		{method: http.MethodGet, path: "log/level", may: superAdmins, proof: readOnly, handle: j.level},
		{method: http.MethodPut, path: "log/level", may: superAdmins, proof: intent, action: audit.LogLevel, handle: j.setLevel},
	}
}

func (j journalAPI) load(w http.ResponseWriter, r *http.Request, _ *Caller) error {
	s, err := j.opt.Load(r.Context())
	return answer(w, s, err)
}

// someLines is how many lines are sent at once if a request gives no number.
const someLines = 200

// query reads the parameters of a request.
func (j journalAPI) query(r *http.Request) (q operator.JournalQuery, err error) {
	in := r.URL.Query()
	q = operator.JournalQuery{Level: in.Get("level"), Limit: someLines}
	if text := in.Get("limit"); text != "" {
		if q.Limit, err = strconv.Atoi(text); err != nil {
			return q, or3cloud.Errorf(or3cloud.CodeInvalid, invalidRequest)
		}
	}
	if text := in.Get("after"); text != "" {
		if q.After, err = lineID(text); err != nil {
			return q, err
		}
	}
	return q, nil
}

// lineID reads the number of a line.
func lineID(text string) (uint64, error) {
	n, ok := safeint.Parse([]byte(text))
	if !ok || n < 0 {
		return 0, or3cloud.Errorf(or3cloud.CodeInvalid, invalidRequest)
	}
	return uint64(n), nil
}

func (j journalAPI) read(w http.ResponseWriter, r *http.Request, _ *Caller) error {
	q, err := j.query(r)
	if err != nil {
		return err
	}
	journal, err := operator.ReadJournal.Do(r.Context(), j.opt.Desk, q)
	return answer(w, journal, err)
}

func (j journalAPI) level(w http.ResponseWriter, r *http.Request, _ *Caller) error {
	return j.answerLevel(w, r, operator.LogLevel{})
}

func (j journalAPI) setLevel(w http.ResponseWriter, r *http.Request, c *Caller) error {
	var in operator.LogLevel
	if err := httpapi.ReadJSON(r, &in, invalidRequest); err != nil {
		return err
	}
	if in.Level == "" {
		return or3cloud.Errorf(or3cloud.CodeInvalid, invalidRequest)
	}
	c.Target.Object = in.Level
	return j.answerLevel(w, r, in)
}

func (j journalAPI) answerLevel(w http.ResponseWriter, r *http.Request, in operator.LogLevel) error {
	now, err := operator.SetLogLevel.Do(r.Context(), j.opt.Desk, in)
	return answer(w, now, err)
}

// How a stream of lines behaves.
const (
	perReader, mostStreams = 4, 16
	checkEvery             = time.Second
	quietChecks            = 15 // without a line, after which a comment is sent
	streamPause            = 2 * time.Second
	patience               = 5 * time.Second
	comeBack               = 30 * time.Second
)

// stream sends lines as they come. It ends with the reader's permission, which is checked again every second.
func (j journalAPI) stream(w http.ResponseWriter, r *http.Request, c *Caller) error {
	q, err := j.query(r)
	if err != nil {
		return err
	}
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		if q.After, err = lineID(id); err != nil {
			return err
		}
	}
	level, err := operator.LevelOf(q.Level)
	if err != nil {
		return err
	}
	journal := j.opt.Instance.Options().Journal
	if journal == nil {
		return operator.ErrNoJournal
	}
	if r.Method == http.MethodHead {
		httpapi.EventHeader(w)
		return nil
	}
	leave, err := j.streams.Take(c.Name)
	if err != nil {
		return &or3cloud.Error{Code: or3cloud.CodeRateLimited, Message: "Too many streams of the log", RetryAfter: comeBack}
	}
	defer leave()
	defer journal.Follow(level)()
	out := httpapi.NewEventStream(w, patience)
	defer out.Close()
	out.Greet(streamPause)
	ticks := time.NewTicker(checkEvery)
	defer ticks.Stop()
	for quiet := 0; ; {
		lines, news := journal.Read(q.After, level, someLines)
		for _, l := range lines {
			out.Event(strconv.FormatUint(l.ID, 10), "line", l.Text)
			q.After = l.ID
		}
		if quiet == quietChecks {
			out.Comment("quiet")
		}
		if len(lines) > 0 || quiet == quietChecks {
			quiet = 0
		}
		if out.Send() != nil {
			return nil
		}
		select {
		case <-news: // at once, if a line has come in the meantime
		case <-ticks.C:
			if quiet++; !j.still(r, c) {
				return nil
			}
		case <-j.opt.Instance.Closing():
			return nil
		case <-r.Context().Done():
			return nil
		}
	}
}

// still reports whether the reader of a stream may go on. If that cannot be determined, the answer is no.
func (j journalAPI) still(r *http.Request, c *Caller) bool {
	if c.bySignIn {
		name, err := j.signedIn(r)
		return err == nil && name == c.Name
	}
	if j.opt.Host.Reauthorize(r, c.Session, or3cloud.PermAdminAccess) != nil { // which uses the grant as it was
		return false
	}
	admins := instance.Ability[or3cloud.DeploymentAdminChecker](j.opt.Instance.Providers(), or3cloud.ProviderSync)
	if admins == nil {
		return false
	}
	is, err := admins.CheckDeploymentAdmin(r.Context(), c.Session.ProviderUserID, c.Session.Provider)
	return err == nil && is
}
