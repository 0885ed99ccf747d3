package operator

import (
	"cmp"
	"context"
	"fmt"
	"net/mail"
	"slices"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/instance"
	"or3.chat/cloud/internal/fsck"
	"or3.chat/cloud/setting"
)

// The questions about providers and their actions, and the answers.
type (
	// Deployment is what administrators are shown about the providers.
	Deployment struct {
		Auth    ProviderStatus `json:"auth"`
		Sync    ProviderStatus `json:"sync"`
		Storage ProviderStatus `json:"storage"`
	}
	// ProviderStatus is a provider in its role.
	ProviderStatus struct {
		Enabled  bool   `json:"enabled"`
		Provider string `json:"provider"`
		or3cloud.AdminStatus
		// Database and Files are the known condition of its database and its files; nil where that is not known.
		Database *or3cloud.DatabaseState  `json:"database,omitempty"`
		Files    *or3cloud.IntegrityState `json:"files,omitempty"`
		// Capabilities are what the provider can do beyond what its role requires.
		Capabilities map[string]bool `json:"capabilities"`
	}
	// ActionRequest asks for an action.
	ActionRequest struct {
		Kind     or3cloud.ProviderKind `json:"kind"`
		ActionID string                `json:"actionId"`
		// WorkspaceID is the workspace for an action on a workspace.
		WorkspaceID string `json:"workspaceId"`
		// ActiveWorkspaceID is that of the caller, which the provider's own actions use if no other one is named.
		ActiveWorkspaceID string         `json:"activeWorkspaceId"`
		Payload           map[string]any `json:"payload"`
	}
	// ActionResult is the result.
	ActionResult struct {
		Result any `json:"result"`
	}
	// DatabaseChecked is the result of ActionCheckDatabase.
	DatabaseChecked struct {
		OK    bool  `json:"ok"`
		Pages int64 `json:"pages"`
		// FaultCount is how many there are, Faults the first of them.
		FaultCount int                      `json:"faultCount"`
		Faults     []or3cloud.DatabaseFault `json:"faults"`
	}
	// FilesChecked is the result of ActionCheckFiles.
	FilesChecked struct {
		OK         bool  `json:"ok"`
		Files      int64 `json:"files"`
		Bytes      int64 `json:"bytes"`
		Rows       int64 `json:"rows"`
		Missing    int   `json:"missing"`
		Corrupt    int   `json:"corrupt"`
		Unreadable int   `json:"unreadable"`
		Orphaned   int   `json:"orphaned"`
		// Findings are the first of those that are not orphaned.
		Findings []fsck.Finding `json:"findings"`
	}
)

// The actions of every provider whose abilities allow them. Other actions are the providers' own.
const (
	ActionCheckDatabase  = "check-database" // after the kind and a dot
	ActionCheckFiles     = "storage.check-files"
	ActionRevokeSessions = "auth.revoke-sessions"
	ActionTestMail       = "auth.test-mail"
)

// The use cases of providers.
var (
	// DescribeProviders returns the state of the providers, and which actions they have.
	DescribeProviders = untilClosing("providers/describe", func(ctx context.Context, op instance.Operator, _ Nothing) (out Deployment, err error) {
		for _, place := range op.Places {
			*out.of(place.Kind) = describe(ctx, op, place)
		}
		return out, ctx.Err()
	})
	// RunAction runs an action of a provider, however long it takes; Desk.Begin does not wait for the end.
	RunAction = untilClosing("providers/action", func(ctx context.Context, op instance.Operator, in ActionRequest) (ActionResult, error) {
		result, err := runAction(ctx, op, in, func(any) {})
		return ActionResult{result}, err
	})
)

// of returns the status of a role; nil if it is not one of the three.
func (d *Deployment) of(kind or3cloud.ProviderKind) *ProviderStatus {
	return map[or3cloud.ProviderKind]*ProviderStatus{
		or3cloud.ProviderAuth: &d.Auth, or3cloud.ProviderSync: &d.Sync, or3cloud.ProviderStorage: &d.Storage,
	}[kind]
}

