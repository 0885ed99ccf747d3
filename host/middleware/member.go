package middleware

import (
	"net/http"

	or3cloud "or3.chat/cloud"
)

// Member admits signed-in users who may do p in their active workspace. Everyone else gets the 401 or 403 of
// or3cloud.Can.
func Member(front or3cloud.Front, r *http.Request, p or3cloud.Permission) (*or3cloud.SessionContext, error) {
	s, err := front.Session(r)
	if err != nil {
		return nil, err
	}
	return ActiveMember(front, r, s, p)
}

// ActiveMember is Member for a session that is already known.
func ActiveMember(front or3cloud.Front, r *http.Request, s *or3cloud.SessionContext, p or3cloud.Permission) (*or3cloud.SessionContext, error) {
	if !s.Authenticated {
		return nil, or3cloud.Can(s, p, or3cloud.Resource{}).Err()
	}
	return front.Authorize(r, p, s.Workspace.ID)
}
