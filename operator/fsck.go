package operator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/instance"
	"or3.chat/cloud/internal/fsck"
)

// The questions about what is stored, and the answers, except those for parts of a check.
type (
	// Volume is how much is stored.
	Volume struct {
		Files int64 `json:"files"`
		Bytes int64 `json:"bytes"`
	}
	// DatabaseQuestion asks for a part of the check of one database, or with an empty role for the roles that have one.
	DatabaseQuestion struct {
		Role string `json:"role"`
		or3cloud.DatabaseCheckRequest
	}
	// DatabaseAnswer has the roles with a database, and the part that was requested.
	DatabaseAnswer struct {
		Roles []string `json:"roles"`
		or3cloud.DatabaseStretch
	}
	// CheckReport is the outcome of a Check.
	CheckReport struct {
		// OK says that nothing is damaged, missing, corrupt or unreadable.
		OK          bool           `json:"ok"`
		Started     time.Time      `json:"started"`
		WorkspaceID string         `json:"workspaceId,omitempty"`
		Files       int64          `json:"files"`
		Bytes       int64          `json:"bytes"`
		Rows        int64          `json:"rows"`
		Missing     int            `json:"missing"`
		Corrupt     int            `json:"corrupt"`
		Unreadable  int            `json:"unreadable"`
		Orphaned    int            `json:"orphaned"`
		Findings    []fsck.Finding `json:"findings"`
		// Pages is the number of database pages that were read, Damaged what was found in them.
		Pages   int64                    `json:"pages"`
		Damaged []or3cloud.DatabaseFault `json:"damaged"`
	}
)

// The use cases of a check. Check runs the whole of it.
var (
	// MeasureFiles returns how much is stored, in a workspace or in all.
	MeasureFiles = onStored("fsck/volume", func(ctx context.Context, i fsck.Instance, in WorkspaceID) (v Volume, err error) {
		v.Files, v.Bytes, err = i.Files.StoredVolume(ctx, in.WorkspaceID)
		return v, err
	})
	// CheckDatabase reads a part of a database.
	CheckDatabase = untilClosing("fsck/database", checkDatabase)
	// CheckFiles reads a part of the stored files.
	CheckFiles = onStored("fsck/run", func(ctx context.Context, i fsck.Instance, in fsck.Request) (fsck.Stretch, error) {
		return i.Run(ctx, in)
	})
)

// onStored makes a use case from a function that reads stored files. It ends with the server: a large file at a low
// rate would hold up a shutdown.
func onStored[Q, A any](name string, f func(context.Context, fsck.Instance, Q) (A, error)) UseCase[Q, A] {
	return untilClosing(name, func(ctx context.Context, op instance.Operator, question Q) (answer A, err error) {
		files, ok := op.Files.(or3cloud.BlobChecker)
		if !ok {
			return answer, or3cloud.Errorf(or3cloud.CodeUnsupported, noLocalFiles)
		}
		workspaces, _ := op.Store.(or3cloud.WorkspaceDirectory)
		return f(ctx, fsck.Instance{Files: files, Rows: op.Rows, References: op.References, Workspaces: workspaces}, question)
	})
}

func checkDatabase(ctx context.Context, op instance.Operator, in DatabaseQuestion) (out DatabaseAnswer, err error) {
	out.Roles = slices.Sorted(maps.Keys(op.Databases))
	if d, ok := op.Databases[in.Role]; ok {
		out.DatabaseStretch, err = d.CheckDatabase(ctx, in.DatabaseCheckRequest)
	}
	return out, err
}

// Check reads back all databases and stored files. After each part of the files its progress is saved in a file, from
// which it continues if it is interrupted.
type Check struct {
	Started time.Time `json:"started"`
	// WorkspaceID is the id or the name of the only workspace whose files are read; empty for all.
	WorkspaceID string         `json:"workspaceId"`
	Position    string         `json:"position"`
	Files       int64          `json:"files"`
	Bytes       int64          `json:"bytes"`
	Rows        int64          `json:"rows"`
	Findings    []fsck.Finding `json:"findings"`
	// Pages and Faults concern the databases, which are checked as a whole in each run.
	Pages  int64                    `json:"-"`
	Faults []or3cloud.DatabaseFault `json:"-"`
}

