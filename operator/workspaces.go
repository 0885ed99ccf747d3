package operator

import (
	"cmp"
	"context"
	"strings"
	"unicode/utf8"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/instance"
)

// The questions about workspaces and their members, and the answers.
type (
	// WorkspaceQuery looks workspaces up.
	WorkspaceQuery struct {
		// Name is an id or a name; empty finds all.
		Name string `json:"name"`
		// Limit is how many are found at most; 0 means as many as a person can choose from.
		Limit int `json:"limit"`
		// Deleted says to look only for deleted ones. They are found newest first.
		Deleted bool `json:"deleted,omitempty"`
	}
	// Workspaces are those that were found, oldest first.
	Workspaces struct {
		Workspaces []or3cloud.WorkspaceSummary `json:"workspaces"`
	}
	// WorkspaceID names a workspace, or none if empty, where that has a meaning.
	WorkspaceID struct {
		WorkspaceID string `json:"workspaceId"`
	}
	// WorkspaceSearch looks for workspaces by name or description.
	WorkspaceSearch struct {
		// Text is contained in the name or the description, ignoring case; empty finds all.
		Text           string `json:"text"`
		IncludeDeleted bool   `json:"includeDeleted"`
		Offset         int    `json:"offset"`
		// Limit is at most MaxPage.
		Limit int `json:"limit"`
	}
	// WorkspacePage are some of those that were found, newest first.
	WorkspacePage struct {
		Workspaces []or3cloud.WorkspaceSummary `json:"workspaces"`
		// Total is how many there are on all pages.
		Total int `json:"total"`
	}
	// NewWorkspace is a workspace to create.
	NewWorkspace struct {
		Name        string `json:"name"`
		Description string `json:"description"`
		// Owner is the e-mail address of an account, its id, or the id of a user. OwnerUserID is only the id of a user;
		// exactly one of the two is given.
		Owner       string `json:"owner,omitempty"`
		OwnerUserID string `json:"ownerUserId,omitempty"`
	}
	// UserSearch looks for users by address, name or id.
	UserSearch struct {
		// Text is contained in the address, the name or the id, ignoring case; blank finds no one.
		Text string `json:"text"`
		// Limit is at most MaxPage.
		Limit int `json:"limit"`
	}
	// User is a user of the workspace store.
	User struct {
		UserID      string `json:"userId"`
		Email       string `json:"email,omitempty"`
		DisplayName string `json:"displayName,omitempty"`
	}
	// Users are those that were found.
	Users struct {
		Users []User `json:"users"`
	}
	// Membership names someone in a workspace.
	Membership struct {
		WorkspaceID string `json:"workspaceId"`
		// Name is the e-mail address of an account, its id, or the id of the user in the workspace.
		Name string        `json:"name"`
		Role or3cloud.Role `json:"role,omitempty"`
	}
	// Member is someone in a workspace.
	Member struct {
		UserID string        `json:"userId"`
		Email  string        `json:"email,omitempty"`
		Role   or3cloud.Role `json:"role"`
	}
	// Members are those of a workspace, oldest first.
	Members struct {
		WorkspaceID string   `json:"workspaceId"`
		Members     []Member `json:"members"`
	}
	// KVName names a setting in a workspace, a kv row.
	KVName struct {
		WorkspaceID string `json:"workspaceId"`
		Name        string `json:"name"`
	}
	// Message is what the operator tells the members of a workspace.
	Message struct {
		WorkspaceID string `json:"workspaceId"`
		// ID is unique. A member who has seen a message is not told again under the same id.
		ID    string `json:"id"`
		Title string `json:"title"`
		Text  string `json:"text"`
	}
	// Told is how many members got the message.
	Told struct {
		WorkspaceID string `json:"workspaceId"`
		Members     int    `json:"members"`
	}
	// FreedName is a name that no row holds any more.
	FreedName struct {
		WorkspaceID string `json:"workspaceId"`
		Name        string `json:"name"`
		// PK is the row that had the name; empty if there was none.
		PK string `json:"pk"`
	}
)