// All returns the roles in the order auth, sync, storage, with their kinds.
func (d *Deployment) All(yield func(or3cloud.ProviderKind, *ProviderStatus) bool) {
	for _, kind := range []or3cloud.ProviderKind{or3cloud.ProviderAuth, or3cloud.ProviderSync, or3cloud.ProviderStorage} {
		if !yield(kind, d.of(kind)) {
			return
		}
	}
}

// statusPatience is how long a provider may take to report its state.
const statusPatience = 5 * time.Second

// describe asks a provider. One that cannot answer does not keep the others from being shown.
func describe(ctx context.Context, op instance.Operator, place instance.Place) ProviderStatus {
	s := ProviderStatus{Enabled: place.On, Provider: place.Provider, Capabilities: capabilities(op, place.Kind)}
	warn := func(level, text string) {
		s.Warnings = append(s.Warnings, or3cloud.AdminWarning{Level: level, Message: text})
	}
	switch {
	case place.Admin != nil:
		ctx, cancel := context.WithTimeout(ctx, statusPatience)
		defer cancel()
		status, err := place.Admin.GetStatus(ctx)
		s.AdminStatus = status
		if err != nil {
			warn(or3cloud.AdminLevelError, fmt.Sprintf("The provider %s does not report its state.", place.Provider))
		}
	case place.On:
		warn(or3cloud.AdminLevelWarning, fmt.Sprintf("The provider %s has no adapter for administrators, so its state is unknown.", place.Provider))
	}
	if d := op.Databases[string(place.Kind)]; d != nil {
		state := d.DatabaseState()
		if s.Database = &state; state.State == or3cloud.DatabaseDamaged {
			warn(or3cloud.AdminLevelError, "The database is damaged. Stop the server and restore a backup.")
		}
	}
	if files, ok := op.Files.(or3cloud.IntegrityReporter); ok && place.Kind == or3cloud.ProviderStorage {
		state := files.IntegrityState()
		if s.Files = &state; state.Damaged > 0 {
			warn(or3cloud.AdminLevelError, fmt.Sprintf("Damaged files: %d. Check the files to see which; anyone who has one can attach it again.", state.Damaged))
		}
	}
	for _, a := range actions(op, place.Kind) {
		if !slices.ContainsFunc(s.Actions, func(own or3cloud.AdminAction) bool { return own.ID == a.ID }) {
			s.Actions = append(s.Actions, a.AdminAction)
		}
	}
	s.Warnings, s.Actions = append([]or3cloud.AdminWarning{}, s.Warnings...), append([]or3cloud.AdminAction{}, s.Actions...)
	return s
}

// capabilities are abilities of the provider in a role (contract, workspaces-and-admin §7, and our own).
func capabilities(op instance.Operator, kind or3cloud.ProviderKind) map[string]bool {
	can := map[string]bool{"checksDatabase": op.Databases[string(kind)] != nil}
	switch kind {
	case or3cloud.ProviderAuth:
		can["supportsAccountManagement"] = op.Accounts != nil
	case or3cloud.ProviderSync:
		_, access := op.Store.(or3cloud.WorkspaceAccessStore)
		_, users := op.Store.(or3cloud.UserDirectory)
		_, workspaces := op.Store.(or3cloud.WorkspaceAdministrator)
		_, admins := op.Store.(or3cloud.DeploymentAdminStore)
		can["supportsServerSideAdmin"] = access
		can["supportsUserSearch"] = users
		can["supportsWorkspaceList"], can["supportsWorkspaceManagement"] = workspaces, workspaces
		can["supportsDeploymentAdminGrants"] = admins
	case or3cloud.ProviderStorage:
		_, collects := op.Files.(or3cloud.StorageCollector)
		_, checks := op.Files.(or3cloud.BlobChecker)
		can["collectsFiles"], can["checksFiles"] = collects, checks
	}
	return can
}

// action is an action that is built on abilities.
type action struct {
	or3cloud.AdminAction
	run func(ctx context.Context, op instance.Operator, in ActionRequest, progress func(any)) (any, error)
}

