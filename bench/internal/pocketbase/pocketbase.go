// Package pocketbase is the rival, as a server of its own.
package pocketbase

import (
	"os"

	"github.com/pocketbase/pocketbase"
	"github.com/pocketbase/pocketbase/core"
	"github.com/pocketbase/pocketbase/tools/types"
)

// What a server has from its start.
const (
	Email      = "device@example.test"
	Password   = "Correct-Horse-7-battery"
	Collection = "changes"
)

// Serve runs PocketBase with a collection for ops, of which a request may bring so many. args are PocketBase's own.
func Serve(args []string, ops int) error {
	os.Args = append(os.Args[:1], args...) // PocketBase looks at them itself, before its flags are parsed
	app := pocketbase.NewWithConfig(pocketbase.Config{HideStartBanner: true})
	app.OnServe().BindFunc(func(e *core.ServeEvent) error {
		if err := setUp(e.App, ops); err != nil {
			return err
		}
		return e.Next()
	})
	return app.Start()
}

func setUp(app core.App, ops int) error {
	if _, err := app.FindCollectionByNameOrId(Collection); err == nil {
		return nil
	}
	s := app.Settings()
	s.Batch.Enabled, s.Batch.MaxRequests, s.Batch.Timeout = true, ops, 60
	s.Logs.MaxDays = 0
	s.RateLimits.Enabled = false
	if err := app.Save(s); err != nil {
		return err
	}
	signedIn := types.Pointer(`@request.auth.id != ""`)
	c := core.NewBaseCollection(Collection)
	c.CreateRule, c.ListRule, c.ViewRule = signedIn, signedIn, signedIn
	c.Fields.Add(
		&core.TextField{Name: "workspace", Required: true}, &core.TextField{Name: "tbl", Required: true},
		&core.TextField{Name: "pk", Required: true}, &core.TextField{Name: "op", Required: true},
		&core.TextField{Name: "device"}, &core.TextField{Name: "op_id", Required: true}, &core.TextField{Name: "hlc"},
		&core.NumberField{Name: "clock"}, &core.JSONField{Name: "payload", MaxSize: 1 << 20},
	)
	c.AddIndex("changes_op_id", true, "workspace, op_id", "")
	if err := app.Save(c); err != nil {
		return err
	}
	users, err := app.FindCollectionByNameOrId("users")
	if err != nil {
		return err
	}
	u := core.NewRecord(users)
	u.SetEmail(Email)
	u.SetPassword(Password)
	return app.Save(u)
}