// The use cases of workspaces.
var (
	// FindWorkspaces returns the workspaces with an id or a name, or all of them.
	FindWorkspaces = onAccounts("workspace/find", findWorkspaces)
	// SearchWorkspaces returns a page of all workspaces.
	SearchWorkspaces = onStore("workspace/search", instance.AccessStore, searchWorkspaces)
	// DescribeWorkspace returns a workspace, deleted or not.
	DescribeWorkspace = onStore("workspace/describe", instance.AccessStore, describeWorkspace)
	// CreateWorkspace creates a workspace for an owner.
	CreateWorkspace = onStore("workspace/create", instance.AccessStore, createWorkspace)
	// DeleteWorkspace deletes a workspace softly.
	DeleteWorkspace = onStore("workspace/delete", instance.AccessStore, deleteWorkspace)
	// RestoreWorkspace undoes a deletion.
	RestoreWorkspace = onStore("workspace/restore", instance.AccessStore, restoreWorkspace)
	// SearchUsers returns users of the workspace store, which does not include people who have never signed in.
	SearchUsers = onStore("user/search", instance.AccessStore, searchUsers)
	// ListMembers returns the members of a workspace.
	ListMembers = onMembers("workspace/members", func(ctx context.Context, _ instance.Operator, access or3cloud.WorkspaceAccessStore, in WorkspaceID) (Members, error) {
		return listMembers(ctx, access, in.WorkspaceID)
	})
	// AddMember makes the owner of an account a member. Someone who has never signed in has no user yet and gets one.
	AddMember = onMembers("workspace/members/add", addMember)
	// ChangeRole gives a member another role.
	ChangeRole = onMembers("workspace/members/role", changeRole)
	// RemoveMember removes a member, who then has no access.
	RemoveMember = onMembers("workspace/members/remove", removeMember)
	// FreeName frees the name of a setting that another row holds.
	FreeName = onAccounts("workspace/free-name", freeName)
	// TellMembers shows the members of a workspace a message, as a notification in their clients.
	TellMembers = onMembers("workspace/notify", tellMembers)
)

const (
	// candidates is how many workspaces are offered when a name matches several.
	candidates = 50
	// MaxWorkspaces is how many workspaces are listed.
	MaxWorkspaces = 100_000
	// MaxPage is how many results a page of a search has at most.
	MaxPage = 100
)

func findWorkspaces(ctx context.Context, _ *Desk, op instance.Operator, in WorkspaceQuery) (Workspaces, error) {
	if in.Deleted {
		return findDeleted(ctx, op, in)
	}
	directory, ok := op.Store.(or3cloud.WorkspaceDirectory)
	if !ok {
		return Workspaces{}, or3cloud.Errorf(or3cloud.CodeUnsupported, "the configured workspace store cannot be searched")
	}
	found, err := directory.FindWorkspaces(ctx, in.Name, cmp.Or(min(max(in.Limit, 0), MaxWorkspaces), candidates))
	return Workspaces{found}, err
}

// findDeleted goes through all workspaces: deleted ones are rarely asked for.
func findDeleted(ctx context.Context, op instance.Operator, in WorkspaceQuery) (Workspaces, error) {
	all, ok := op.Store.(or3cloud.WorkspaceAdministrator)
	if !ok {
		return Workspaces{}, or3cloud.Errorf(or3cloud.CodeUnsupported, "the configured workspace store does not show deleted workspaces")
	}
	out, limit := Workspaces{[]or3cloud.WorkspaceSummary{}}, cmp.Or(min(max(in.Limit, 0), MaxWorkspaces), candidates)
	found, _, err := all.SearchWorkspaces(ctx, or3cloud.WorkspaceSearch{IncludeDeleted: true, Limit: MaxWorkspaces})
	for _, ws := range found {
		if !ws.DeletedAt.IsZero() && (in.Name == "" || in.Name == ws.ID || in.Name == ws.Name) && len(out.Workspaces) < limit {
			out.Workspaces = append(out.Workspaces, ws)
		}
	}
	return out, err
}

func searchWorkspaces(ctx context.Context, _ *Desk, all or3cloud.WorkspaceAdministrator, in WorkspaceSearch) (WorkspacePage, error) {
	found, total, err := all.SearchWorkspaces(ctx, or3cloud.WorkspaceSearch{
		Text: strings.TrimSpace(in.Text), IncludeDeleted: in.IncludeDeleted, Offset: max(in.Offset, 0), Limit: min(max(in.Limit, 1), MaxPage),
	})
	return WorkspacePage{append([]or3cloud.WorkspaceSummary{}, found...), total}, err
}

func describeWorkspace(ctx context.Context, _ *Desk, all or3cloud.WorkspaceAdministrator, in WorkspaceID) (or3cloud.WorkspaceSummary, error) {
	return all.DescribeWorkspace(ctx, in.WorkspaceID)
}

