package program

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/control"
	"or3.chat/cloud/internal/fsck"
)

// checkFile lies in the data directory and remembers a check that was interrupted.
const checkFile = "fsck.json"

// fsckCommandLine is "or3-cloud fsck".
type fsckCommandLine struct {
	app
	settingFlags
	workspace                 string
	rate                      int
	quarantine, restart, json bool
}

func (a app) fsck() *cobra.Command {
	c := fsckCommandLine{app: a}
	cmd := &cobra.Command{
		Use:   "fsck",
		Short: "Read the databases and all stored files back and report what is damaged, missing, corrupt or orphaned",
		Long: "Read every page of the databases, then all stored files, compare them with their checksums and hashes, and look for the file of every row that\n" +
			"names one.\n\n" +
			"  damaged     the disk has changed a database; the workspaces whose rows cannot be read any more are named. Put a backup back\n" +
			"  missing     a row or message names the file, and it is not there: take it from a backup, or attach it again\n" +
			"  corrupt     the disk has changed the file: attach it again, or take it from a backup; the next upload replaces it\n" +
			"  unreadable  the disk does not hand the file out: look at the disk\n" +
			"  orphaned    nothing names the file: no fault, it goes by itself when its retention is over\n\n" +
			"The command works while the server runs and while it does not. A check that is interrupted goes on where it was. The exit code is 0\n" +
			"when everything is as it should be, 1 when something is damaged, missing, corrupt or unreadable, and 2 for a mistake on the command line.",
		Example: "  or3-cloud fsck\n  or3-cloud fsck --rate 20 --quarantine\n  or3-cloud fsck --workspace Family\n  or3-cloud fsck --json > report.json",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, restore := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer restore()
			return c.run(ctx)
		},
	}
	c.bindData(cmd.Flags().StringVar)
	cmd.Flags().StringVar(&c.workspace, "workspace", "", "check only the files of the workspace with this id or name")
	cmd.Flags().IntVar(&c.rate, "rate", 0, "read no more than so many MB per second (default: as fast as the disk)")
	cmd.Flags().BoolVar(&c.quarantine, "quarantine", false, "move corrupt files into the folder quarantine beside the others; nothing is deleted")
	cmd.Flags().BoolVar(&c.restart, "restart", false, "begin anew although an earlier check was interrupted")
	cmd.Flags().BoolVar(&c.json, "json", false, "print JSON")
	return cmd
}

// checkState is a check that is not finished.
type checkState struct {
	Started     time.Time      `json:"started"`
	WorkspaceID string         `json:"workspaceId"`
	Position    string         `json:"position"`
	Files       int64          `json:"files"`
	Bytes       int64          `json:"bytes"`
	Rows        int64          `json:"rows"`
	Findings    []fsck.Finding `json:"findings"`
	// Pages and Faults are of the databases, which are checked as a whole in each run.
	Pages  int64                    `json:"-"`
	Faults []or3cloud.DatabaseFault `json:"-"`
}

// checkReport is what --json prints.
type checkReport struct {
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
	// Pages are the pages of the databases that were read, Damaged what was found in them.
	Pages   int64                    `json:"pages"`
	Damaged []or3cloud.DatabaseFault `json:"damaged"`
}

func (c fsckCommandLine) run(ctx context.Context) error {
	if c.rate < 0 {
		return usageError{errors.New("--rate is a number of MB per second")}
	}
	s, err := c.loadData(c.settingFlags)
	if err != nil {
		return err
	}
	dir, err := s.DataPath()
	if err != nil {
		return err
	}
	file := filepath.Join(dir, checkFile)
	state, err := c.resume(file)
	if err != nil {
		return err
	}
	err = c.operate(ctx, s, func(instance control.Caller) error { return c.check(ctx, instance, file, &state) })
	if ctx.Err() != nil {
		return errors.New("interrupted; the next or3-cloud fsck goes on from here")
	}
	if err != nil && len(state.Faults) > 0 {
		// What a damaged database does to the check of the files is no news.
		fmt.Fprintf(c.stderr, "or3-cloud: the files were not checked: %v\n", spoken(err))
		err = nil
	}
	if err != nil {
		return spoken(err)
	}
	report := newCheckReport(state)
	if err := c.print(report); err != nil {
		return err
	}
	if !report.OK {
		return errReported
	}
	return nil
}

// resume returns the check that was interrupted, or a new one.
func (c fsckCommandLine) resume(file string) (checkState, error) {
	fresh := checkState{Started: c.now().UTC().Truncate(time.Second), WorkspaceID: c.workspace, Findings: []fsck.Finding{}}
	if c.restart {
		return fresh, nil
	}
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return fresh, nil
	}
	if err != nil {
		return fresh, err
	}
	var state checkState
	if err := json.Unmarshal(b, &state); err != nil {
		return fresh, fmt.Errorf("%s cannot be read, so the check cannot go on; begin anew with --restart: %w", file, err)
	}
	if state.WorkspaceID != c.workspace {
		return fresh, nil
	}
	fmt.Fprintf(c.stderr, "Going on with the check that was interrupted; it began %s. To begin anew: or3-cloud fsck --restart\n",
		state.Started.Format(time.DateTime+" MST"))
	return state, nil
}

