package operator

import (
	"context"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/instance"
	"or3.chat/cloud/setting"
)

// The questions about the super administrator, and the answer.
type (
	// SuperAdminPassword is a new password, and a new name unless that is empty.
	SuperAdminPassword struct {
		Username string `json:"username,omitempty"`
		Password string `json:"password"`
	}
	// SuperAdminName is the name of the super administrator.
	SuperAdminName struct {
		Username string `json:"username"`
	}
)

// SetSuperAdminPassword gives the super administrator a new password and ends all their sessions: the way back in.
var SetSuperAdminPassword = untilClosing("admin/password", func(ctx context.Context, op instance.Operator, in SuperAdminPassword) (SuperAdminName, error) {
	if op.SuperAdmin == nil {
		return SuperAdminName{}, or3cloud.Errorf(or3cloud.CodeUnsupported, "there is no super administrator: set %s and %s, and start the server again",
			setting.AdminUsername, setting.AdminPassword)
	}
	name, err := op.SuperAdmin.SetPassword(ctx, in.Username, in.Password)
	return SuperAdminName{name}, err
})