func createWorkspace(ctx context.Context, d *Desk, store or3cloud.AuthWorkspaceStore, in NewWorkspace) (out WorkspaceID, err error) {
	in.Name, in.Description = strings.TrimSpace(in.Name), strings.TrimSpace(in.Description)
	if err := or3cloud.CheckWorkspaceTexts(in.Name, in.Description); err != nil {
		return out, err
	}
	owner := in.OwnerUserID
	if owner == "" {
		owner, err = d.instance.UserNamed(ctx, in.Owner, "")
		if or3cloud.CodeOf(err) == or3cloud.CodeNotFound {
			err = or3cloud.Errorf(or3cloud.CodeNotFound, "there is no account %q", in.Owner)
		}
		if err != nil {
			return out, err
		}
	}
	out.WorkspaceID, err = store.CreateWorkspace(ctx, owner, in.Name, in.Description)
	switch or3cloud.CodeOf(err) {
	case or3cloud.CodeForbidden: // only a user may
		err = or3cloud.Errorf(or3cloud.CodeNotFound, "Owner user not found")
	case or3cloud.CodeRateLimited: // it is the owner's limit, and waiting does not help the caller
		err = or3cloud.Errorf(or3cloud.CodeConflict, "The owner has as many workspaces as a user may create")
	}
	return out, err
}

func deleteWorkspace(ctx context.Context, _ *Desk, all or3cloud.WorkspaceAdministrator, in WorkspaceID) (Done, error) {
	return done(all.SoftDeleteWorkspace(ctx, in.WorkspaceID))
}

func restoreWorkspace(ctx context.Context, _ *Desk, all or3cloud.WorkspaceAdministrator, in WorkspaceID) (Done, error) {
	return done(all.RestoreWorkspace(ctx, in.WorkspaceID))
}

func searchUsers(ctx context.Context, _ *Desk, users or3cloud.UserDirectory, in UserSearch) (Users, error) {
	out, text := Users{[]User{}}, strings.TrimSpace(in.Text)
	if text == "" {
		return out, nil
	}
	found, err := users.SearchUsers(ctx, text, min(max(in.Limit, 1), MaxPage))
	for _, u := range found {
		out.Users = append(out.Users, User{UserID: u.ID, Email: u.Email, DisplayName: u.DisplayName})
	}
	return out, err
}

// onMembers makes a use case from a function that needs the members of a workspace.
func onMembers[Q, A any](name string, f func(context.Context, instance.Operator, or3cloud.WorkspaceAccessStore, Q) (A, error)) UseCase[Q, A] {
	return onAccounts(name, func(ctx context.Context, _ *Desk, op instance.Operator, question Q) (answer A, err error) {
		access, ok := op.Store.(or3cloud.WorkspaceAccessStore)
		if !ok {
			return answer, or3cloud.Errorf(or3cloud.CodeUnsupported, "the configured workspace store does not manage members")
		}
		return f(ctx, op, access, question)
	})
}

// checkRole refuses what is not a role.
func checkRole(role or3cloud.Role) error {
	if !role.Valid() {
		return or3cloud.Errorf(or3cloud.CodeInvalid, "%q is not a role; use viewer, editor or owner", role)
	}
	return nil
}

func listMembers(ctx context.Context, access or3cloud.WorkspaceAccessStore, workspaceID string) (Members, error) {
	members, err := access.ListMembers(ctx, workspaceID)
	out := Members{WorkspaceID: workspaceID, Members: make([]Member, 0, len(members))}
	for _, m := range members {
		out.Members = append(out.Members, Member{UserID: m.UserID, Email: m.Email, Role: m.Role})
	}
	return out, err
}

func addMember(ctx context.Context, op instance.Operator, access or3cloud.WorkspaceAccessStore, in Membership) (Member, error) {
	if err := checkRole(in.Role); err != nil {
		return Member{}, err
	}
	a, err := op.Accounts.Account(ctx, in.Name)
	if err != nil {
		return Member{}, err
	}
	user, err := op.Store.GetOrCreateUser(ctx, a.Identity(op.AuthProvider))
	if err != nil {
		return Member{}, err
	}
	return Member{UserID: user, Email: a.Email, Role: in.Role}, access.SetMemberRole(ctx, in.WorkspaceID, user, in.Role)
}