// CheckOptions are how files are read.
type CheckOptions struct {
	// Rate is how many bytes are read per second at most; 0 means as many as the disk delivers.
	Rate int64
	// Quarantine moves corrupt files out of the way.
	Quarantine bool
	// Progress is called with the progress of the files, and the total number of bytes.
	Progress func(c Check, total int64)
}

// NewCheck returns a check that starts now.
func NewCheck(now time.Time, workspace string) Check {
	return Check{Started: now.UTC().Truncate(time.Second), WorkspaceID: workspace, Findings: []fsck.Finding{}}
}

// Resume returns the check of the same workspace that was saved in a file; ok is false if there is none.
func (c Check) Resume(file string) (found Check, ok bool, err error) {
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return c, false, nil
	}
	if err != nil {
		return c, false, err
	}
	if err := json.Unmarshal(b, &found); err != nil {
		return c, false, fmt.Errorf("%s cannot be read, so the check cannot continue; start over with --restart: %w", file, err)
	}
	if found.WorkspaceID != c.WorkspaceID {
		return c, false, nil
	}
	return found, true, nil
}

// Run continues the check until it is complete, and saves its progress in a file.
func (c *Check) Run(ctx context.Context, caller Caller, file string, o CheckOptions) error {
	workspace := ""
	if c.WorkspaceID != "" {
		named, err := ListStored.Ask(ctx, caller, WorkspaceQuery{Name: c.WorkspaceID})
		if err != nil {
			return err
		}
		workspace = named.WorkspaceIDs[0]
	}
	if err := c.readDatabases(ctx, caller); err != nil {
		return err
	}
	total, err := MeasureFiles.Ask(ctx, caller, WorkspaceID{workspace})
	if err != nil {
		return err
	}
	o.Progress(*c, total.Bytes)
	for {
		out, err := CheckFiles.Ask(ctx, caller, fsck.Request{WorkspaceID: workspace, After: c.Position, Rate: o.Rate, Quarantine: o.Quarantine})
		if err != nil {
			return err
		}
		c.Position = out.Next
		c.Files += out.Files
		c.Bytes += out.Bytes
		c.Rows += out.Rows
		c.Findings = append(c.Findings, out.Findings...)
		o.Progress(*c, total.Bytes)
		if out.Next == "" {
			if err := os.Remove(file); !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			return nil
		}
		if err := c.save(file); err != nil {
			return fmt.Errorf("save the progress of the check: %w", err)
		}
	}
}

// readDatabases reads all databases.
func (c *Check) readDatabases(ctx context.Context, caller Caller) error {
	all, err := CheckDatabase.Ask(ctx, caller, DatabaseQuestion{})
	if err != nil {
		return err
	}
	for _, role := range all.Roles {
		in := DatabaseQuestion{Role: role}
		in.Span = time.Second
		for {
			out, err := CheckDatabase.Ask(ctx, caller, in)
			if err != nil {
				return err
			}
			c.Pages += out.Pages
			c.Faults = append(c.Faults, out.Faults...)
			in.Damaged = in.Damaged || len(out.Faults) > 0
			if in.After = out.Next; in.After == "" {
				break
			}
		}
	}
	return nil
}

// save replaces the file in one step. It need not survive a power failure: an older one is good enough.
func (c *Check) save(file string) error {
	b, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if err := os.WriteFile(file+".new", b, 0o600); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

// Report returns what the check has found.
func (c *Check) Report() CheckReport {
	r := CheckReport{
		Started: c.Started, WorkspaceID: c.WorkspaceID, Files: c.Files, Bytes: c.Bytes, Rows: c.Rows, Findings: c.Findings,
		Pages: c.Pages, Damaged: append([]or3cloud.DatabaseFault{}, c.Faults...),
	}
	slices.SortFunc(r.Findings, fsck.Compare)
	for _, f := range r.Findings {
		switch f.Kind {
		case fsck.Missing:
			r.Missing++
		case fsck.Corrupt:
			r.Corrupt++
		case fsck.Unreadable:
			r.Unreadable++
		case fsck.Orphaned:
			r.Orphaned++
		}
	}
	r.OK = r.Missing+r.Corrupt+r.Unreadable+len(r.Damaged) == 0
	return r
}
