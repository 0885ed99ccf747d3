package operator

import (
	"cmp"
	"context"
	"strings"
	"unicode/utf8"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/instance"
)

// What is asked about workspaces and their members, and the answers.
type (
	// WorkspaceQuery looks workspaces up.
	WorkspaceQuery struct {
		// Name is an id or a name; empty finds all.
		Name string `json:"name"`
		// Limit is how many are found at most; 0 is as many as a person is asked to choose from.
		Limit int `json:"limit"`
		// Deleted says that those are looked for that were deleted, and no others. They are found the newest first.
		Deleted bool `json:"deleted,omitempty"`
	}
	// Workspaces are those that were found, the oldest first.
	Workspaces struct {
		Workspaces []or3cloud.WorkspaceSummary `json:"workspaces"`
	}
	// WorkspaceID names a workspace, and "" none, where that has a meaning.
	WorkspaceID struct {
		WorkspaceID string `json:"workspaceId"`
	}
	// WorkspaceSearch looks for workspaces by what they are called.
	WorkspaceSearch struct {
		// Text is contained in the name or the description, whatever its case; empty finds all.
		Text           string `json:"text"`
		IncludeDeleted bool   `json:"includeDeleted"`
		Offset         int    `json:"offset"`
		// Limit is at most MaxPage.
		Limit int `json:"limit"`
	}
	// WorkspacePage are some of those that were found, the newest first.
	WorkspacePage struct {
		Workspaces []or3cloud.WorkspaceSummary `json:"workspaces"`
		// Total is how many there are on all pages.
		Total int `json:"total"`
	}
	// NewWorkspace is a workspace that is to be made.
	NewWorkspace struct {
		Name        string `json:"name"`
		Description string `json:"description"`
		// Owner is the e-mail address of an account, its id, or the id of a user. OwnerUserID is the id of the user alone; one of
		// both is given.
		Owner       string `json:"owner,omitempty"`
		OwnerUserID string `json:"ownerUserId,omitempty"`
	}
	// UserSearch looks for users by what they are called.
	UserSearch struct {
		// Text is contained in the address, the name or the id, whatever its case; blank finds no one.
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
	// Membership names somebody in a workspace.
	Membership struct {
		WorkspaceID string `json:"workspaceId"`
		// Name is the e-mail address of an account, its id, or the id of the user in the workspace.
		Name string        `json:"name"`
		Role or3cloud.Role `json:"role,omitempty"`
	}
	// Member is somebody in a workspace.
	Member struct {
		UserID string        `json:"userId"`
		Email  string        `json:"email,omitempty"`
		Role   or3cloud.Role `json:"role"`
	}
	// Members are those of a workspace, the oldest first.
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
		// ID is unique. Who was told is not told again under the same one.
		ID    string `json:"id"`
		Title string `json:"title"`
		Text  string `json:"text"`
	}
	// Told is how many members have a message.
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
	// CreateWorkspace makes a workspace for an owner.
	CreateWorkspace = onStore("workspace/create", instance.AccessStore, createWorkspace)
	// DeleteWorkspace deletes a workspace softly.
	DeleteWorkspace = onStore("workspace/delete", instance.AccessStore, deleteWorkspace)
	// RestoreWorkspace takes a deletion back.
	RestoreWorkspace = onStore("workspace/restore", instance.AccessStore, restoreWorkspace)
	// SearchUsers returns the users of the workspace store, those who have never signed in not among them.
	SearchUsers = onStore("user/search", instance.AccessStore, searchUsers)
	// ListMembers returns the members of a workspace.
	ListMembers = onMembers("workspace/members", func(ctx context.Context, _ instance.Operator, access or3cloud.WorkspaceAccessStore, in WorkspaceID) (Members, error) {
		return listMembers(ctx, access, in.WorkspaceID)
	})
	// AddMember makes the owner of an account a member. Somebody who has never signed in has no user yet and gets one.
	AddMember = onMembers("workspace/members/add", addMember)
	// ChangeRole gives a member another role.
	ChangeRole = onMembers("workspace/members/role", changeRole)
	// RemoveMember removes a member, who has no access from then on.
	RemoveMember = onMembers("workspace/members/remove", removeMember)
	// FreeName frees the name of a setting that another row holds.
	FreeName = onAccounts("workspace/free-name", freeName)
	// TellMembers shows the members of a workspace a message, as a notification in their clients.
	TellMembers = onMembers("workspace/notify", tellMembers)
)