func changeRole(ctx context.Context, op instance.Operator, access or3cloud.WorkspaceAccessStore, in Membership) (Member, error) {
	if err := checkRole(in.Role); err != nil {
		return Member{}, err
	}
	m, err := findMember(ctx, op, access, in)
	if err != nil {
		return Member{}, err
	}
	m.Role = in.Role
	return m, access.SetMemberRole(ctx, in.WorkspaceID, m.UserID, in.Role)
}

func removeMember(ctx context.Context, op instance.Operator, access or3cloud.WorkspaceAccessStore, in Membership) (Member, error) {
	m, err := findMember(ctx, op, access, in)
	if err != nil {
		return Member{}, err
	}
	return m, access.RemoveMember(ctx, in.WorkspaceID, m.UserID)
}

// findMember returns the member with a name. A person who has changed the address of their account is found by the new
// one: the account decides, and the address in the workspace store is that of the first sign-in.
func findMember(ctx context.Context, op instance.Operator, access or3cloud.WorkspaceAccessStore, in Membership) (Member, error) {
	list, err := listMembers(ctx, access, in.WorkspaceID)
	if err != nil {
		return Member{}, err
	}
	user, email, err := userOf(ctx, op, in.Name)
	if err != nil {
		return Member{}, err
	}
	for _, m := range list.Members {
		if m.UserID == user || email == "" && m.Email != "" && strings.EqualFold(m.Email, strings.TrimSpace(in.Name)) {
			if email != "" {
				m.Email = email
			}
			return m, nil
		}
	}
	return Member{}, or3cloud.Errorf(or3cloud.CodeNotFound, "%q is not a member of the workspace; see or3-cloud workspace members list", in.Name)
}

// userOf returns the user behind the account with a name, and the address of the account; if there is no such account,
// the name, which may be the id of a user.
func userOf(ctx context.Context, op instance.Operator, name string) (user, email string, err error) {
	a, err := op.Accounts.Account(ctx, name)
	if or3cloud.CodeOf(err) == or3cloud.CodeNotFound {
		return name, "", nil
	}
	if err != nil {
		return "", "", err
	}
	user, err = op.Store.GetUser(ctx, a.Identity(op.AuthProvider))
	return user, a.Email, err
}

func freeName(ctx context.Context, _ *Desk, op instance.Operator, in KVName) (FreedName, error) {
	freer, ok := op.Rows.(or3cloud.KVNameFreer)
	if !ok {
		return FreedName{}, or3cloud.Errorf(or3cloud.CodeUnsupported, "the configured sync provider cannot free names")
	}
	pk, err := freer.FreeKVName(ctx, in.WorkspaceID, in.Name)
	return FreedName{WorkspaceID: in.WorkspaceID, Name: in.Name, PK: pk}, err
}

func tellMembers(ctx context.Context, op instance.Operator, access or3cloud.WorkspaceAccessStore, in Message) (Told, error) {
	switch {
	case op.Notifier == nil:
		return Told{}, or3cloud.Errorf(or3cloud.CodeUnsupported, "the configured sync provider does not write notifications")
	case strings.TrimSpace(in.Title) == "":
		return Told{}, or3cloud.Errorf(or3cloud.CodeInvalid, "a message needs a title")
	case utf8.RuneCountInString(in.Title) > or3cloud.MaxNotificationTitle:
		return Told{}, or3cloud.Errorf(or3cloud.CodeInvalid, "a title can have at most %d characters", or3cloud.MaxNotificationTitle)
	case utf8.RuneCountInString(in.Text) > or3cloud.MaxNotificationBody:
		return Told{}, or3cloud.Errorf(or3cloud.CodeInvalid, "a message can have at most %d characters", or3cloud.MaxNotificationBody)
	}
	members, err := access.ListMembers(ctx, in.WorkspaceID)
	out := Told{WorkspaceID: in.WorkspaceID}
	for _, m := range members {
		err := op.Notifier.Notify(ctx, or3cloud.Notification{
			ID: or3cloud.NotificationID("operator", in.ID, m.UserID), WorkspaceID: in.WorkspaceID, UserID: m.UserID,
			Type: or3cloud.NotifyWarning, Title: strings.TrimSpace(in.Title), Body: in.Text,
		})
		if or3cloud.CodeOf(err) == or3cloud.CodeForbidden {
			continue // has left in the meantime
		}
		if err != nil {
			return out, err
		}
		out.Members++
	}
	return out, err
}