// check goes on with a check until it is complete, and remembers it after each stretch.
func (c fsckCommandLine) check(ctx context.Context, instance control.Caller, file string, state *checkState) error {
	workspace := ""
	if c.workspace != "" {
		var named gcWorkspaces
		if err := instance.Call(ctx, "gc/workspaces", workspaceQuery{Name: c.workspace}, &named); err != nil {
			return err
		}
		workspace = named.WorkspaceIDs[0]
	}
	if err := checkDatabases(ctx, instance, state); err != nil {
		return err
	}
	var total volume
	if err := instance.Call(ctx, "fsck/volume", volumeInput{workspace}, &total); err != nil {
		return err
	}
	progress := c.newProgress(total.Bytes)
	defer progress.end()
	for {
		in := fsck.Request{WorkspaceID: workspace, After: state.Position, Rate: int64(c.rate) * 1e6, Quarantine: c.quarantine}
		var out fsck.Stretch
		if err := instance.Call(ctx, "fsck/run", in, &out); err != nil {
			return err
		}
		state.Position = out.Next
		state.Files += out.Files
		state.Bytes += out.Bytes
		state.Rows += out.Rows
		state.Findings = append(state.Findings, out.Findings...)
		progress.show(*state)
		if out.Next == "" {
			return ignoreAbsence(os.Remove(file))
		}
		if err := state.save(file); err != nil {
			return fmt.Errorf("remember how far the check has come: %w", err)
		}
	}
}

// checkDatabases reads all databases.
func checkDatabases(ctx context.Context, instance control.Caller, state *checkState) error {
	var all databaseOutput
	if err := instance.Call(ctx, "fsck/database", databaseInput{}, &all); err != nil {
		return err
	}
	for _, role := range all.Roles {
		in := databaseInput{Role: role}
		in.Span = time.Second
		for {
			var out databaseOutput
			if err := instance.Call(ctx, "fsck/database", in, &out); err != nil {
				return err
			}
			state.Pages += out.Pages
			state.Faults = append(state.Faults, out.Faults...)
			in.Damaged = in.Damaged || len(out.Faults) > 0
			if in.After = out.Next; in.After == "" {
				break
			}
		}
	}
	return nil
}

func ignoreAbsence(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// save replaces the file in one step. That it survives a power failure is not needed: an older one is good too.
func (s checkState) save(file string) error {
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := os.WriteFile(file+".new", b, 0o600); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

func newCheckReport(s checkState) checkReport {
	r := checkReport{
		Started: s.Started, WorkspaceID: s.WorkspaceID, Files: s.Files, Bytes: s.Bytes, Rows: s.Rows, Findings: s.Findings,
		Pages: s.Pages, Damaged: append([]or3cloud.DatabaseFault{}, s.Faults...),
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

func (c fsckCommandLine) print(r checkReport) error {
	if c.json {
		e := json.NewEncoder(c.stdout)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(r)
	}
	for _, f := range r.Damaged {
		fmt.Fprintf(c.stdout, "damaged     %s", f.Database)
		if f.WorkspaceID != "" {
			fmt.Fprintf(c.stdout, "  workspace %s", f.WorkspaceID)
		}
		fmt.Fprintf(c.stdout, "  %s\n", f.Fault)
	}
	if len(r.Damaged) > 0 {
		fmt.Fprintln(c.stdout, "A database is damaged. Stop the server and put a backup back (docs/operations.md); devices push again only what they have not pushed yet.")
	}
	for _, f := range r.Findings {
		printFinding(c.stdout, f)
	}
	fmt.Fprintf(c.stdout, "Read %d pages of the databases: %d faults.\n", r.Pages, len(r.Damaged))
	fmt.Fprintf(c.stdout, "Read %d files, %s, and looked up %d rows: %d missing, %d corrupt, %d unreadable, %d orphaned.\n",
		r.Files, humanBytes(r.Bytes), r.Rows, r.Missing, r.Corrupt, r.Unreadable, r.Orphaned)
	return nil
}

func printFinding(w io.Writer, f fsck.Finding) {
	fmt.Fprintf(w, "%-10s  workspace %s  %s  %s", f.Kind, f.WorkspaceID, f.Hash, humanBytes(f.SizeBytes))
	if f.Detail != "" {
		fmt.Fprintf(w, "  %q", f.Detail)
	}
	if f.Quarantined {
		fmt.Fprint(w, "  (moved into quarantine)")
	}
	fmt.Fprintln(w)
}

// humanBytes is a number of bytes as people say it.
func humanBytes(n int64) string {
	units := [...]string{"kB", "MB", "GB", "TB"}
	if n < 1000 {
		return fmt.Sprintf("%d bytes", n)
	}
	value, unit := float64(n)/1000, 0
	for value >= 1000 && unit < len(units)-1 {
		value, unit = value/1000, unit+1
	}
	return fmt.Sprintf("%.1f %s", value, units[unit])
}