// actions returns those that the provider in a role has the abilities for.
func actions(op instance.Operator, kind or3cloud.ProviderKind) (all []action) {
	if op.Databases[string(kind)] != nil {
		all = append(all, action{or3cloud.AdminAction{
			ID: string(kind) + "." + ActionCheckDatabase, Label: "Check the database",
			Description: "Reads every page of the database and says what is damaged. It changes nothing and holds nothing up.",
		}, checkWholeDatabase})
	}
	_, checksFiles := op.Files.(or3cloud.BlobChecker)
	switch {
	case kind == or3cloud.ProviderStorage && checksFiles:
		all = append(all, action{or3cloud.AdminAction{
			ID: ActionCheckFiles, Label: "Check the files",
			Description: "Reads all stored files back, compares them with their hashes, and looks for those that rows name. Nothing is changed.",
		}, checkAllFiles})
	case kind == or3cloud.ProviderAuth && op.Accounts != nil:
		all = append(all, action{or3cloud.AdminAction{
			ID: ActionRevokeSessions, Label: "End all sessions", Danger: true,
			Description:  "Signs everyone out on all devices, or only the named account.",
			Confirmation: "Everyone will have to sign in again, including you. Edits that devices have not pushed yet stay on them until then. End all sessions?",
		}, revokeSessions})
	}
	if kind == or3cloud.ProviderAuth && op.Config.String(setting.SMTPURL) != "" {
		all = append(all, action{or3cloud.AdminAction{
			ID: ActionTestMail, Label: "Send a test message",
			Description: "Sends a message to the named address, or to the sender's own, and says what is wrong if it cannot be sent.",
		}, testMail})
	}
	return all
}

func runAction(ctx context.Context, op instance.Operator, in ActionRequest, progress func(any)) (any, error) {
	at := slices.IndexFunc(op.Places, func(p instance.Place) bool { return p.Kind == in.Kind })
	if at < 0 {
		return nil, or3cloud.Errorf(or3cloud.CodeInvalid, "Invalid request")
	}
	place := op.Places[at]
	if err := named(ctx, op, in.WorkspaceID); err != nil {
		return nil, err
	}
	if in.Payload == nil {
		in.Payload = map[string]any{}
	}
	own := actions(op, in.Kind)
	at = slices.IndexFunc(own, func(a action) bool { return a.ID == in.ActionID })
	runner, _ := place.Admin.(or3cloud.AdminActionRunner)
	switch {
	case runner != nil && (at < 0 || has(ctx, place.Admin, in.ActionID)):
		return runner.RunAction(ctx, cmp.Or(in.WorkspaceID, in.ActiveWorkspaceID), in.ActionID, in.Payload)
	case at >= 0:
		return own[at].run(ctx, op, in, progress)
	case len(own) > 0:
		return nil, or3cloud.Errorf(or3cloud.CodeInvalid, "Unknown action")
	}
	return nil, or3cloud.Errorf(or3cloud.CodeUnsupported, "Action not supported")
}

// named refuses an action on a workspace that does not exist: it would find nothing there, and so nothing wrong.
func named(ctx context.Context, op instance.Operator, workspaceID string) error {
	all, ok := op.Store.(or3cloud.WorkspaceAdministrator)
	if workspaceID == "" || !ok {
		return nil
	}
	_, err := all.DescribeWorkspace(ctx, workspaceID)
	return err
}

// has reports whether an adapter lists an action.
func has(ctx context.Context, adapter or3cloud.ProviderAdminAdapter, id string) bool {
	status, err := adapter.GetStatus(ctx)
	return err == nil && slices.ContainsFunc(status.Actions, func(a or3cloud.AdminAction) bool { return a.ID == id })
}

// mostFindings is how many findings a result lists; the rest is counted.
const mostFindings = 20

func checkWholeDatabase(ctx context.Context, op instance.Operator, in ActionRequest, progress func(any)) (any, error) {
	out := DatabaseChecked{Faults: []or3cloud.DatabaseFault{}}
	question := or3cloud.DatabaseCheckRequest{Span: time.Second}
	for {
		stretch, err := op.Databases[string(in.Kind)].CheckDatabase(ctx, question)
		if err != nil {
			return nil, err
		}
		out.Pages += stretch.Pages
		out.FaultCount += len(stretch.Faults)
		out.Faults = append(out.Faults, stretch.Faults[:min(len(stretch.Faults), mostFindings-len(out.Faults))]...)
		out.OK = out.FaultCount == 0
		question.Damaged, question.After = !out.OK, stretch.Next
		if question.After == "" {
			return out, nil
		}
		progress(map[string]int64{"pages": out.Pages})
	}
}

