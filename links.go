package or3cloud

// Entrance is where one-time links lead: those of the set-up, of invites, for a new password and for a new address.
type Entrance struct {
	// Base is the address below which browsers see the server, without a slash at the end.
	Base string
	// Page is the path below it of the page that the front has for such links, with a slash at both ends. It is empty
	// where only the client has one.
	Page string
}

// Link returns the address that its owner opens, once. The token stands in the fragment, such as reset=TOKEN: a
// fragment reaches no server, and so no log of a proxy.
func (e Entrance) Link(fragment string) string {
	if e.Page == "" {
		return e.Base + "/#" + fragment
	}
	return e.Base + e.Page + "#" + fragment
}

// Invite returns the link of an invite. Clients look for its token in the query alone.
func (e Entrance) Invite(token string) string {
	if e.Page == "" {
		return e.Base + "/?invite=" + token
	}
	return e.Link("invite=" + token)
}