const (
	// candidates is how many workspaces are offered when a name fits several.
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

// findDeleted goes through all workspaces: no one asks for deleted ones often.
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
	case or3cloud.CodeForbidden: // no one but a user may
		err = or3cloud.Errorf(or3cloud.CodeNotFound, "Owner user not found")
	case or3cloud.CodeRateLimited: // it is the owner's bound, and no waiting of who asks helps
		err = or3cloud.Errorf(or3cloud.CodeConflict, "The owner has as many workspaces as a user may make")
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

// onMembers makes a use case of a function that needs the members of a workspace.
func onMembers[Q, A any](name string, f func(context.Context, instance.Operator, or3cloud.WorkspaceAccessStore, Q) (A, error)) UseCase[Q, A] {
	return onAccounts(name, func(ctx context.Context, _ *Desk, op instance.Operator, question Q) (answer A, err error) {
		access, ok := op.Store.(or3cloud.WorkspaceAccessStore)
		if !ok {
			return answer, or3cloud.Errorf(or3cloud.CodeUnsupported, "the configured workspace store does not manage members")
		}
		return f(ctx, op, access, question)
	})
}

// checkRole refuses what is no role.
func checkRole(role or3cloud.Role) error {
	if !role.Valid() {
		return or3cloud.Errorf(or3cloud.CodeInvalid, "%q is no role; use viewer, editor or owner", role)
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

// findMember returns the member with a name. Whoever has changed the address of the account is found by the new one: the
// account decides, and the address that the workspace store keeps is that of the first sign-in.
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
	return Member{}, or3cloud.Errorf(or3cloud.CodeNotFound, "%q is no member of the workspace; see or3-cloud workspace members list", in.Name)
}

// userOf returns the user behind the account with a name, and the address of the account; where there is no such account, the name,
// which may be the id of a user.
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
		return Told{}, or3cloud.Errorf(or3cloud.CodeUnsupported, "the configured sync provider writes no notifications")
	case strings.TrimSpace(in.Title) == "":
		return Told{}, or3cloud.Errorf(or3cloud.CodeInvalid, "a message needs a title")
	case utf8.RuneCountInString(in.Title) > or3cloud.MaxNotificationTitle:
		return Told{}, or3cloud.Errorf(or3cloud.CodeInvalid, "a title has %d characters at most", or3cloud.MaxNotificationTitle)
	case utf8.RuneCountInString(in.Text) > or3cloud.MaxNotificationBody:
		return Told{}, or3cloud.Errorf(or3cloud.CodeInvalid, "a message has %d characters at most", or3cloud.MaxNotificationBody)
	}
	members, err := access.ListMembers(ctx, in.WorkspaceID)
	out := Told{WorkspaceID: in.WorkspaceID}
	for _, m := range members {
		err := op.Notifier.Notify(ctx, or3cloud.Notification{
			ID: or3cloud.NotificationID("operator", in.ID, m.UserID), WorkspaceID: in.WorkspaceID, UserID: m.UserID,
			Type: or3cloud.NotifyWarning, Title: strings.TrimSpace(in.Title), Body: in.Text,
		})
		if or3cloud.CodeOf(err) == or3cloud.CodeForbidden {
			continue // has left meanwhile
		}
		if err != nil {
			return out, err
		}
		out.Members++
	}
	return out, err
}