// checkRate is how many bytes of files a check reads per second at most, so that users are still served.
const checkRate = 50 << 20

func checkAllFiles(ctx context.Context, op instance.Operator, in ActionRequest, progress func(any)) (any, error) {
	out := FilesChecked{Findings: []fsck.Finding{}}
	workspaces, _ := op.Store.(or3cloud.WorkspaceDirectory)
	check := fsck.Instance{Files: op.Files.(or3cloud.BlobChecker), Rows: op.Rows, References: op.References, Workspaces: workspaces}
	question := fsck.Request{WorkspaceID: in.WorkspaceID, Rate: checkRate}
	_, total, err := check.Files.StoredVolume(ctx, in.WorkspaceID)
	if err != nil {
		return nil, err
	}
	for {
		stretch, err := check.Run(ctx, question)
		if err != nil {
			return nil, err
		}
		out.Files, out.Bytes, out.Rows = out.Files+stretch.Files, out.Bytes+stretch.Bytes, out.Rows+stretch.Rows
		for _, f := range stretch.Findings {
			out.count(f)
		}
		out.OK = out.Missing+out.Corrupt+out.Unreadable == 0
		if question.After = stretch.Next; question.After == "" {
			return out, nil
		}
		progress(map[string]int64{"files": out.Files, "bytes": out.Bytes, "totalBytes": total})
	}
}

func (c *FilesChecked) count(f fsck.Finding) {
	switch f.Kind {
	case fsck.Missing:
		c.Missing++
	case fsck.Corrupt:
		c.Corrupt++
	case fsck.Unreadable:
		c.Unreadable++
	case fsck.Orphaned:
		c.Orphaned++
		return
	}
	if len(c.Findings) < mostFindings {
		c.Findings = append(c.Findings, f)
	}
}

// revokeSessions ends those of the account that the payload names, or all of them. A payload that names something else
// is refused: it may have meant one account.
func revokeSessions(ctx context.Context, op instance.Operator, in ActionRequest, progress func(any)) (any, error) {
	var out Revoked
	if len(in.Payload) > 0 {
		account, ok := in.Payload["account"].(string)
		if !ok || account == "" || len(in.Payload) > 1 {
			return nil, or3cloud.Errorf(or3cloud.CodeInvalid, "Name one account, or nothing to end all sessions")
		}
		n, err := op.Accounts.RevokeSessions(ctx, account, "")
		return Revoked{n}, err
	}
	for cursor := ""; ; {
		page, next, err := op.Accounts.ListAccounts(ctx, cursor, 0)
		if err != nil {
			return nil, err
		}
		for _, a := range page {
			n, err := op.Accounts.RevokeSessions(ctx, a.ID, "")
			if err != nil && or3cloud.CodeOf(err) != or3cloud.CodeNotFound { // deleted in the meantime
				return nil, err
			}
			out.Revoked += n
		}
		if cursor = next; cursor == "" {
			return out, nil
		}
		progress(out)
	}
}

// testMail sends a message to the address that the payload names, or to the sender's own.
func testMail(ctx context.Context, op instance.Operator, in ActionRequest, _ func(any)) (any, error) {
	to, _ := in.Payload["to"].(string)
	if to == "" {
		if from, err := mail.ParseAddress(op.Config.String(setting.SMTPFrom)); err == nil {
			to = from.Address
		}
	}
	if !IsAddress(to) {
		return nil, or3cloud.Errorf(or3cloud.CodeInvalid, "Name one e-mail address")
	}
	return MailTest{
		URL: op.Config.String(setting.SMTPURL), From: op.Config.String(setting.SMTPFrom), EHLOName: op.Config.String(setting.EHLOName),
		To: to, PublicURL: op.Config.String(setting.PublicURL), Now: op.Now, Rand: op.Rand,
	}.Run(ctx), nil
}
